import { assert, assertEquals } from "@std/assert";
import type { Log } from "../../storage/log.ts";
import type { ReadRange } from "../../storage/log_read.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  append,
  bytesOf,
  FOLDER,
  follower,
  leader,
  makeBatch,
  names,
  NOW,
  openLog,
  readBatches,
  reopen,
  replicatedBatch,
  split,
} from "./log_fixture.ts";

const ALL: ReadRange = { maxBytes: 1e9, maxOffset: 1e9, minOneBatch: true };

/** A log of batches of two records each, all of the same size. */
function filled(count: number, config = {}): Log {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 1e6, ...config } });
  for (let index = 0; index < count; index++) append(log, { values: ["first", "second"] });
  return log;
}

function offsetsOf(bytes: Uint8Array): number[] {
  return split(bytes).map((batch) => Number(new DataView(batch.buffer).getBigInt64(0)));
}

Deno.test("read: it begins with the batch that holds the offset", () => {
  const log = filled(5);
  assertEquals(offsetsOf(bytesOf(log.read(4, ALL))), [4, 6, 8]);
  assertEquals(offsetsOf(bytesOf(log.read(5, ALL))), [4, 6, 8]);
});

Deno.test("read: an offset before the log start or after the log end is out of range", () => {
  const log = filled(5);
  log.deleteRecordsBefore(4);
  const errorAt = (offset: number) => {
    const result = log.read(offset, ALL);
    return result.kind === "refused" ? result.error : result.kind;
  };
  assertEquals([3, 4, 9, 10, 11].map(errorAt), [
    "OFFSET_OUT_OF_RANGE",
    "batches",
    "batches",
    "empty",
    "OFFSET_OUT_OF_RANGE",
  ]);
});

Deno.test("read: nothing at or after the given end is read, nor a batch that reaches past it", () => {
  const log = filled(5);
  const upTo = (maxOffset: number) => offsetsOf(bytesOf(log.read(2, { ...ALL, maxOffset })));
  assertEquals(upTo(6), [2, 4]);
  assertEquals(upTo(7), [2, 4]);
  assertEquals(upTo(3), []);
  assertEquals(upTo(2), []);
  assertEquals(upTo(1), []);
});

Deno.test("read: the limit of bytes is kept to whole batches, the first of them always", () => {
  const log = filled(9, { indexIntervalBytes: 0 });
  const size = readBatches(log)[0]!.length;
  const count = (maxBytes: number, minOneBatch = true) =>
    split(bytesOf(log.read(0, { ...ALL, maxBytes, minOneBatch }))).length;
  assertEquals(count(0), 1);
  assertEquals(count(0, false), 0);
  assertEquals(count(size - 1), 1);
  assertEquals(count(size - 1, false), 0);
  assertEquals(count(size, false), 1);
  assertEquals(count(3 * size), 3);
  assertEquals(count(4 * size - 1), 3);
  assertEquals(count(100 * size), 9);
});

Deno.test("read: one read stays in one segment, the next goes on in the next", () => {
  const log = filled(6, { segmentBytes: 200 });
  assertEquals(log.segmentCount, 3);
  const first = offsetsOf(bytesOf(log.read(0, ALL)));
  assertEquals(first, [0, 2]);
  assertEquals(offsetsOf(bytesOf(log.read(4, ALL))), [4, 6]);
});

Deno.test("read: where compaction has taken a segment's end, the next one is read", () => {
  const log = openLog(new MemoryDisk(), { config: { cleanupCompact: true } });
  log.append(replicatedBatch(0, 0), follower());
  log.roll(NOW);
  log.append(replicatedBatch(10, 0), follower());
  log.roll(NOW);
  log.append(replicatedBatch(20, 0), follower());
  assertEquals(offsetsOf(bytesOf(log.read(5, ALL))), [10]);
  assertEquals(offsetsOf(bytesOf(log.read(11, ALL))), [20]);
});

Deno.test("read: a slice says where its bytes lie, and whether they are hot", () => {
  const disk = new MemoryDisk();
  const size = makeBatch().length;
  const log = openLog(disk, { config: { segmentBytes: 1e6 }, hotBytesMax: 3 * size });
  for (let index = 0; index < 6; index++) append(log);
  const located = log.locate(1, { ...ALL, maxOffset: 3 });
  assert(located.kind === "slice");
  assertEquals([located.position, located.length], [size, 2 * size]);
  assertEquals(located.file.path, `${FOLDER}/${names(disk, ".log")[0]}`);
  assertEquals(located.hot, false);
  const tail = log.locate(4, ALL);
  assertEquals(tail.kind === "slice" && tail.hot, true);
});

Deno.test("read: what was appended lately is hot in sealed segments too, and cold once it was cut", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 1e6 }, hotBytesMax: 1e6 });
  const isHot = (offset: number) => {
    const located = log.locate(offset, ALL);
    return located.kind === "slice" && located.hot;
  };
  for (let index = 0; index < 6; index++) {
    if (index === 3) log.roll(NOW);
    append(log);
  }
  assertEquals([isHot(0), isHot(3)], [true, true]);
  log.truncateTo(5, NOW);
  append(log);
  assertEquals([isHot(4), isHot(5)], [false, true]);
});

Deno.test("read: what was appended before a restart is not taken for hot", () => {
  const disk = new MemoryDisk();
  const log = reopen(disk, ...[filledOn(disk)]);
  const isHot = (offset: number) => {
    const located = log.locate(offset, ALL);
    return located.kind === "slice" && located.hot;
  };
  assertEquals(isHot(2), false);
  append(log);
  assertEquals([isHot(2), isHot(3)], [false, true]);
});

function filledOn(disk: MemoryDisk): Log {
  const log = openLog(disk, { config: { segmentBytes: 1e6 } });
  for (let index = 0; index < 3; index++) append(log);
  return log;
}

Deno.test("read: damaged headers are an error with the place, and nobody is served", () => {
  const disk = new MemoryDisk();
  const log = reopen(disk, filledOn(disk));
  const path = `${FOLDER}/${names(disk, ".log")[0]}`;
  const size = makeBatch().length;
  // The magic of the second batch.
  disk.flipBit(path, (size + 16) * 8 + 2);
  const result = log.read(1, ALL);
  assert(result.kind === "refused");
  assertEquals(result.error, "KAFKA_STORAGE_ERROR");
  assert(result.failure?.message.includes(path));
});

Deno.test("read: an index that is lost or damaged is built anew", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1500, indexIntervalBytes: 100 } });
  for (let index = 0; index < 60; index++) append(log, { timestamp: NOW + index });
  const expected = readBatches(log);
  log.close({ clean: true, now: NOW });
  for (const suffix of [".index", ".timeindex"]) {
    for (const name of names(disk, suffix)) {
      const file = disk.open(`${FOLDER}/${name}`);
      if (file.size() > 16) file.write(Uint8Array.of(255, 255, 255, 255), 12);
    }
  }
  const again = openLog(disk, { clean: true, recoveryPoint: 60 });
  for (const offset of [0, 13, 29, 44, 59]) {
    assertEquals(split(bytesOf(again.read(offset, ALL)))[0], expected[offset]);
    const found = again.offsetForTime(NOW + offset);
    assertEquals(found.kind === "found" && found.offset, offset);
  }
});

Deno.test("time: a time index whose file was lost is built anew", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1500, indexIntervalBytes: 100 } });
  // The largest time comes first in each segment, where a look at its end does not find it.
  for (let index = 0; index < 72; index++) append(log, { timestamp: NOW + 1000 * (72 - index) });
  log.close({ clean: true, now: NOW });
  for (const name of names(disk, ".timeindex")) disk.remove(`${FOLDER}/${name}`);
  const again = openLog(disk, { clean: true, recoveryPoint: 72 });
  assertEquals(again.segmentCount, 4);
  for (const name of names(disk, ".log")) {
    const base = Number(name.slice(0, 20));
    again.deleteRecordsBefore(base);
    const found = again.offsetForTime(NOW + 1000 * (72 - base));
    assertEquals(found.kind === "found" && found.offset, base);
  }
});

Deno.test("read: an index entry that points to a wrong place is found out", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6, indexIntervalBytes: 100 } });
  for (let index = 0; index < 30; index++) append(log);
  const expected = readBatches(log);
  log.close({ clean: true, now: NOW });
  const index = disk.open(`${FOLDER}/${names(disk, ".index")[0]}`);
  // Entries that rise as they should, but each a few bytes too far.
  const bytes = new Uint8Array(index.size());
  index.read(bytes, 0);
  for (let at = 7; at < bytes.length; at += 8) bytes[at]! += 3;
  index.write(bytes, 0);
  const again = openLog(disk, { clean: true, recoveryPoint: 30 });
  for (const offset of [29, 3, 17]) {
    assertEquals(split(bytesOf(again.read(offset, ALL)))[0], expected[offset]);
  }
});

Deno.test("time: the first record that is as late is found inside its batch", () => {
  for (const compression of ["none", "gzip"] as const) {
    const log = openLog(new MemoryDisk());
    const at = (...times: number[]) =>
      append(log, {
        values: times.map(String),
        timestamps: times.map((t) => NOW + t),
        compression,
      });
    at(0, 5, 2);
    at(3, 9, 9);
    at(1);
    const find = (time: number) => {
      const found = log.offsetForTime(NOW + time);
      return found.kind === "found" ? [found.offset, found.timestamp - NOW] : found.kind;
    };
    assertEquals(find(-10), [0, 0]);
    assertEquals(find(1), [1, 5]);
    assertEquals(find(6), [4, 9]);
    assertEquals(find(10), "none");
  }
});

Deno.test("time: what was deleted is not found", () => {
  const log = openLog(new MemoryDisk());
  append(log, { values: ["a", "b"], timestamps: [NOW + 9, NOW + 1] });
  append(log, { timestamp: NOW + 2 });
  log.deleteRecordsBefore(1);
  const found = log.offsetForTime(NOW);
  assertEquals(found.kind === "found" && found.offset, 1);
  const max = log.offsetOfMaxTimestamp();
  assertEquals(max.kind === "found" && [max.offset, max.timestamp - NOW], [2, 2]);
});

Deno.test("time: the largest timestamp is that of its first record, with the leader epoch", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 200 } });
  assertEquals(log.offsetOfMaxTimestamp(), { kind: "none" });
  append(log, { timestamp: NOW + 1 }, leader(2));
  append(log, { values: ["a", "b"], timestamps: [NOW, NOW + 7] }, leader(3));
  append(log, { timestamp: NOW + 7 }, leader(3));
  assertEquals(log.offsetOfMaxTimestamp(), {
    kind: "found",
    offset: 2,
    timestamp: NOW + 7,
    leaderEpoch: 3,
  });
});

Deno.test("time: a batch whose records cannot be decoded is an error, not a crash", () => {
  const log = openLog(new MemoryDisk());
  const bytes = makeBatch({ values: ["x".repeat(100)], compression: "gzip" });
  bytes[75]! ^= 0xff;
  log.append(bytes, leader());
  const found = log.offsetForTime(NOW);
  assertEquals(found.kind === "refused" && found.error, "CORRUPT_MESSAGE");
});

Deno.test("read: indexes stay within their budget, and reads go on", () => {
  const disk = new MemoryDisk();
  const spec = { indexBytesMax: 600, config: { segmentBytes: 1500, indexIntervalBytes: 50 } };
  const log = openLog(disk, spec);
  for (let index = 0; index < 120; index++) append(log, { values: [`${index}`] });
  for (let turn = 0; turn < 200; turn++) {
    const offset = (turn * 37) % 120;
    assertEquals(offsetsOf(bytesOf(log.read(offset, ALL)))[0], offset);
  }
});
