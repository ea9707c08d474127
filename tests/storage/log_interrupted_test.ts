/** What a log is when the disk fails it once in the middle of something. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { DiskError } from "../../storage/disk.ts";
import type { DiskFault, DiskOperation } from "../../storage/disk_faults.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { SeededChance } from "./disk_chance.ts";
import {
  append,
  fileBytes,
  FOLDER,
  leader,
  makeBatch,
  names,
  NOW,
  openLog,
  readBatches,
  readValues,
  reopen,
  tryOpenLog,
} from "./log_fixture.ts";

const LOG = `${FOLDER}/00000000000000000000.log`;
const CONFIG = { segmentBytes: 500, indexIntervalBytes: 100, fileDeleteDelayMs: 0 };

/** A disk whose operations fail where `failing` says so. */
class TroubledDisk extends MemoryDisk {
  failing: (operation: DiskOperation) => DiskFault["kind"] | undefined = () => undefined;

  constructor() {
    super({
      faults: {
        befall: (operation) =>
          this.failing(operation) === "fail" ? { kind: "fail", code: "EIO" } : undefined,
      },
    });
  }

  /** From the `first` on, one such operation fails. */
  failOnce(matches: (operation: DiskOperation) => boolean, first = 1): void {
    let left = first;
    this.failing = (operation) => {
      if (!matches(operation) || --left !== 0) return undefined;
      return "fail";
    };
  }
}

Deno.test("log: a roll that fails leaves no file that a later start takes for a segment", () => {
  const kinds = ["open", "create", "read", "write", "rename", "truncate"];
  let failures = 0;
  for (let number = 1; number <= 20; number++) {
    const disk = new TroubledDisk();
    // So small a memory that indexes are read again and again.
    const log = openLog(disk, { config: CONFIG, indexBytesMax: 1 });
    for (let index = 0; index < 3; index++) append(log, { values: [`${index}`] });
    disk.failOnce(({ action }) => kinds.includes(action), number);
    try {
      log.roll(NOW);
    } catch (error) {
      assert(error instanceof DiskError);
      failures++;
    }
    disk.failing = () => undefined;
    append(log, { values: ["3"] });
    log.checkpointSync(NOW);
    const { recoveryPoint } = log;
    disk.killProcess();
    const opened = openLog(disk, { config: CONFIG, recoveryPoint });
    assertEquals(readValues(opened), ["0", "1", "2", "3"], `operation ${number}`);
    append(opened, { values: ["4"] });
    assertEquals(readValues(reopen(disk, opened)), ["0", "1", "2", "3", "4"]);
  }
  assert(failures > 3, `${failures} operations failed`);
});

Deno.test("log: what cannot be read now is not written over", () => {
  const config = { segmentBytes: 1e6 };
  let interrupted = 0;
  for (let number = 1; number <= 6; number++) {
    const disk = new TroubledDisk();
    const log = openLog(disk, { config, indexBytesMax: 1 });
    // Large enough for each header to be a read of its own.
    const grow = () => append(log, { values: ["x".repeat(20_000)] });
    for (let index = 0; index < 5; index++) grow();
    // An index that lacks an entry is built anew by a walk, which is interrupted.
    disk.failOnce(({ action, path }) => action === "open" && path.endsWith(".index"), 2);
    grow();
    const before = fileBytes(disk, LOG);
    disk.failOnce(({ action, path }) => action === "read" && path === LOG, number);
    const read = log.read(3, { maxBytes: 1e6, maxOffset: 6, minOneBatch: true });
    if (read.kind === "refused") interrupted++;
    disk.failing = () => undefined;
    grow();
    assertEquals(fileBytes(disk, LOG).subarray(0, before.length), before, `read ${number}`);
    assertEquals(readBatches(log).length, 7);
  }
  assert(interrupted > 3, `${interrupted} walks were interrupted`);
});

Deno.test("log: behind damage that a reader came upon nothing is written over", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6, indexIntervalBytes: 0 } });
  for (let index = 0; index < 6; index++) append(log, { values: [`${index}`] });
  const size = disk.status(LOG)!.size;
  // The magic of the fourth batch.
  disk.flipBit(LOG, 8 * (size / 2 + 16));
  const damaged = fileBytes(disk, LOG);
  const read = log.read(3, { maxBytes: 1, maxOffset: 6, minOneBatch: true });
  assertEquals(read.kind, "refused");
  assertEquals(append(log, { values: ["6"] }).firstOffset, 6);
  assertEquals(fileBytes(disk, LOG).subarray(0, size), damaged);
  const after = log.read(6, { maxBytes: 1e6, maxOffset: 7, minOneBatch: true });
  assertEquals(after.kind, "batches", "what was appended since is found");
});

Deno.test("log: records are not too old because some of them could not be looked at", () => {
  const disk = new TroubledDisk();
  const config = { segmentBytes: 50_000, retentionMs: 1000, indexIntervalBytes: 1e6 };
  const log = openLog(disk, { config });
  append(log, { values: ["x".repeat(20_000)], timestamp: NOW - 50_000 });
  append(log, { values: ["x".repeat(20_000)], timestamp: NOW });
  append(log, { values: ["x".repeat(20_000)], timestamp: NOW });
  assertEquals(log.segmentCount, 2);
  log.close({ clean: true, now: NOW });
  disk.remove(`${FOLDER}/00000000000000000000.timeindex`);
  const again = openLog(disk, { config, clean: true, recoveryPoint: 3 });
  disk.failOnce(({ action, path }) => action === "read" && path === LOG, 2);
  assert(again.applyRetention(3, NOW).failure instanceof DiskError);
  assertEquals(again.applyRetention(3, NOW), { segmentsRemoved: 0, failure: undefined });
  assertEquals(again.logStartOffset, 0);
});

for (const suffix of ["index", "timeindex"]) {
  Deno.test(`log: a ${suffix} built anew is whole after a restart, however it comes`, () => {
    const config = { segmentBytes: 100_000, indexIntervalBytes: 100 };
    const filled = new MemoryDisk();
    const log = openLog(filled, { config });
    for (let index = 0; index < 3000; index++) append(log, { timestamp: NOW + index });
    log.close({ clean: true, now: NOW });
    const path = `${FOLDER}/00000000000000000000.${suffix}`;
    const written = fileBytes(filled, path);
    assert(written.length > 4096, "more than one chunk");
    filled.flipBit(path, 3);
    const spec = { config, clean: true, recoveryPoint: 3000 };
    const end = Number(names(filled, ".log")[1]!.slice(0, 20));
    const lastOf = (opened: Log) => opened.offsetForTime(NOW + end - 1);
    const expected = { kind: "found", timestamp: NOW + end - 1, offset: end - 1, leaderEpoch: 0 };
    for (const how of ["close", "kill", "full"]) {
      const disk = filled.clone();
      let opened = openLog(disk, spec);
      if (how === "full") disk.capacityBytes = disk.usedBytes + 1000;
      assertEquals(lastOf(opened), expected as unknown);
      assertEquals(
        opened.read(9, { maxBytes: 1, maxOffset: end, minOneBatch: true }).kind,
        "batches",
      );
      if (how === "close") opened.close({ clean: true, now: NOW });
      disk.killProcess();
      disk.capacityBytes = Infinity;
      if (how !== "full") assertEquals(fileBytes(disk, path), written);
      opened = openLog(disk, spec);
      assertEquals(lastOf(opened), expected as unknown, how);
    }
  });
}

Deno.test("log: a segment whose index cannot be renamed is removed all the same", () => {
  const disk = new TroubledDisk();
  const log = openLog(disk, { config: CONFIG });
  for (let index = 0; index < 24; index++) append(log, { values: [`${index}`] });
  assert(log.segmentCount > 3);
  log.deleteRecordsBefore(23);
  disk.failOnce(({ action, path }) => action === "rename" && path.endsWith(".index"));
  assertEquals(log.applyRetention(24, NOW).failure, undefined);
  assertEquals(log.segmentCount, 1);
  assertEquals(readValues(log), ["23"]);
  disk.killProcess();
  assertEquals(readValues(openLog(disk, { logStartOffset: 23 })), ["23"]);
  const bases = names(disk, ".log").map((name) => name.slice(0, 20));
  assert(names(disk, "index").every((name) => bases.includes(name.slice(0, 20))));
});

/** A log whose disk fails now and then, and what must be in it. */
class Survivor {
  readonly disk: MemoryDisk;
  readonly #chance: SeededChance;
  readonly #config = { ...CONFIG, retentionMs: -1 };
  readonly #indexBytesMax: number;
  #trouble = 0;
  #log: Log;
  readonly #kept = new Map<number, string>();
  #end = 0;
  #start = 0;
  #flushed = 0;
  #saved = { recoveryPoint: 0, logStartOffset: 0 };

  constructor(seed: number) {
    this.#chance = new SeededChance(seed);
    this.disk = new MemoryDisk({ faults: { befall: (operation) => this.#befall(operation) } });
    this.#indexBytesMax = this.#chance.integer(2) === 0 ? 100 : 1e6;
    this.#log = openLog(this.disk, { config: this.#config, indexBytesMax: this.#indexBytesMax });
  }

  /** A failed sync is the end of a log, and tested elsewhere. */
  #befall({ action, length }: DiskOperation): DiskFault | undefined {
    if (action === "sync" || action === "sync-folder") return undefined;
    if (this.#chance.integer(1000) >= this.#trouble) return undefined;
    const code = (["EMFILE", "ENOSPC", "EROFS", "EIO"] as const)[this.#chance.integer(4)]!;
    return { kind: "fail", code, written: this.#chance.integer(length + 1) };
  }

  live(): void {
    this.#trouble = 20 + this.#chance.integer(100);
    for (let step = 0; step < 25; step++) {
      try {
        this.#step();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
      }
    }
  }

  #step(): void {
    const log = this.#log;
    const kind = this.#chance.integer(20);
    const some = log.logStartOffset +
      this.#chance.integer(Math.max(1, this.#end - log.logStartOffset));
    if (kind < 10) {
      this.#append(makeBatch({ values: ["x".repeat(this.#chance.integer(200)), "y"] }));
    } else if (kind < 12) this.#flush(() => log.flushSync());
    else if (kind < 14) this.#flush(() => log.checkpointSync(NOW));
    else if (kind === 14) log.roll(NOW);
    else if (kind === 15) this.#deleteBefore(some);
    else if (kind === 16) log.applyRetention(this.#end, NOW);
    else if (kind === 17) log.checkpoint(NOW, () => {});
    else if (kind === 18) this.disk.drain();
    else log.read(some, { maxBytes: 300, maxOffset: this.#end, minOneBatch: true });
  }

  #append(bytes: Uint8Array): void {
    const result = this.#log.append(bytes, leader());
    if (result.kind === "appended") {
      assertEquals(result.firstOffset, this.#end);
      this.#kept.set(this.#end, bytes.toHex());
      this.#end = result.lastOffset + 1;
    } else assert(result.failure instanceof DiskError, result.reason);
    assertEquals(this.#log.logEndOffset, this.#end);
  }

  #flush(run: () => void): void {
    run();
    this.#flushed = this.#end;
    const { recoveryPoint, logStartOffset } = this.#log;
    this.#saved = { recoveryPoint, logStartOffset };
  }

  #deleteBefore(offset: number): void {
    this.#log.deleteRecordsBefore(offset);
    this.#start = Math.max(this.#start, offset);
  }

  /** Ends one way or another, is opened again, and goes on. */
  restart(): void {
    const how = this.#chance.integer(3);
    let clean = false;
    if (how === 0) {
      try {
        this.#log.close({ clean: true, now: NOW });
        this.#flush(() => clean = true);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
      }
    }
    this.#trouble = 0;
    if (!clean && this.#log.failure === undefined) this.verify();
    if (how === 1) this.#cutPower();
    else this.disk.killProcess();
    const opened = tryOpenLog(this.disk, {
      ...this.#saved,
      clean,
      config: this.#config,
      indexBytesMax: this.#indexBytesMax,
      highWatermark: this.#flushed,
    });
    assert(opened.kind === "open", JSON.stringify(opened));
    this.#log = opened.log;
    if (how === 1) this.#end = Math.max(this.#flushed, opened.log.logEndOffset);
    assertEquals(opened.log.logEndOffset, this.#end);
    this.verify();
    this.#append(makeBatch());
    this.verify();
  }

  /** What was not flushed may be left, or not. */
  #cutPower(): void {
    this.disk.crash();
    for (const offset of [...this.#kept.keys()]) {
      if (offset >= this.#flushed) this.#kept.delete(offset);
    }
  }

  verify(): void {
    assert(this.#log.logStartOffset <= this.#start);
    const found = new Map(
      readBatches(this.#log).map((bytes) => [new BatchView(bytes).baseOffset, bytes.toHex()]),
    );
    for (const [offset, hex] of this.#kept) {
      if (offset >= this.#log.logStartOffset) assertEquals(found.get(offset), hex, `at ${offset}`);
    }
  }
}

Deno.test("log: whatever fails once in whatever step, what was appended is there", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const survivor = new Survivor(seed);
      for (let life = 0; life < 4; life++) {
        survivor.live();
        survivor.restart();
      }
    }),
    { numRuns: 100 },
  );
});
