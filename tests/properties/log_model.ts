/**
 * What a log must be, as a plain list of batches: every rule in its simplest form, for property
 * tests to hold the real log against.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { applyBatch } from "../../storage/producer_replay.ts";
import type { Log } from "../../storage/log.ts";
import { type ProducerEntry, ProducerState } from "../../storage/producer_state.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { type DecodedRecord, decodeRecords } from "../../storage/record.ts";
import { NOW, readBatches, split } from "../storage/log_fixture.ts";

/** A batch as it stands in the log. */
export class ModelBatch {
  readonly bytes: Uint8Array;
  readonly view: BatchView;
  readonly records: readonly DecodedRecord[];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new BatchView(bytes);
    this.records = decodeRecords(this.view);
  }

  get next(): number {
    return this.view.nextOffset;
  }
}

/** A log as a list. */
export class LogModel {
  batches: ModelBatch[] = [];
  startOffset = 0;
  endOffset = 0;
  epochs: [number, number][] = [];

  append(bytes: Uint8Array): void {
    for (const one of split(bytes)) {
      const batch = new ModelBatch(one);
      this.batches.push(batch);
      this.endOffset = batch.next;
      const epoch = batch.view.partitionLeaderEpoch;
      if (epoch > (this.epochs.at(-1)?.[0] ?? -1)) this.assignEpoch(epoch, batch.view.baseOffset);
    }
  }

  assignEpoch(epoch: number, start: number): void {
    const last = this.epochs.at(-1);
    if (last !== undefined && last[0] === epoch && last[1] <= start) return;
    this.epochs = this.epochs.filter(([known, from]) => known < epoch && from < start);
    this.epochs.push([epoch, start]);
  }

  /** Leaves the batches that end before `offset`. */
  truncateTo(offset: number): void {
    const cut = this.batches.find(({ next }) => next > offset);
    if (cut === undefined) return;
    this.batches = this.batches.filter(({ next }) => next <= offset);
    this.endOffset = cut.view.baseOffset;
    this.startOffset = Math.min(this.startOffset, this.endOffset);
    this.followEnd();
  }

  startAt(offset: number): void {
    this.batches = [];
    this.epochs = [];
    this.startOffset = this.endOffset = offset;
  }

  /** Epochs that no record has do not survive a restart. */
  restart(): void {
    this.followEnd();
  }

  followEnd(): void {
    this.epochs = this.epochs.filter(([, start]) => start < this.endOffset);
  }

  raiseStart(offset: number): void {
    if (offset <= this.startOffset) return;
    this.startOffset = offset;
    const covering = this.epochs.filter(([, start]) => start <= offset).pop();
    const later = this.epochs.filter(([, start]) => start > offset);
    this.epochs = covering === undefined ? later : [[covering[0], offset], ...later];
  }

  /**
   * What a read from `from` may give: whole batches from the one that holds it, below `maxOffset`.
   */
  readable(from: number, maxOffset: number): ModelBatch[] {
    return this.batches.filter(({ next }) => next > from && next <= maxOffset);
  }

  get records(): DecodedRecord[] {
    return this.batches.flatMap(({ records }) => records)
      .filter(({ offset }) => offset >= this.startOffset);
  }

  offsetForTime(timestamp: number): { timestamp: number; offset: number } | undefined {
    const found = this.records.find((record) => record.timestamp >= timestamp);
    return found && { timestamp: found.timestamp, offset: found.offset };
  }

  endOffsetFor(epoch: number): { epoch: number; offset: number } | undefined {
    if (this.epochs.at(-1)?.[0] === epoch) return { epoch, offset: this.endOffset };
    const higher = this.epochs.find(([known]) => known > epoch);
    const floor = this.epochs.filter(([known]) => known <= epoch).pop();
    return higher === undefined ? undefined : { epoch: floor?.[0] ?? epoch, offset: higher[1] };
  }

  /** The state of producers by a replay from scratch. */
  get producers(): ProducerState {
    return replayFromScratch(this.batches.map(({ bytes }) => bytes));
  }
}

export function replayFromScratch(batches: readonly Uint8Array[]): ProducerState {
  const state = new ProducerState();
  for (const bytes of batches) applyBatch(state, new BatchView(bytes));
  return state;
}

/** Producer state as plain data, by producer id. */
export function plainProducers(state: ProducerState): ProducerEntry[] {
  return [...state.entries()]
    .map((entry) => ({ ...entry, batches: entry.batches.map((batch) => ({ ...batch })) }))
    .sort((a, b) => a.producerId - b.producerId);
}

/** Holds everything that a log shows against the model. */
export function compareLog(log: Log, model: LogModel): void {
  assertEquals(log.logStartOffset, model.startOffset, "log start offset");
  assertEquals(log.logEndOffset, model.endOffset, "log end offset");
  assertEquals(log.epochEntries.map((e) => [e.epoch, e.startOffset]), model.epochs, "epochs");
  const expected = model.readable(model.startOffset, model.endOffset).map(({ bytes }) => bytes);
  assertEquals(readBatches(log), expected, "batches");
}

/** Holds the state of producers against a replay of all batches that are still there. */
export function compareProducers(log: Log, batches: readonly Uint8Array[]): void {
  const expected = plainProducers(replayFromScratch(batches));
  assertEquals(plainProducers(log.producers(NOW)), expected, "producers");
}
