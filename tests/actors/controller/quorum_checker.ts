/**
 * P16 to P19 of the guarantees, held against every replica of a simulated quorum after each event.
 */

import type { Epoch, Offset } from "../../../storage/bytes/ids.ts";
import type { PersistedQuorumState } from "../../../actors/controller/quorum_state.ts";
import type { QuorumReplica } from "../../../actors/controller/quorum_replica.ts";
import type { ReplicaKey } from "../../../actors/controller/voters.ts";
import type { MemoryQuorumLog, MemoryRecord } from "./memory_quorum_log.ts";

/** A replica as the checker sees it; `quorum` is undefined while it is down. */
export interface CheckedNode {
  readonly key: ReplicaKey;
  readonly quorum: QuorumReplica | undefined;
  readonly log: MemoryQuorumLog;
  /** What a power cut would leave of epoch and vote. */
  readonly durableState: PersistedQuorumState | undefined;
}

interface Seen {
  highWatermark: Offset;
  role: string;
  startOffset: Offset;
  epoch: Epoch;
  endOffset: Offset;
  truncations: number;
}

export class QuorumViolation extends Error {}

export class QuorumChecker {
  /** What is committed, in order, as whoever said so first had it. */
  readonly committed: MemoryRecord[] = [];
  /** In which epoch each of them came to be. */
  readonly #committedIn: Epoch[] = [];
  readonly #leaders = new Map<Epoch, string>();
  readonly #votes = new Map<string, string>();
  readonly #epochs = new Map<string, Epoch>();
  /** The chain of each record ever seen, by offset and epoch. */
  readonly #records = new Map<string, number>();
  readonly #seen = new WeakMap<QuorumReplica, Seen>();
  readonly counts = { elections: 0, commits: 0, snapshotChecks: 0, truncations: 0 };

  /** A voter has given its vote: the answer is on its way. */
  voted(voter: ReplicaKey, epoch: Epoch, candidate: ReplicaKey): void {
    const key = `${name(voter)} ${epoch}`;
    const before = this.#votes.get(key) ?? name(candidate);
    this.#votes.set(key, name(candidate));
    this.#hold(before === name(candidate), "P17", () => {
      return `${name(voter)} votes for ${before} and ${name(candidate)} in epoch ${epoch}`;
    });
  }

  /** Looks at a node after an event of its own. */
  look(node: CheckedNode): void {
    const { quorum, log } = node;
    if (quorum === undefined) return;
    const seen = this.#seen.get(quorum) ?? {
      highWatermark: -1,
      role: "",
      startOffset: -1,
      epoch: -1,
      endOffset: 0,
      truncations: 0,
    };
    this.#seen.set(quorum, seen);
    this.#checkEpoch(node, quorum);
    this.#checkRecords(seen, log);
    const { role, epoch } = quorum.state;
    if (role === "leader" && (seen.role !== role || seen.epoch !== epoch)) {
      this.#leads(node, quorum);
    }
    seen.role = role;
    seen.epoch = epoch;
    if (log.startOffset !== seen.startOffset) {
      seen.startOffset = log.startOffset;
      this.#checkSnapshot(node);
    }
    const { highWatermark } = quorum;
    if (highWatermark > seen.highWatermark) {
      this.#commit(node, seen.highWatermark, highWatermark);
    }
    this.#hold(highWatermark >= seen.highWatermark, "P11", () => "the high watermark falls");
    seen.highWatermark = highWatermark;
    this.#hold(highWatermark <= log.endOffset, "P1", () => {
      return `${
        name(node.key)
      }: committed up to ${highWatermark}, its log ends at ${log.endOffset}`;
    });
  }

  #checkEpoch({ key, durableState }: CheckedNode, quorum: QuorumReplica): void {
    const before = this.#epochs.get(name(key)) ?? 0;
    const { epoch } = quorum.state;
    this.#hold(epoch >= before, "P17", () => {
      return `the epoch of ${name(key)} falls from ${before} to ${epoch}`;
    });
    const persisted = durableState?.leaderEpoch ?? 0;
    if (persisted > before) this.#epochs.set(name(key), persisted);
  }

  /** One chain a record: whoever has that offset in that epoch has the same before it. */
  #checkRecords(seen: Seen, log: MemoryQuorumLog): void {
    if (seen.endOffset === log.endOffset && seen.truncations === log.truncations) return;
    const from = seen.truncations === log.truncations ? seen.endOffset : log.startOffset;
    this.counts.truncations += log.truncations - seen.truncations;
    for (let offset = Math.max(from, log.startOffset); offset < log.endOffset; offset++) {
      const { epoch, chain } = log.at(offset)!;
      const key = `${offset} ${epoch}`;
      const known = this.#records.get(key) ?? chain;
      this.#records.set(key, chain);
      this.#hold(known === chain, "P9", () => `two logs part at or before ${offset} of ${epoch}`);
    }
    seen.endOffset = log.endOffset;
    seen.truncations = log.truncations;
  }

  #leads({ key, log }: CheckedNode, quorum: QuorumReplica): void {
    this.counts.elections++;
    const { epoch } = quorum.state;
    const before = this.#leaders.get(epoch);
    this.#leaders.set(epoch, name(key));
    this.#hold(before === undefined, "P17", () => {
      return `${name(key)} leads epoch ${epoch}, which ${before} led`;
    });
    // One that comes late to an epoch which has passed need not have what came later.
    for (let offset = log.startOffset; offset < this.committed.length; offset++) {
      if (this.#committedIn[offset]! >= epoch) break;
      this.#hold(log.at(offset)?.chain === this.committed[offset]!.chain, "P6", () => {
        return `the leader of epoch ${epoch}, ${name(key)}, lacks what is committed at ${offset}`;
      });
    }
  }

  /**
   * A leader commits what a majority of its voters has for good. Looked at when it does so, for it
   * may be just what another change of the voters has waited for.
   */
  committing({ quorum }: CheckedNode, highWatermark: Offset, all: readonly CheckedNode[]): void {
    if (quorum?.state.role !== "leader") return;
    const { log } = quorum.options;
    const last = (log as MemoryQuorumLog).at(highWatermark - 1);
    const holders = all.filter(({ key, log: { durable } }) => {
      if (!quorum.voters.has(key)) return false;
      if (durable.start >= highWatermark) return true;
      return durable.records[highWatermark - 1 - durable.start]?.chain === last?.chain;
    });
    this.#hold(holders.length >= quorum.voters.majority, "P18", () => {
      return `${highWatermark} is committed, which only ${holders.map(({ key }) => key.id)} of ` +
        `${quorum.voters.ids} hold for good`;
    });
  }

  #commit({ key, log, quorum }: CheckedNode, from: Offset, to: Offset): void {
    this.counts.commits++;
    const epoch = quorum?.state.epoch ?? 0;
    for (let offset = Math.max(from, log.startOffset, 0); offset < to; offset++) {
      const record = log.at(offset)!;
      const known = this.committed[offset];
      if (known === undefined) {
        this.#hold(offset === this.committed.length, "P16", () => `a gap before ${offset}`);
        this.committed.push(record);
        this.#committedIn.push(epoch);
      } else {
        this.#hold(known.chain === record.chain, "P16", () => {
          return `${name(key)} commits something else at ${offset}`;
        });
      }
    }
  }

  #checkSnapshot({ key, log, quorum }: CheckedNode): void {
    if (log.startOffset === 0) return;
    this.counts.snapshotChecks++;
    const { snapshotId, snapshotRecords } = log;
    this.#hold(snapshotId?.endOffset === log.startOffset, "P19", () => {
      return `the log of ${name(key)} begins at ${log.startOffset}, without a snapshot`;
    });
    this.#hold(
      snapshotRecords.every(({ chain }, offset) => chain === this.committed[offset]?.chain) &&
        snapshotRecords.at(-1)?.epoch === snapshotId?.epoch,
      "P19",
      () => `the snapshot of ${name(key)} is not what is committed`,
    );
    this.#hold(
      quorum?.state.role !== "leader" || log.startOffset <= quorum.highWatermark,
      "P19",
      () => "a leader loaded a snapshot",
    );
  }

  #hold(holds: boolean, rule: string, message: () => string): void {
    if (!holds) throw new QuorumViolation(`${rule}: ${message()}`);
  }
}

export function name({ id, directoryId }: ReplicaKey): string {
  return `${id}/${directoryId.replace(/A+$/, "")}`;
}
