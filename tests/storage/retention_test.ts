import { assertEquals } from "@std/assert";
import type { Log } from "../../storage/log.ts";
import type { LogConfig } from "../../storage/log_config.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { append, leader, makeBatch, names, NOW, openLog, reopen } from "./log_fixture.ts";

const SIZE = makeBatch().length;
const END = 1e9;

/** Ten records, one a minute, two in each segment. */
function filled(config: Partial<LogConfig> = {}, disk = new MemoryDisk()): Log {
  const log = openLog(disk, { config: { segmentBytes: 2 * SIZE, ...config } });
  for (let minute = 0; minute < 10; minute++) append(log, { timestamp: NOW + minute * 60_000 });
  assertEquals(log.segmentCount, 5);
  return log;
}

function run(log: Log, highWatermark: number, minute: number): number {
  return log.applyRetention(highWatermark, NOW + minute * 60_000).segmentsRemoved;
}

Deno.test("retention: segments go whose last record is older than retention.ms", () => {
  const log = filled({ retentionMs: 5 * 60_000 });
  assertEquals(run(log, END, 6), 0);
  assertEquals(run(log, END, 7), 1);
  assertEquals(log.logStartOffset, 2);
  assertEquals(run(log, END, 11), 2);
  assertEquals(log.logStartOffset, 6);
});

Deno.test("retention: a segment whose largest timestamp is not its last is as old as the largest", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 2 * SIZE, retentionMs: 1000 } });
  append(log, { timestamp: NOW + 5000 });
  append(log, { timestamp: NOW });
  append(log, { timestamp: NOW + 9000 });
  assertEquals(log.applyRetention(END, NOW + 6000).segmentsRemoved, 0);
  assertEquals(log.applyRetention(END, NOW + 6001).segmentsRemoved, 1);
});

Deno.test("retention: the last segment is rolled when all of it is old", () => {
  const disk = new MemoryDisk();
  const log = filled({ retentionMs: 60_000 }, disk);
  assertEquals(run(log, END, 100), 5);
  assertEquals([log.logStartOffset, log.logEndOffset, log.segmentCount], [10, 10, 1]);
  assertEquals(run(log, END, 200), 0);
  assertEquals(append(log, { timestamp: NOW + 3_000_000 }).firstOffset, 10);
});

Deno.test("retention: nothing goes that is not below the high watermark", () => {
  const log = filled({ retentionMs: 1 });
  assertEquals(run(log, 5, 100), 2);
  assertEquals(log.logStartOffset, 4);
  assertEquals(run(log, 5, 100), 0);
});

Deno.test("retention: by size the oldest go while the others are still enough", () => {
  const log = filled({ retentionBytes: 5 * SIZE });
  assertEquals(run(log, END, 0), 2);
  assertEquals(log.sizeInBytes, 6 * SIZE);
  assertEquals(run(log, END, 0), 0);
  log.configure({ ...log.config, retentionBytes: 0 });
  assertEquals(run(log, END, 0), 3);
  assertEquals(log.sizeInBytes, 0);
});

Deno.test("retention: segments before the log start offset go, whatever the policy", () => {
  const log = filled({ cleanupDelete: false, cleanupCompact: true, retentionMs: 1 });
  assertEquals(run(log, END, 100), 0);
  log.deleteRecordsBefore(5);
  assertEquals(run(log, END, 100), 2);
  assertEquals(log.logStartOffset, 5);
});

Deno.test("retention: with -1 nothing goes", () => {
  const log = filled({ retentionMs: -1, retentionBytes: -1 });
  assertEquals(run(log, END, 1e6), 0);
});

Deno.test("retention: records without a time count from when the log was opened", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 2 * SIZE, retentionMs: 1000 } });
  for (let index = 0; index < 4; index++) append(log, { timestamp: -1 });
  assertEquals(log.applyRetention(END, NOW + 1000).segmentsRemoved, 0);
  assertEquals(log.applyRetention(END, NOW + 1001).segmentsRemoved, 2);
});

Deno.test("retention: after a restart ages and sizes are those of the files", () => {
  const disk = new MemoryDisk();
  const config = { segmentBytes: 2 * SIZE, retentionMs: 5 * 60_000 };
  const log = reopen(disk, filled(config, disk), { config });
  assertEquals(run(log, END, 7), 1);
  log.configure({ ...log.config, retentionMs: -1, retentionBytes: 5 * SIZE });
  assertEquals(run(log, END, 7), 1);
});

Deno.test("retention: snapshots and epochs of what went go with it", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 2 * SIZE, retentionMs: 60_000 } });
  for (let minute = 0; minute < 10; minute++) {
    append(log, { timestamp: NOW + minute * 60_000 }, leader(minute));
  }
  assertEquals(run(log, END, 9), 4);
  assertEquals(names(disk, ".snapshot").map((name) => Number(name.slice(0, 20))), [8]);
  assertEquals(log.epochEntries.map(({ epoch }) => epoch), [8, 9]);
});
