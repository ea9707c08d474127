import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskError } from "../../storage/disk.ts";
import type { DiskAction, DiskFault, DiskOperation } from "../../storage/disk_faults.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { SeededChance } from "../storage/disk_chance.ts";
import {
  append,
  errorOf,
  FOLDER,
  leader,
  makeBatch,
  NOW,
  openLog,
  readBatches,
} from "../storage/log_fixture.ts";

/** Actions that take space, and so may find none. */
const TAKES_SPACE: readonly DiskAction[] = ["create", "write", "rename", "make-folder"];
const LOG = `${FOLDER}/00000000000000000000.log`;
const CONFIG = { segmentBytes: 500, indexIntervalBytes: 100 };

/** A disk on which the operation of a number fails, counted over those of some kinds. */
class FaultyDisk extends MemoryDisk {
  left = Infinity;
  hits = 0;
  syncs = 0;

  constructor(actions: readonly DiskAction[], fault: (operation: DiskOperation) => DiskFault) {
    super({
      chance: new SeededChance(1),
      faults: {
        befall: (operation) => {
          if (operation.action === "sync") this.syncs++;
          if (!actions.includes(operation.action) || this.left-- > 0) return undefined;
          this.left = Infinity;
          this.hits++;
          return fault(operation);
        },
      },
    });
  }
}

function bytesOf(index: number): Uint8Array {
  const producer = index % 2 === 0 ? { producerId: 5, producerEpoch: 0, baseSequence: index } : {};
  return makeBatch({ values: [`value ${index}`, "x".repeat(index * 9)], ...producer });
}

/** Appends until it succeeds; what fails on the way must have changed nothing. */
function appendAtLast(log: Log, bytes: Uint8Array): number {
  for (let refusals = 0;; refusals++) {
    const before = { end: log.logEndOffset, batches: readBatches(log), epochs: log.epochEntries };
    const result = log.append(bytes.slice(), leader(1));
    if (result.kind === "appended") return refusals;
    assertEquals(result.error, "KAFKA_STORAGE_ERROR");
    assert(result.failure instanceof DiskError);
    assertEquals(result.failure.kind, "no-space");
    const after = { end: log.logEndOffset, batches: readBatches(log), epochs: log.epochEntries };
    assertEquals(after, before, "a refused append changes nothing");
    assert(refusals < 3, "the next append succeeds");
  }
}

Deno.test("log: no space at any one write refuses that append and harms nothing", () => {
  const plain = openLog(new MemoryDisk(), { config: CONFIG });
  for (let index = 0; index < 12; index++) plain.append(bytesOf(index), leader(1));
  const expected = readBatches(plain);
  let refusals = 0;
  for (let number = 0;; number++) {
    const disk = new FaultyDisk(
      TAKES_SPACE,
      ({ length }) => ({ kind: "fail", code: "ENOSPC", written: (length * (number % 4)) >> 2 }),
    );
    const log = openLog(disk, { config: CONFIG });
    disk.left = number;
    for (let index = 0; index < 12; index++) refusals += appendAtLast(log, bytesOf(index));
    if (disk.hits === 0) break;
    assertEquals(readBatches(log), expected, `operation ${number}`);
    disk.killProcess();
    assertEquals(readBatches(openLog(disk, { config: CONFIG })), expected, `operation ${number}`);
  }
  assert(refusals > 12, `${refusals} appends were refused`);
});

Deno.test("log: a full disk refuses appends, serves reads, and takes appends again", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6 } });
  append(log, { values: ["first"] });
  disk.capacityBytes = disk.usedBytes + 50;
  for (let attempt = 0; attempt < 3; attempt++) {
    assertEquals(errorOf(log.append(makeBatch(), leader())), "KAFKA_STORAGE_ERROR");
    assertEquals(readBatches(log).length, 1);
  }
  disk.capacityBytes = Infinity;
  assertEquals(append(log, { values: ["second"] }).firstOffset, 1);
  disk.killProcess();
  assertEquals(openLog(disk).logEndOffset, 2);
});

Deno.test("log: what cannot be read for the first append refuses it, and nothing is written", () => {
  for (let number = 0;; number++) {
    const disk = new FaultyDisk(["open", "read"], () => ({ kind: "fail", code: "EIO" }));
    let log = openLog(disk, { config: CONFIG });
    for (let index = 0; index < 4; index++) append(log, {}, leader(1));
    const expected = readBatches(log);
    log.close({ clean: true, now: NOW });
    log = openLog(disk, { config: CONFIG, clean: true, recoveryPoint: 4 });
    const size = disk.status(LOG)!.size;
    disk.left = number;
    const bytes = makeBatch({ producerId: 1, producerEpoch: 0, baseSequence: 0 });
    const result = log.append(bytes.slice(), leader(1));
    if (disk.hits === 0) break;
    disk.left = Infinity;
    assertEquals(errorOf(result), "KAFKA_STORAGE_ERROR", `operation ${number}`);
    assertEquals(disk.status(LOG)!.size, size, "nothing was written");
    assertEquals(readBatches(log), expected);
    assertEquals(errorOf(log.append(bytes, leader(1))), "none");
    assertEquals(readBatches(log).length, 5);
  }
});

Deno.test("log: nothing is written behind what a failed write may have left", () => {
  const disk = new FaultyDisk(
    ["write"],
    ({ length }) => ({ kind: "fail", code: "ENOSPC", written: length >> 1 }),
  );
  const log = openLog(disk, { config: CONFIG });
  append(log, {}, leader(1));
  log.flushSync();
  const size = disk.status(LOG)!.size;
  disk.left = 0;
  assertEquals(errorOf(log.append(makeBatch(), leader(1))), "KAFKA_STORAGE_ERROR");
  assertEquals(disk.status(LOG)!.size, size);
  disk.syncs = 0;
  append(log, {}, leader(1));
  append(log, {}, leader(1));
  assertEquals(disk.syncs, 1);
});

Deno.test("log: a sync that fails is told, and nothing is appended or flushed after it", () => {
  for (let number = 0; number < 6; number++) {
    for (const full of [false, true]) {
      const disk = new FaultyDisk(
        ["sync", "sync-folder"],
        () => ({ kind: "fail", code: "EIO" }),
      );
      const log = openLog(disk, { config: CONFIG });
      for (let index = 0; index < 8; index++) append(log, {}, leader(1));
      disk.left = number;
      const answers: unknown[] = [];
      const done = (failure: unknown) => answers.push(failure);
      const started = full ? log.checkpoint(NOW, done) : log.flush(done);
      assertEquals(started, "started");
      assertEquals(answers, [], "an answer comes after the call");
      disk.drain();
      assertEquals(answers.length, 1);
      if (disk.hits === 0) continue;
      assert(answers[0] instanceof DiskError);
      assertEquals(log.failure, answers[0]);
      assertEquals(log.recoveryPoint, 0);
      assertEquals(errorOf(log.append(makeBatch(), leader(1))), "KAFKA_STORAGE_ERROR");
      assert(log.flush(done) instanceof DiskError, "a failed sync is not tried again");
      assertThrows(() => log.close({ clean: true, now: NOW }), DiskError);
    }
  }
});

Deno.test("log: after a failed sync and a power cut the log is a prefix of what it was", () => {
  for (let seed = 0; seed < 40; seed++) {
    const disk = new FaultyDisk(["sync"], () => ({ kind: "fail", code: "EIO" }));
    const log = openLog(disk, { config: CONFIG });
    for (let index = 0; index < 4; index++) append(log, {}, leader(1));
    log.flushSync();
    const flushed = readBatches(log);
    for (let index = 0; index < 4; index++) append(log, {}, leader(1));
    const all = readBatches(log);
    disk.left = 0;
    assertThrows(() => log.flushSync(), DiskError);
    disk.crash(new SeededChance(seed));
    const found = readBatches(openLog(disk, { config: CONFIG }));
    assert(found.length >= flushed.length);
    assertEquals(found, all.slice(0, found.length));
  }
});

Deno.test("log: where a failed write cannot be cut back nothing more is written", () => {
  const disk = new FaultyDisk(
    ["write"],
    ({ length }) => ({ kind: "fail", code: "ENOSPC", written: length >> 1, cutFails: true }),
  );
  const log = openLog(disk, { config: CONFIG });
  append(log);
  disk.left = 0;
  const result = log.append(makeBatch(), leader());
  assert(result.kind === "refused" && result.failure instanceof DiskError);
  assertEquals(result.failure.kind, "io");
  assertEquals(log.logEndOffset, 1);
  assertEquals(log.failure, result.failure);
  assertEquals(errorOf(log.append(makeBatch(), leader())), "KAFKA_STORAGE_ERROR");
  disk.killProcess();
  assertEquals(openLog(disk, { config: CONFIG }).logEndOffset, 1);
});
