/**
 * A log of records that are numbers, with the leader epochs of a real one.
 *
 * @module
 */

import type { ReplicaLog } from "../../../actors/partition/replica_log.ts";
import type { Epoch, Offset, OffsetAndEpoch } from "../../../storage/bytes/ids.ts";
import { LeaderEpochs } from "../../../storage/leader_epochs.ts";

export interface ToyRecord {
  readonly id: number;
  readonly epoch: Epoch;
}

export class ToyLog implements ReplicaLog {
  records: ToyRecord[] = [];
  logStartOffset: Offset = 0;
  /** How much is durable; all of it unless set. */
  flushedTo: Offset | undefined;
  readonly epochs = new LeaderEpochs();

  constructor(epochs: readonly Epoch[] = []) {
    for (const epoch of epochs) this.append({ id: this.records.length, epoch });
  }

  get logEndOffset(): Offset {
    return this.records.length;
  }

  get flushedOffset(): Offset {
    return this.flushedTo ?? this.records.length;
  }

  endOffsetFor(epoch: Epoch): OffsetAndEpoch | undefined {
    return this.epochs.endOffsetFor(epoch, this.logEndOffset);
  }

  epochForOffset(offset: Offset): Epoch {
    return this.epochs.epochForOffset(offset);
  }

  append(record: ToyRecord): void {
    if (record.epoch > this.epochs.latestEpoch) this.epochs.assign(record.epoch, this.logEndOffset);
    this.records.push(record);
  }

  /** As a follower: an epoch in which this replica led and wrote nothing is no more. */
  appendFetched(record: ToyRecord): void {
    this.epochs.truncateFromEnd(this.logEndOffset);
    this.append(record);
  }

  truncateTo(offset: Offset): void {
    if (offset >= this.logEndOffset) return;
    this.records.length = offset;
    this.epochs.truncateFromEnd(offset);
  }

  startAnew(offset: Offset): void {
    this.records = Array.from({ length: offset }, () => ({ id: -1, epoch: -1 }));
    this.logStartOffset = offset;
    this.epochs.clear();
  }
}
