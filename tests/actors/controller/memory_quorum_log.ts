/**
 * A metadata log in memory, with a disk under it that loses in a crash what was not synced.
 *
 * Each record carries a hash of all that is before it in the log: two records of one offset and
 * epoch that differ in it give away that two leaders wrote there.
 */

import type { Epoch, Offset, OffsetAndEpoch } from "../../../storage/bytes/ids.ts";
import { LeaderEpochs } from "../../../storage/leader_epochs.ts";
import type {
  QuorumLog,
  QuorumRecord,
  SnapshotId,
  SnapshotPart,
  TakenIn,
} from "../../../actors/controller/quorum_log.ts";
import { type Voter, type VotersAt, VoterSet } from "../../../actors/controller/voters.ts";
import { hashText } from "../../../actors/sim/random.ts";

export interface MemoryRecord {
  readonly epoch: Epoch;
  /** What it says; `voters` where it says who votes. */
  readonly body: string;
  readonly voters: readonly Voter[] | undefined;
  /** Of all records up to this one. */
  readonly chain: number;
}

interface Snapshot {
  readonly id: SnapshotId;
  /** All records below its end. */
  readonly records: readonly MemoryRecord[];
}

/** What is durable. */
export interface DurableLog {
  readonly start: Offset;
  readonly records: readonly MemoryRecord[];
  readonly snapshot: Snapshot | undefined;
}

const TEXT = new TextEncoder();
const NONE: DurableLog = { start: 0, records: [], snapshot: undefined };

export class MemoryQuorumLog implements QuorumLog {
  durable: DurableLog;
  #start: Offset;
  #records: MemoryRecord[];
  #snapshot: Snapshot | undefined;
  readonly #epochs = new LeaderEpochs();
  #flushed: Offset;
  /** The lowest end since the flush under way began. */
  #lowest = Infinity;
  #incoming: { readonly id: SnapshotId; text: string } | undefined;
  truncations = 0;
  snapshotsLoaded = 0;

  constructor(durable: DurableLog = NONE) {
    this.durable = durable;
    this.#start = durable.start;
    this.#records = [...durable.records];
    this.#snapshot = durable.snapshot;
    this.#flushed = this.endOffset;
    this.#records.forEach(({ epoch }, index) => {
      if (epoch > this.#epochs.latestEpoch) this.#epochs.assign(epoch, this.#start + index);
    });
  }

  get startOffset(): Offset {
    return this.#start;
  }

  get endOffset(): Offset {
    return this.#start + this.#records.length;
  }

  get flushedOffset(): Offset {
    return this.#flushed;
  }

  get lastEpoch(): Epoch {
    return this.#records.at(-1)?.epoch ?? this.#snapshot?.id.epoch ?? 0;
  }

  get snapshotId(): SnapshotId | undefined {
    return this.#snapshot?.id;
  }

  get snapshotRecords(): readonly MemoryRecord[] {
    return this.#snapshot?.records ?? [];
  }

  /** The record at an offset that is still in the log. */
  at(offset: Offset): MemoryRecord | undefined {
    return this.#records[offset - this.#start];
  }

  voterSets(): VotersAt[] {
    const found: VotersAt[] = [];
    const all = [...this.snapshotRecords.slice(0, this.#start), ...this.#records];
    all.forEach(({ voters }, offset) => {
      if (voters !== undefined) found.push({ offset, voters: new VoterSet(voters) });
    });
    return found;
  }

  endOffsetFor(epoch: Epoch): OffsetAndEpoch {
    const found = this.#epochs.endOffsetFor(epoch, this.endOffset);
    const id = this.#snapshot?.id;
    if (found === undefined) return { offset: this.endOffset, epoch: this.lastEpoch };
    if (found.offset === id?.endOffset && found.epoch === epoch) {
      return { offset: found.offset, epoch: id.epoch };
    }
    return found;
  }

  assignEpoch(epoch: Epoch): void {
    this.#epochs.assign(epoch, this.endOffset);
  }

  appendAsLeader(records: readonly QuorumRecord[], epoch: Epoch): undefined {
    for (const record of records) {
      if (record.kind === "voters") {
        const { voters } = record.voters;
        this.#append(epoch, `voters ${JSON.stringify(voters)}`, voters);
      } else {
        this.#append(epoch, JSON.stringify(record), undefined);
      }
    }
  }

  /** Appends what a client wants written. */
  appendText(body: string, epoch: Epoch): void {
    this.#append(epoch, body, undefined);
  }

  #append(epoch: Epoch, body: string, voters: readonly Voter[] | undefined): void {
    const before = this.#records.at(-1) ?? this.#snapshot?.records.at(-1);
    const chain = hashText(`${before?.chain ?? 0} ${epoch} ${body}`, 7);
    this.#put({ epoch, body, voters, chain });
  }

  #put(record: MemoryRecord): void {
    if (record.epoch > this.#epochs.latestEpoch) this.#epochs.assign(record.epoch, this.endOffset);
    this.#records.push(record);
  }

  appendAsFollower(batches: Uint8Array, _epoch: Epoch): TakenIn {
    const voters: VotersAt[] = [];
    for (const record of JSON.parse(new TextDecoder().decode(batches)) as MemoryRecord[]) {
      if (record.voters !== undefined) {
        voters.push({ offset: this.endOffset, voters: new VoterSet(record.voters) });
      }
      this.#put(record);
    }
    return { problem: undefined, voters };
  }

  read(from: Offset, maxBytes: number): Uint8Array {
    const index = from - this.#start;
    const count = Math.max(1, Math.floor(maxBytes / 100));
    return TEXT.encode(JSON.stringify(this.#records.slice(index, index + count)));
  }

  truncateTo(offset: Offset): Offset {
    this.#records.length = Math.max(0, offset - this.#start);
    this.#epochs.truncateFromEnd(offset);
    this.#flushed = Math.min(this.#flushed, offset);
    this.#lowest = Math.min(this.#lowest, offset);
    this.truncations++;
    return this.endOffset;
  }

  readSnapshot(id: SnapshotId, position: number, maxBytes: number): SnapshotPart | undefined {
    const snapshot = this.#snapshot;
    if (id.endOffset !== snapshot?.id.endOffset || id.epoch !== snapshot.id.epoch) return undefined;
    const all = TEXT.encode(JSON.stringify(snapshot.records));
    return { size: all.length, bytes: all.slice(position, position + maxBytes * 20) };
  }

  beginSnapshot(id: SnapshotId): void {
    this.#incoming = { id, text: "" };
  }

  appendToSnapshot(position: number, bytes: Uint8Array): undefined {
    if (this.#incoming!.text.length !== position) throw new Error("A part is out of place");
    this.#incoming!.text += new TextDecoder().decode(bytes);
  }

  /** Durable at once. */
  adoptSnapshot(): TakenIn {
    const { id, text } = this.#incoming!;
    this.#incoming = undefined;
    this.#snapshot = { id, records: JSON.parse(text) };
    this.#records = [];
    this.#epochs.clear();
    this.#start = this.#flushed = id.endOffset;
    this.#lowest = Infinity;
    this.durable = { start: this.#start, records: [], snapshot: this.#snapshot };
    this.snapshotsLoaded++;
    const voters = this.#snapshot.records.findLast((record) => record.voters !== undefined)?.voters;
    if (voters === undefined) return { problem: undefined, voters: [] };
    const entry = { offset: id.endOffset - 1, voters: new VoterSet(voters) };
    return { problem: undefined, voters: [entry] };
  }

  /** Makes a snapshot of what is committed; durable at once. */
  makeSnapshot(endOffset: Offset): void {
    const kept = this.#records.slice(0, endOffset - this.#start);
    const records = [...this.snapshotRecords, ...kept];
    const id = { endOffset, epoch: records.at(-1)!.epoch };
    this.#snapshot = { id, records };
    this.#records = this.#records.slice(endOffset - this.#start);
    this.#start = endOffset;
    this.#epochs.truncateFromStart(endOffset);
    this.#flushed = Math.max(this.#flushed, endOffset);
    const { start, records: synced } = this.durable;
    this.durable = {
      start: endOffset,
      records: synced.slice(Math.max(0, endOffset - start)),
      snapshot: this.#snapshot,
    };
  }

  /** Begins a sync; what is returned ends it. */
  beginFlush(): () => void {
    const end = this.endOffset;
    this.#lowest = Infinity;
    return () => {
      const upTo = Math.min(end, this.#lowest, this.endOffset);
      if (upTo >= this.#start) {
        const records = this.#records.slice(0, upTo - this.#start);
        this.durable = { start: this.#start, records, snapshot: this.#snapshot };
      }
      this.#flushed = Math.max(this.#flushed, upTo);
    };
  }

  /** Everything is durable, as it is after a start that found it so. */
  syncAll(): void {
    this.beginFlush()();
  }

  /** What a power cut leaves: all that was synced, and of the rest what `draw` chooses. */
  crash(draw: (below: number) => number): DurableLog {
    const { start, records, snapshot } = this.durable;
    if (start !== this.#start) return this.durable;
    let common = 0;
    while (common < records.length && records[common]?.chain === this.#records[common]?.chain) {
      common++;
    }
    // What was cut and what came after may both have got nowhere.
    if (common < records.length && draw(2) === 0) return this.durable;
    const kept = common + draw(this.#records.length - common + 1);
    return { start, records: this.#records.slice(0, kept), snapshot };
  }
}
