/**
 * Logs to compact, and runs of compaction, for tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { CompactionOptions, CompactionStep } from "../../storage/compaction.ts";
import type { Log } from "../../storage/log.ts";
import type { LogConfig } from "../../storage/log_config.ts";
import type { MemoryDisk } from "../../storage/memory_disk.ts";
import type { BatchOptions } from "../../storage/record_batch_builder.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import type { AppendContext, Appended } from "../../storage/log_append.ts";
import { expectAppended, leader, NOW, readRecords } from "./log_fixture.ts";

export const COMPACTED: Partial<LogConfig> = {
  cleanupCompact: true,
  cleanupDelete: false,
  segmentBytes: 400,
  indexIntervalBytes: 100,
  retentionMs: -1,
  deleteRetentionMs: 1000,
};

/** Keys and values, null for a tombstone. */
export type Pairs = readonly (readonly [string | null, string | null])[];

export function keyedBatch(
  pairs: Pairs,
  options: BatchOptions & { readonly timestamp?: number } = {},
): Uint8Array {
  const builder = new RecordBatchBuilder(new Uint8Array(4096));
  for (const [key, value] of pairs) builder.tryAppend(options.timestamp ?? NOW, key, value);
  return builder.build(options).slice();
}

export function appendPairs(
  log: Log,
  pairs: Pairs,
  options: BatchOptions & { readonly timestamp?: number } = {},
  context: AppendContext = leader(),
): Appended {
  return expectAppended(log.append(keyedBatch(pairs, options), context));
}

export interface RunOptions extends Partial<CompactionOptions> {
  readonly lastStableOffset?: number;
  /** What a slice may do. */
  readonly budget?: number;
  /** The time of each slice; that of the start if absent. */
  readonly clock?: () => number;
  /** Called between slices. */
  readonly meanwhile?: () => void;
}

/** Runs a compaction to its end. */
export function runCompaction(
  log: Log,
  disk: MemoryDisk,
  options: RunOptions = {},
): CompactionStep {
  const now = options.now ?? NOW;
  const lastStableOffset = options.lastStableOffset ?? log.logEndOffset;
  const need = log.compactionNeed(options.from ?? 0, lastStableOffset, now);
  const run = log.compact({
    mapBytesMax: 1 << 16,
    bufferBytes: 512,
    seed: 1,
    wake() {},
    ...options,
    from: need.firstDirtyOffset,
    to: need.firstUncleanableOffset,
    now,
  });
  for (let steps = 0; steps < 100_000; steps++) {
    const step = run.step(options.budget ?? 200, options.clock?.() ?? now);
    if (step.kind === "waiting") disk.drain();
    else if (step.kind !== "more") return step;
    options.meanwhile?.();
  }
  throw new Error("Cannot compact: it takes for ever");
}

export function expectDone(step: CompactionStep): CompactionStep & { readonly kind: "done" } {
  if (step.kind === "done") return step;
  throw new Error(`Cannot compact: ${JSON.stringify(step)}`);
}

/** Seals and flushes what is in the log, so that it may be compacted. */
export function seal(log: Log): void {
  log.roll(NOW);
  log.checkpointSync(NOW);
}

const text = new TextDecoder();

/** What reading a log from a place on leaves known: the value of each key. */
export function fold(log: Log, from?: number): Map<string, string> {
  const map = new Map<string, string>();
  for (const { key, value } of readRecords(log, from)) {
    if (key === null) continue;
    if (value === null) map.delete(text.decode(key));
    else map.set(text.decode(key), text.decode(value));
  }
  return map;
}

/** Offset, key and value of each record, as text. */
export function listed(log: Log): string[] {
  return readRecords(log).map(({ offset, key, value }) =>
    `${offset} ${key === null ? "-" : text.decode(key)}=${
      value === null ? "null" : text.decode(value)
    }`
  );
}

export function assertFolds(log: Log, expected: ReadonlyMap<string, string>): void {
  assertEquals([...fold(log)].sort(), [...expected].sort());
}
