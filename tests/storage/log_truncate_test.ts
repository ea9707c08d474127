import { assert, assertEquals } from "@std/assert";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { RECOVERY_FLOOR } from "../../storage/recovery_floor.ts";
import { SeededChance } from "./disk_chance.ts";
import {
  append,
  bytesOf,
  FOLDER,
  follower,
  leader,
  names,
  NOW,
  openLog,
  readRecords,
  readValues,
  replicatedBatch,
  split,
  tryOpenLog,
} from "./log_fixture.ts";

/** Nine records in three segments, three of them in each leader epoch. */
function filled(disk = new MemoryDisk()): Log {
  const log = openLog(disk, { config: { segmentBytes: 250 } });
  for (let index = 0; index < 9; index++) {
    append(log, { values: [`${index}`] }, leader(Math.floor(index / 3)));
  }
  assertEquals(names(disk, ".log").length, 3);
  return log;
}

Deno.test("truncate: the log ends where it was cut, epochs and all", () => {
  const log = filled();
  assertEquals(log.truncateTo(5, NOW), 5);
  assertEquals(readValues(log), ["0", "1", "2", "3", "4"]);
  assertEquals(log.epochEntries, [{ epoch: 0, startOffset: 0 }, { epoch: 1, startOffset: 3 }]);
  assertEquals(append(log, { values: ["new"] }, leader(7)).firstOffset, 5);
  assertEquals(readValues(log, 4), ["4", "new"]);
});

Deno.test("truncate: at or past the log end nothing happens", () => {
  const log = filled();
  assertEquals(log.truncateTo(9, NOW), 9);
  assertEquals(log.truncateTo(20, NOW), 9);
  assertEquals(log.truncations, 0);
});

Deno.test("truncate: a batch that holds the offset goes whole", () => {
  const log = openLog(new MemoryDisk());
  append(log, { values: ["a", "b"] });
  append(log, { values: ["c", "d", "e"] });
  assertEquals(log.truncateTo(4, NOW), 2);
  assertEquals(readValues(log), ["a", "b"]);
  assertEquals(log.truncations, 1);
});

Deno.test("truncate: at the base of a segment it stays, empty", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  assertEquals(log.truncateTo(3, NOW), 3);
  assertEquals(log.segmentCount, 2);
  append(log, { values: ["new"] }, leader(5));
  assertEquals(readValues(log), ["0", "1", "2", "new"]);
});

Deno.test("truncate: below the first segment the log starts anew there", () => {
  const log = filled();
  log.deleteRecordsBefore(9);
  log.applyRetention(9, NOW);
  assert(log.logStartOffset > 2);
  assertEquals(log.truncateTo(2, NOW), 2);
  assertEquals([log.logStartOffset, log.logEndOffset, log.segmentCount], [2, 2, 1]);
});

Deno.test("truncate: producers are as they were before what was cut", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 250 } });
  const batch = (baseSequence: number) => ({ producerId: 1, producerEpoch: 0, baseSequence });
  for (let sequence = 0; sequence < 8; sequence++) append(log, batch(sequence));
  log.truncateTo(4, NOW);
  assertEquals(append(log, batch(3), leader(1)).duplicate, true);
  const next = append(log, batch(4), leader(1));
  assertEquals([next.duplicate, next.firstOffset], [false, 4]);
});

Deno.test("truncate: the files of segments that went are removed after file.delete.delay.ms", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.configure({ ...log.config, fileDeleteDelayMs: 1000 });
  log.truncateTo(2, NOW);
  assertEquals(names(disk, ".log"), ["00000000000000000000.log"]);
  assert(names(disk, ".log.deleted").length === 2);
  log.applyRetention(0, NOW + 999);
  assert(names(disk, ".deleted").length > 0);
  log.applyRetention(0, NOW + 1000);
  assertEquals(names(disk, ".deleted"), []);
});

Deno.test("truncate: whoever reads a slice of a segment that went may go on", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  const located = log.locate(7, { maxBytes: 1e6, maxOffset: 9, minOneBatch: true });
  assert(located.kind === "slice");
  log.truncateTo(2, NOW);
  const bytes = new Uint8Array(located.length);
  assertEquals(located.file.read(bytes, located.position), located.length);
});

Deno.test("truncate: below the recovery point a later scan begins there, whatever was noted", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.checkpointSync(NOW);
  const noted = log.recoveryPoint;
  assertEquals(noted, 9);
  log.truncateTo(5, NOW);
  assertEquals(log.recoveryPoint, 5);
  assertEquals(names(disk, RECOVERY_FLOOR), [RECOVERY_FLOOR]);
  for (let index = 0; index < 6; index++) append(log, { values: ["new"] }, leader(8));
  // The checkpoint outside still says 9: what lies below is torn all the same.
  let torn = 0;
  for (let seed = 0; seed < 30; seed++) {
    const cut = disk.clone();
    cut.crash(new SeededChance(seed), { tornOf1024: 500 });
    const opened = tryOpenLog(cut, { recoveryPoint: noted });
    assert(opened.kind === "open");
    const values = readValues(opened.log);
    assertEquals(values.slice(0, 5), ["0", "1", "2", "3", "4"]);
    assert(values.slice(5).every((value) => value === "new" || value.length === 1));
    if (opened.log.logEndOffset < 9) torn++;
  }
  assert(torn > 0, "some cuts tear what the checkpoint says is durable");
});

Deno.test("truncate: the note goes once as much is durable again as was claimed", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.checkpointSync(NOW);
  log.truncateTo(5, NOW);
  append(log, {}, leader(8));
  log.checkpointSync(NOW);
  assertEquals(names(disk, RECOVERY_FLOOR), [RECOVERY_FLOOR]);
  for (let index = 0; index < 3; index++) append(log, {}, leader(8));
  log.checkpointSync(NOW);
  assertEquals(names(disk, RECOVERY_FLOOR), []);
});

Deno.test("truncate: nothing is appended behind a cut that is not durable", () => {
  const path = `${FOLDER}/00000000000000000006.log`;
  for (const flushed of [false, true]) {
    let syncs = 0;
    const disk = new MemoryDisk({
      faults: {
        befall: ({ action }) => {
          if (action === "sync") syncs++;
          return undefined;
        },
      },
    });
    const log = filled(disk);
    log.flushSync();
    log.truncateTo(7, NOW);
    const size = disk.status(path)!.size;
    if (flushed) {
      log.flush(() => {});
      disk.drain();
    }
    syncs = 0;
    append(log, {}, leader(9));
    append(log, {}, leader(9));
    assertEquals(syncs, flushed ? 0 : 1);
    disk.crash();
    assertEquals(disk.status(path)!.size, size, "what was cut is gone for good");
  }
});

Deno.test("truncate: no segment is begun behind a cut that is not durable", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.flushSync();
  log.truncateTo(7, NOW);
  const path = `${FOLDER}/00000000000000000006.log`;
  const size = disk.status(path)!.size;
  log.roll(NOW);
  disk.crash();
  assertEquals(disk.status(path)!.size, size);
});

Deno.test("truncate: a reader who goes on where it was finds what is there now", () => {
  const log = openLog(new MemoryDisk(), { config: { segmentBytes: 1e6 } });
  const read = (offset: number) =>
    bytesOf(log.read(offset, { maxBytes: 1e6, maxOffset: log.logEndOffset, minOneBatch: true }));
  for (let index = 0; index < 4; index++) append(log, { values: ["before"] });
  assertEquals(split(read(0)).length, 4);
  log.truncateTo(2, NOW);
  for (let index = 0; index < 4; index++) append(log, { values: ["after, and longer"] }, leader(1));
  assertEquals(split(read(4)).length, 2);
  assertEquals(readValues(log, 4), ["after, and longer", "after, and longer"]);
});

Deno.test("start at: nothing is left, and the log goes on at the offset, durably", () => {
  for (const offset of [100, 4, 6, 0]) {
    const disk = new MemoryDisk();
    const log = filled(disk);
    log.checkpointSync(NOW);
    log.truncateFullyAndStartAt(offset, NOW);
    assertEquals([log.logStartOffset, log.logEndOffset, log.segmentCount], [offset, offset, 1]);
    assertEquals(log.epochEntries, []);
    assertEquals(log.producers(NOW).size, 0);
    const appended = disk.clone();
    disk.crash();
    const again = openLog(disk, { recoveryPoint: 9 });
    assertEquals([again.logStartOffset, again.logEndOffset], [offset, offset]);
    assertEquals(again.epochEntries, []);
    const other = openLog(appended, { recoveryPoint: 9 });
    assertEquals(append(other, { values: ["new"] }, leader(9)).firstOffset, offset);
    assertEquals(readRecords(other).map((record) => record.offset), [offset]);
  }
});

Deno.test("start at: epochs of records that are no more are not found again after a crash", () => {
  const disk = new MemoryDisk();
  const config = { cleanupCompact: true };
  const log = openLog(disk, { config });
  for (let epoch = 0; epoch < 3; epoch++) append(log, {}, leader(epoch));
  log.checkpointSync(NOW);
  log.truncateFullyAndStartAt(100, NOW);
  log.append(replicatedBatch(105, 9), follower(9));
  disk.killProcess();
  const again = openLog(disk, { config, recoveryPoint: 3, logStartOffset: 100 });
  assertEquals(again.epochEntries, [{ epoch: 9, startOffset: 105 }]);
});

Deno.test("delete records: earlier records are not read, and epochs begin later", () => {
  const log = filled();
  assertEquals(log.deleteRecordsBefore(4), true);
  assertEquals(log.logStartOffset, 4);
  assertEquals(readValues(log), ["4", "5", "6", "7", "8"]);
  assertEquals(log.epochEntries[0], { epoch: 1, startOffset: 4 });
  assertEquals(log.deleteRecordsBefore(2), true);
  assertEquals(log.logStartOffset, 4);
  assertEquals(log.deleteRecordsBefore(10), false);
  assertEquals(log.logStartOffset, 4);
});

Deno.test("truncate: the recovery point is where the log ends, also within a batch or a gap", () => {
  // Batches of two records; where to cut; where the log ends then.
  const cases: [number[], number, number][] = [[[0], 1, 0], [[0, 2, 10], 11, 4], [
    [0, 2, 10],
    6,
    4,
  ]];
  for (const [offsets, at, end] of cases) {
    const disk = new MemoryDisk();
    const config = { cleanupCompact: true };
    const log = openLog(disk, { config });
    for (const offset of offsets) {
      log.append(replicatedBatch(offset, 0, { values: ["a", "b"] }), follower());
    }
    log.checkpointSync(NOW);
    const noted = log.recoveryPoint;
    assertEquals(log.truncateTo(at, NOW), end);
    assertEquals(log.recoveryPoint, end);
    disk.killProcess();
    assertEquals(openLog(disk, { recoveryPoint: noted, config }).logEndOffset, end);
  }
});
