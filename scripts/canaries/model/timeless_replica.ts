/**
 * A replica with its log, without clock and messages: it is told what happens, and all of its state
 * that matters can be compared.
 *
 * @module
 */

import type { ErrorCode } from "../../../net/messages/errors.ts";
import type { IsrProposal } from "../../../actors/partition/isr_state.ts";
import type { FetchVerdict } from "../../../actors/partition/leader_state.ts";
import type { IsrAnswer } from "../../../actors/partition/messages.ts";
import type { Replica } from "../../../actors/partition/replica.ts";
import type { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import type { PartitionImage } from "../../../actors/controller/partition_image.ts";
import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";
import { ToyLog } from "./toy_log.ts";

export const ALL: readonly NodeId[] = [0, 1, 2];

/** What a replica is told. */
export type Input =
  | {
    readonly kind: "assign";
    readonly leader: NodeId;
    readonly leaderEpoch: Epoch;
    readonly partitionEpoch: number;
    readonly isr: readonly NodeId[];
  }
  | { readonly kind: "write" }
  | {
    readonly kind: "fetch";
    readonly from: NodeId;
    readonly epoch: Epoch;
    readonly offset: Offset;
    readonly last: Epoch;
  }
  | {
    readonly kind: "take";
    readonly epoch: Epoch;
    readonly offset: Offset;
    readonly response: FetchResponse;
  }
  | { readonly kind: "shrink"; readonly member: NodeId }
  | { readonly kind: "answer"; readonly answer: IsrAnswer };

export interface FetchResponse {
  readonly verdict: FetchVerdict;
  /** Epoch of the record at the fetch offset, or -1. */
  readonly record: Epoch;
  readonly highWatermark: Offset;
}

export type ReplicaClass = typeof Replica;
export type TimelessReplica = new (id: NodeId) => Replica & { lagging: NodeId };

/** The protocol with time taken out: who falls behind is decided by the walk. */
export function timeless(Base: ReplicaClass): TimelessReplica {
  return class extends Base {
    lagging: NodeId = -1;
    constructor(id: NodeId) {
      super(id, { minInsyncReplicas: 1, flushBeforeAck: false });
    }
    protected override hasFallenBehind(id: NodeId): boolean {
      return id === this.lagging;
    }
    // To wait is only kind: what is safe must be so without.
    protected override waitsForJoiner(): boolean {
      return false;
    }
  };
}

/** One replica, its log, and all of its state that matters as text. */
export class Actor {
  readonly log = new ToyLog();
  readonly replica: Replica & { lagging: NodeId };
  #proposal: IsrProposal | undefined;

  constructor(Class: TimelessReplica, readonly id: NodeId) {
    this.replica = new Class(id);
    this.replica.opened(this.log, 0);
  }

  tell(input: Input): FetchResponse | undefined {
    const response = this.#tell(input);
    this.#proposal = this.replica.takeProposal() ?? this.#proposal;
    return response;
  }

  #tell(input: Input): FetchResponse | undefined {
    const { replica, log } = this;
    switch (input.kind) {
      case "assign": {
        const assigned = replica.assign({ ...input, replicas: ALL }, 0);
        const { epochStart, truncateTo } = assigned;
        if (epochStart !== undefined) log.epochs.assign(replica.leaderEpoch, epochStart);
        if (truncateTo !== undefined) this.#cut(truncateTo);
        return undefined;
      }
      case "write":
        log.append({ id: 0, epoch: replica.leaderEpoch });
        replica.appended(0);
        return undefined;
      case "fetch":
        return this.#fetched(input.from, input.epoch, input.offset, input.last);
      case "take":
        if (replica.acceptsFetched(input.epoch, input.offset)) this.#take(input.response);
        return undefined;
      case "shrink":
        replica.lagging = input.member;
        replica.checkLag(0);
        replica.lagging = -1;
        return undefined;
      case "answer": {
        const proposal = this.#proposal;
        if (proposal !== undefined) replica.isrAnswered(proposal, input.answer, 0);
        return undefined;
      }
    }
  }

  /** The proposal under way. */
  get pending(): IsrProposal | undefined {
    const proposal = this.#proposal;
    return proposal !== undefined && this.replica.isPending(proposal) ? proposal : undefined;
  }

  get key(): string {
    const { replica, log } = this;
    const followers = [...replica.followers].sort().map(([id, { logEndOffset }]) =>
      `${id}:${logEndOffset}`
    );
    const proposed = this.pending?.newIsr.map(({ brokerId }) => brokerId).sort().join("") ?? "";
    return [
      this.id,
      replica.role,
      replica.leader,
      replica.leaderEpoch,
      replica.partitionEpoch,
      replica.highWatermark,
      replica.leaderEpochStartOffset,
      replica.isr.toSorted().join(""),
      proposed,
      followers.join(","),
      log.records.map(({ epoch }) => epoch).join(""),
      log.epochs.entries().map(({ epoch, startOffset }) => `${epoch}:${startOffset}`).join(","),
    ].join("|");
  }

  #fetched(from: NodeId, epoch: Epoch, offset: Offset, last: Epoch): FetchResponse {
    const { replica, log } = this;
    const verdict = replica.fetchedBy({
      replicaId: from,
      currentLeaderEpoch: epoch,
      fetchOffset: offset,
      lastFetchedEpoch: last,
      brokerEpoch: -1,
      logStartOffset: 0,
    }, 0);
    const record = log.records[offset]?.epoch ?? -1;
    return { verdict, record, highWatermark: replica.highWatermark };
  }

  #take({ verdict, record, highWatermark }: FetchResponse): void {
    const { replica, log } = this;
    if (verdict.kind === "refused") return;
    if (verdict.kind === "diverging") {
      const point = replica.truncationPoint(verdict.epoch, verdict.endOffset);
      if (point !== undefined) this.#cut(point);
      return;
    }
    if (record >= 0) log.appendFetched({ id: 0, epoch: record });
    replica.followedTo(highWatermark);
  }

  #cut(point: Offset): void {
    this.log.truncateTo(point);
    this.replica.logChanged();
  }
}

/** Tells inputs apart. */
export function inputKey(input: Input): string | number {
  switch (input.kind) {
    case "assign": {
      let members = 0;
      for (const id of input.isr) members |= 1 << id;
      return input.partitionEpoch * 32 + members * 4 + input.leader + 1;
    }
    case "write":
      return "w";
    case "fetch":
      return `f${input.from},${input.epoch},${input.offset},${input.last}`;
    case "shrink":
      return `s${input.member}`;
    case "take":
    case "answer":
      return JSON.stringify(input);
  }
}

export function renamedId(id: NodeId, names: readonly NodeId[]): NodeId {
  return id < 0 ? id : names[id]!;
}

/** What is told where the replicas bear other names. */
export function renamedInput(input: Input, names: readonly NodeId[]): Input {
  switch (input.kind) {
    case "assign":
      return {
        ...input,
        leader: renamedId(input.leader, names),
        isr: input.isr.map((id) => names[id]!).sort(),
      };
    case "fetch":
      return { ...input, from: names[input.from]! };
    case "shrink":
      return { ...input, member: names[input.member]! };
    case "answer": {
      const { leader, isr } = input.answer;
      const to = { leader: renamedId(leader, names), isr: isr.map((id) => names[id]!).sort() };
      return { kind: "answer", answer: { ...input.answer, ...to } };
    }
    default:
      return input;
  }
}

/** Whether the controller takes a proposal, as the order of its checks is in alter_partition.ts. */
export function isAccepted(
  rules: ControllerRules,
  controller: Pick<PartitionImage, "leader" | "leaderEpoch" | "partitionEpoch">,
  proposal: { readonly id: NodeId; readonly leaderEpoch: Epoch; readonly partitionEpoch: number },
): boolean {
  const partition = controller as PartitionImage; // The rules look at no more of it.
  return rules.isLeaderEpochCurrent(partition, proposal.leaderEpoch) &&
    rules.isLedBy(partition, proposal.id) &&
    rules.isPartitionEpochCurrent(partition, proposal.partitionEpoch);
}

/** What the controller answers to an AlterPartition. */
export function answerOf(
  error: ErrorCode,
  { id, leaderEpoch }: { readonly id: NodeId; readonly leaderEpoch: Epoch },
  partitionEpoch: number,
  isr: readonly NodeId[],
): IsrAnswer {
  const leaderRecoveryState = 0;
  return {
    kind: "isr-answer",
    error,
    leader: id,
    leaderEpoch,
    partitionEpoch,
    isr,
    leaderRecoveryState,
  };
}
