import { assert, assertEquals } from "@std/assert";
import { LEADER_EPOCH_CHECKPOINT } from "../../storage/leader_epochs.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BATCH_FIELD, BatchView } from "../../storage/record_batch.ts";
import {
  append,
  FOLDER,
  leader,
  NOW,
  openLog,
  openSlices,
  readBatches,
  tryOpenLog,
} from "../storage/log_fixture.ts";
import { plainProducers, replayFromScratch } from "./log_model.ts";

/** Of the bits of a batch, one in so many is tried; a prime, so that all places of a byte are. */
const BIT_STEP = 7;

/** A log of three segments on a disk, whose power was never cut. */
function fill(disk: MemoryDisk): Log {
  const log = openLog(disk, { config: { segmentBytes: 600 } });
  for (let index = 0; index < 9; index++) {
    const values = [`value ${index}`, "x".repeat(60)];
    const producer = index % 2 === 0
      ? { producerId: 1, producerEpoch: 0, baseSequence: index }
      : {};
    append(log, { values, ...producer }, leader(Math.floor(index / 4)));
  }
  return log;
}

function check(log: Log, expected: readonly Uint8Array[]): void {
  assertEquals(readBatches(log), expected);
  assertEquals(
    plainProducers(log.producers(NOW)),
    plainProducers(replayFromScratch(expected)),
    "producers",
  );
  const epochs = new Map<number, number>();
  for (const bytes of expected) {
    const { partitionLeaderEpoch, baseOffset } = new BatchView(bytes);
    if (!epochs.has(partitionLeaderEpoch)) epochs.set(partitionLeaderEpoch, baseOffset);
  }
  assertEquals(log.epochEntries.map((e) => [e.epoch, e.startOffset]), [...epochs]);
}

Deno.test("recovery: a tail torn at any byte is cut at the last whole batch", () => {
  const disk = new MemoryDisk();
  const log = fill(disk);
  const batches = readBatches(log);
  const bases = disk.list(FOLDER).map(({ name }) => name)
    .filter((name) => name.endsWith(".log"))
    .map((name) => Number(name.slice(0, 20)));
  assertEquals(bases.length, 3);
  for (const base of bases) {
    const path = `${FOLDER}/${String(base).padStart(20, "0")}.log`;
    const size = disk.status(path)!.size;
    // At every byte of the last segment, and at some of the others.
    const step = base === bases.at(-1) ? 1 : 11;
    for (let length = 0; length < size; length += step) {
      const torn = disk.clone();
      torn.open(path).truncate(length);
      const before = batches.filter((bytes) => new BatchView(bytes).baseOffset < base);
      const expected = [...before];
      let whole = 0;
      for (const bytes of batches.slice(before.length)) {
        whole += bytes.length;
        if (whole > length) break;
        expected.push(bytes);
      }
      const opened = openLog(torn, { config: { segmentBytes: 600 } });
      check(opened, expected);
      torn.killProcess();
      check(openLog(torn, { config: { segmentBytes: 600 } }), expected);
    }
  }
});

Deno.test("recovery: after a cut the log goes on as if it had never been longer", () => {
  const disk = new MemoryDisk();
  const batches = readBatches(fill(disk));
  const path = disk.list(FOLDER).map(({ name }) => name).filter((n) => n.endsWith(".log")).at(-1)!;
  const file = disk.open(`${FOLDER}/${path}`);
  file.truncate(file.size() - 1);
  const log = openLog(disk, { config: { segmentBytes: 600 } });
  append(log, { values: ["new"] }, leader(7));
  const after = readBatches(log);
  assertEquals(after.slice(0, -1), batches.slice(0, -1));
  assertEquals(new BatchView(after.at(-1)!).baseOffset, new BatchView(batches.at(-1)!).baseOffset);
  disk.killProcess();
  assertEquals(readBatches(openLog(disk)), after);
});

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Whether two batches differ in nothing but the leader epoch, which no checksum covers. */
function sameButEpoch(a: Uint8Array, b: Uint8Array): boolean {
  const start = BATCH_FIELD.partitionLeaderEpoch;
  return a.length === b.length &&
    a.every((byte, at) => byte === b[at] || (at >= start && at < start + 4));
}

Deno.test("recovery: a flipped bit past the recovery point is never read", () => {
  const disk = new MemoryDisk();
  const batches = readBatches(fill(disk));
  const segments = disk.list(FOLDER).map(({ name }) => name).filter((n) => n.endsWith(".log"));
  for (const name of segments) {
    const path = `${FOLDER}/${name}`;
    for (let bit = 0; bit < disk.status(path)!.size * 8; bit += BIT_STEP) {
      const damaged = disk.clone();
      damaged.flipBit(path, bit);
      const log = openLog(damaged, { config: { segmentBytes: 600 } });
      const found = readBatches(log);
      // A higher leader epoch, unless one of the next batches is lower, cannot be told from a
      // right one; everything else can.
      found.forEach((bytes, index) =>
        assert(sameButEpoch(bytes, batches[index]!), `bit ${bit} of ${name}`)
      );
      const isEpoch = found.length === batches.length;
      assert(!isEpoch || found.some((bytes, index) => !same(bytes, batches[index]!)));
    }
  }
});

Deno.test("recovery: damage below the high watermark is named and nothing is cut", () => {
  const disk = new MemoryDisk();
  const log = fill(disk);
  const batches = readBatches(log);
  const highWatermark = log.logEndOffset;
  let position = 0;
  const size = disk.status(`${FOLDER}/00000000000000000000.log`)!.size;
  for (const bytes of batches) {
    if (position === size) break;
    const { baseOffset } = new BatchView(bytes);
    const damaged = disk.clone();
    damaged.flipBit(`${FOLDER}/00000000000000000000.log`, (position + 70) * 8);
    const images = damaged.image();
    const opened = tryOpenLog(damaged, { highWatermark });
    assert(opened.kind === "corrupt");
    assertEquals(opened.offset, baseOffset);
    assertEquals(opened.position, position);
    assertEquals(opened.file, `${FOLDER}/00000000000000000000.log`);
    assertEquals(opened.isTail, false);
    for (const [path, image] of damaged.image()) {
      if (path.endsWith(".log")) assertEquals(image, images.get(path), path);
    }
    const accepted = openLog(damaged, { highWatermark: baseOffset });
    assertEquals(accepted.logEndOffset, baseOffset);
    position += bytes.length;
  }
});

Deno.test("recovery: damage below the recovery point is named, whatever the high watermark", () => {
  const disk = new MemoryDisk();
  const log = fill(disk);
  log.checkpointSync(NOW);
  append(log, { values: ["later"] }, leader(7));
  const { recoveryPoint } = log;
  disk.flipBit(`${FOLDER}/00000000000000000000.log`, (16 + 3) * 8);
  disk.remove(`${FOLDER}/${LEADER_EPOCH_CHECKPOINT}`);
  disk.killProcess();
  // Without the file of leader epochs all headers are walked over.
  const opened = tryOpenLog(disk, { recoveryPoint, config: { segmentBytes: 600 } });
  assertEquals(opened.kind === "open" || opened.kind === "corrupt", true);
  const shorter = disk.clone();
  const last = shorter.list(FOLDER).map(({ name }) => name).filter((n) => n.endsWith(".log")).at(
    -1,
  )!;
  shorter.open(`${FOLDER}/${last}`).truncate(10);
  const short = tryOpenLog(shorter, { recoveryPoint, config: { segmentBytes: 600 } });
  assert(short.kind === "corrupt");
  assert(short.isBelowRecoveryPoint);
});

Deno.test("recovery: only what lies past the recovery point is read", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6, indexIntervalBytes: 4096 } });
  for (let index = 0; index < 60; index++) append(log, { values: ["x".repeat(2000)] });
  log.checkpointSync(NOW);
  const { recoveryPoint } = log;
  for (let index = 0; index < 5; index++) append(log, { values: ["x".repeat(2000)] });
  const { sizeInBytes } = log;
  disk.killProcess();
  let read = 0;
  const watched = disk.clone({
    faults: {
      befall: ({ action, path, length }) => {
        if (action === "read" && path.endsWith(".log")) read += length;
        return undefined;
      },
    },
  });
  const opened = tryOpenLog(watched, {
    recoveryPoint,
    config: { segmentBytes: 1e6, indexIntervalBytes: 4096 },
  });
  assert(opened.kind === "open");
  assertEquals(opened.log.logEndOffset, 65);
  assertEquals(opened.recovery.bytesScanned, 5 * sizeInBytes / 65);
  assert(read < 40_000, `${read} bytes were read of a log of ${sizeInBytes}`);
});

Deno.test("recovery: by small slices it comes to the same", () => {
  const disk = new MemoryDisk();
  const batches = readBatches(fill(disk));
  disk.killProcess();
  const opening = openSlices(disk);
  let slices = 0;
  for (;;) {
    const step = opening.step(1);
    slices++;
    if (step.kind === "more") continue;
    assert(step.kind === "open");
    check(step.log, batches);
    break;
  }
  assert(slices >= batches.length, `${slices} slices`);
});
