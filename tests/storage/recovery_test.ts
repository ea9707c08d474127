import { assert, assertEquals } from "@std/assert";
import { replaceSmallFile } from "../../storage/checkpoint.ts";
import { LEADER_EPOCH_CHECKPOINT } from "../../storage/leader_epochs.ts";
import type { DiskOperation } from "../../storage/disk_faults.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { encodeProducerState } from "../../storage/producer_snapshots.ts";
import { ProducerState } from "../../storage/producer_state.ts";
import {
  append,
  FOLDER,
  follower,
  leader,
  names,
  NOW,
  openLog,
  readBatches,
  readValues,
  replicatedBatch,
  SMALL,
  tryOpenLog,
} from "./log_fixture.ts";

const BATCH = "00000000000000000000.log";

/** Nine records in three segments and as many leader epochs. */
function filled(disk: MemoryDisk): Log {
  const log = openLog(disk, { config: { segmentBytes: 250 } });
  for (let index = 0; index < 9; index++) {
    append(log, { values: [`${index}`] }, leader(Math.floor(index / 3)));
  }
  return log;
}

/** What opening does to the disk, by action and name. */
function watch(disk: MemoryDisk): { readonly disk: MemoryDisk; readonly seen: string[] } {
  const seen: string[] = [];
  const faults = {
    befall: ({ action, path }: DiskOperation) => {
      seen.push(`${action} ${path.slice(path.lastIndexOf("/") + 1)}`);
      return undefined;
    },
  };
  return { disk: disk.clone({ faults }), seen };
}

Deno.test("open: a new log is empty and begins at the given start", () => {
  const disk = new MemoryDisk();
  const opened = tryOpenLog(disk, { logStartOffset: 40 });
  assert(opened.kind === "open");
  const { log, recovery } = opened;
  assertEquals([log.logStartOffset, log.logEndOffset, log.recoveryPoint], [40, 40, 40]);
  assertEquals(recovery.scanned, false);
  assertEquals(names(disk), ["00000000000000000040.log"]);
});

Deno.test("open: a log that was closed in order is opened by a listing and one small file", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.close({ clean: true, now: NOW });
  const watched = watch(disk);
  const opened = tryOpenLog(watched.disk, { clean: true, recoveryPoint: 9 });
  assert(opened.kind === "open");
  assertEquals(opened.recovery.scanned, false);
  assertEquals(watched.seen, [
    `list ${FOLDER}`,
    `open ${LEADER_EPOCH_CHECKPOINT}`,
    `read ${LEADER_EPOCH_CHECKPOINT}`,
  ]);
  assertEquals(opened.log.logEndOffset, 9);
  assertEquals(opened.log.epochEntries, log.epochEntries);
  assertEquals(readValues(opened.log).length, 9);
});

Deno.test("open: a log that was said to be closed in order and was not is scanned", () => {
  const close = (disk: MemoryDisk) => filled(disk).close({ clean: true, now: NOW });
  const changes: ((disk: MemoryDisk) => void)[] = [
    (disk) => disk.remove(`${FOLDER}/00000000000000000009.snapshot`),
    (disk) => disk.open(`${FOLDER}/${LEADER_EPOCH_CHECKPOINT}`).truncate(3),
  ];
  for (const change of changes) {
    const disk = new MemoryDisk();
    close(disk);
    change(disk);
    const opened = tryOpenLog(disk, { clean: true, recoveryPoint: 9 });
    assert(opened.kind === "open");
    assertEquals(opened.recovery.scanned, true);
    assertEquals(readValues(opened.log).length, 9);
    assertEquals(opened.log.epochEntries.map(({ startOffset }) => startOffset), [0, 3, 6]);
  }
});

Deno.test("open: a log that was closed in order and does not end there serves nobody", () => {
  const disk = new MemoryDisk();
  filled(disk).close({ clean: true, now: NOW });
  const path = `${FOLDER}/00000000000000000006.log`;
  const file = disk.open(path);
  file.truncate(file.size() - 1);
  const log = openLog(disk, { clean: true, recoveryPoint: 9 });
  const refused = log.append(replicatedBatch(9, 5), follower(5));
  assertEquals(refused.kind === "refused" && refused.error, "KAFKA_STORAGE_ERROR");
  const read = log.read(8, { maxBytes: 1e6, maxOffset: 9, minOneBatch: true });
  assertEquals(read.kind === "refused" && read.error, "KAFKA_STORAGE_ERROR");
});

Deno.test("open: files that an interrupted operation left are removed, others are let be", () => {
  const disk = new MemoryDisk();
  filled(disk).close({ clean: true, now: NOW });
  const before = names(disk);
  for (const name of ["a.deleted", "b.tmp", "c.cleaned", "00000000000000000001.index"]) {
    disk.open(`${FOLDER}/${name}`, { create: true });
  }
  disk.open(`${FOLDER}/partition.metadata`, { create: true });
  openLog(disk, { clean: true, recoveryPoint: 9 });
  assertEquals(names(disk), [...before, "partition.metadata"].sort());
});

Deno.test("open: the log start offset is the given one, or the first segment's if that is higher", () => {
  const disk = new MemoryDisk();
  filled(disk).close({ clean: true, now: NOW });
  const options = { clean: true, recoveryPoint: 9 };
  assertEquals(openLog(disk, { ...options, logStartOffset: 4 }).logStartOffset, 4);
  disk.remove(`${FOLDER}/${BATCH}`);
  assertEquals(openLog(disk, { ...options, logStartOffset: 1 }).logStartOffset, 3);
});

Deno.test("open: a log that ends before its start begins anew at the start", () => {
  const disk = new MemoryDisk();
  filled(disk);
  disk.killProcess();
  const log = openLog(disk, { logStartOffset: 20 });
  assertEquals([log.logStartOffset, log.logEndOffset, log.segmentCount], [20, 20, 1]);
});

Deno.test("open: a checkpoint of an earlier log of that name is not believed", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { recoveryPoint: 50 });
  append(log, { values: ["a"] });
  append(log, { values: ["b"] });
  disk.killProcess();
  const file = disk.open(`${FOLDER}/${BATCH}`);
  file.truncate(file.size() - 1);
  assertEquals(readValues(openLog(disk, { recoveryPoint: 50 })), ["a"]);
});

Deno.test("recovery: leader epochs whose file was lost are read from the batches", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.checkpointSync(NOW);
  disk.remove(`${FOLDER}/${LEADER_EPOCH_CHECKPOINT}`);
  disk.killProcess();
  const again = openLog(disk, { recoveryPoint: 9 });
  assertEquals(again.epochEntries.map(({ startOffset }) => startOffset), [0, 3, 6]);
});

Deno.test("recovery: leader epochs of an older file are not believed", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.checkpointSync(NOW);
  const path = `${FOLDER}/${LEADER_EPOCH_CHECKPOINT}`;
  disk.open(path).write(new TextEncoder().encode("0\n2\n0 0\n1 3\n"), 0);
  disk.open(path).truncate("0\n2\n0 0\n1 3\n".length);
  disk.killProcess();
  const again = openLog(disk, { recoveryPoint: 9 });
  assertEquals(again.epochEntries.map(({ startOffset }) => startOffset), [0, 3, 6]);
});

Deno.test("recovery: a batch in a wrong place is found by its offset, and one of an old epoch", () => {
  for (const [offset, epoch] of [[4, 2], [2, 2], [3, 1]] as const) {
    const disk = new MemoryDisk();
    const log = openLog(disk, { config: { segmentBytes: 1e6 } });
    for (let index = 0; index < 3; index++) append(log, {}, leader(2));
    disk.killProcess();
    const file = disk.open(`${FOLDER}/${BATCH}`);
    file.write(replicatedBatch(offset, epoch), file.size());
    const opened = tryOpenLog(disk, { config: { segmentBytes: 1e6 } });
    assert(opened.kind === "open");
    assertEquals(opened.log.logEndOffset, 3);
    assert(opened.recovery.cutReason?.includes(epoch === 1 ? "epoch 1" : `offset ${offset}`));
    assertEquals(opened.recovery.bytesCut, replicatedBatch(offset, epoch).length);
  }
});

Deno.test("recovery: a leader epoch above all known is damage", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  append(log, {}, leader(2));
  append(log, {}, leader(3));
  disk.killProcess();
  const cut = disk.clone();
  assertEquals(openLog(cut, { leaderEpochMax: 2 }).logEndOffset, 1);
  assertEquals(openLog(disk, { leaderEpochMax: 3 }).logEndOffset, 2);
});

Deno.test("recovery: a segment that does not go on where the one before ends is cut off", () => {
  const disk = new MemoryDisk();
  filled(disk);
  disk.killProcess();
  disk.remove(`${FOLDER}/00000000000000000003.log`);
  const opened = tryOpenLog(disk, { config: { segmentBytes: 250 } });
  assert(opened.kind === "open");
  assertEquals(opened.log.logEndOffset, 3);
  assertEquals(opened.recovery.cutReason, "the next segment begins at 6");
  assertEquals(names(disk, ".log"), [BATCH]);
});

Deno.test("recovery: in a compacted log offsets may be missing, in and between segments", () => {
  const disk = new MemoryDisk();
  const config = { cleanupCompact: true };
  const log = openLog(disk, { config });
  log.append(replicatedBatch(3, 0), follower());
  log.append(replicatedBatch(9, 0), follower());
  log.roll(NOW);
  log.append(replicatedBatch(20, 0), follower());
  const batches = readBatches(log);
  disk.killProcess();
  assertEquals(readBatches(openLog(disk, { config })), batches);
});

Deno.test("recovery: what it says of damage names file, place, offset and reason", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  const size = readBatches(log)[3]!.length;
  disk.killProcess();
  disk.flipBit(`${FOLDER}/00000000000000000003.log`, (size + 65) * 8);
  const config = { ...SMALL, segmentBytes: 250 };
  const opened = tryOpenLog(disk, { highWatermark: 9, config });
  assert(opened.kind === "corrupt");
  const { reason, ...rest } = opened;
  assertEquals(rest, {
    kind: "corrupt",
    offset: 4,
    file: `${FOLDER}/00000000000000000003.log`,
    position: size,
    isTail: false,
    isBelowRecoveryPoint: false,
  });
  assert(reason.includes("checksum"), reason);
  assertEquals(openLog(disk, { highWatermark: 4, config }).logEndOffset, 4);
});

Deno.test("recovery: a torn end is told from damage in between", () => {
  const disk = new MemoryDisk();
  filled(disk);
  disk.killProcess();
  const file = disk.open(`${FOLDER}/00000000000000000006.log`);
  file.truncate(file.size() - 3);
  const opened = tryOpenLog(disk, { highWatermark: 9 });
  assert(opened.kind === "corrupt");
  assertEquals([opened.offset, opened.isTail], [8, true]);
});

Deno.test("recovery: a log that ends below its recovery point has lost what was durable", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.checkpointSync(NOW);
  disk.killProcess();
  const path = `${FOLDER}/00000000000000000006.log`;
  disk.open(path).truncate(disk.status(path)!.size / 3);
  const opened = tryOpenLog(disk, { recoveryPoint: 9 });
  assert(opened.kind === "corrupt");
  assertEquals([opened.offset, opened.isBelowRecoveryPoint], [7, true]);
});

Deno.test("recovery: a disk that cannot be read is a failure, not damage", () => {
  const disk = new MemoryDisk();
  filled(disk);
  disk.killProcess();
  for (let number = 0;; number++) {
    let left = number;
    let hit = false;
    const failing = disk.clone({
      faults: {
        befall: () => {
          if (left-- !== 0) return undefined;
          hit = true;
          return { kind: "fail", code: "EIO" };
        },
      },
    });
    const opened = tryOpenLog(failing, { config: { segmentBytes: 250 } });
    if (!hit) break;
    if (opened.kind === "open") assertEquals(readValues(opened.log).length, 9);
    else assertEquals(opened.kind, "failed", `operation ${number}`);
  }
});

Deno.test("recovery: what was only in memory is durable after the next flush", () => {
  const disk = new MemoryDisk();
  const batches = readBatches(filled(disk));
  disk.killProcess();
  const log = openLog(disk, { config: { segmentBytes: 250 } });
  log.flushSync();
  disk.crash();
  assertEquals(readBatches(openLog(disk, { config: { segmentBytes: 250 } })), batches);
});

Deno.test("recovery: times are found in the segments that it sealed, also after a restart", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 250 } });
  for (let index = 0; index < 9; index++) append(log, { timestamp: NOW + index });
  disk.killProcess();
  openLog(disk).close({ clean: true, now: NOW });
  const again = openLog(disk, { clean: true, recoveryPoint: 9 });
  for (let index = 0; index < 9; index++) {
    const found = again.offsetForTime(NOW + index);
    assertEquals(found.kind === "found" && found.offset, index);
  }
});

Deno.test("recovery: a cut of whole segments is durable when the log is open", () => {
  const disk = new MemoryDisk();
  const log = filled(disk);
  log.flushSync();
  disk.killProcess();
  disk.flipBit(`${FOLDER}/${BATCH}`, 70 * 8);
  openLog(disk, { config: { segmentBytes: 250 } });
  disk.crash();
  assertEquals(names(disk, ".log"), [BATCH]);
});

Deno.test("recovery: a cut that was lost before a segment that was begun after it is found", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  append(log, { values: ["a"] }, leader(0));
  log.checkpointSync(NOW);
  append(log, { values: ["b"] }, leader(0));
  const lost = readBatches(log)[1]!;
  log.truncateTo(1, NOW);
  log.roll(NOW);
  append(log, { values: ["c"] }, leader(1));
  disk.killProcess();
  const file = disk.open(`${FOLDER}/${BATCH}`);
  file.write(lost, file.size());
  const again = openLog(disk, { recoveryPoint: 1 });
  assertEquals(readValues(again), ["a", "b"]);
  assertEquals(again.epochEntries, [{ epoch: 0, startOffset: 0 }]);
});

Deno.test("recovery: snapshots past the recovery point are not believed", () => {
  const disk = new MemoryDisk();
  const config = { segmentBytes: 250 };
  const log = openLog(disk, { config });
  const batch = (producerId: number) => ({ producerId, producerEpoch: 0, baseSequence: 0 });
  for (let index = 0; index < 6; index++) append(log, batch(index));
  const [first, second] = names(disk, ".log").map((name) => Number(name.slice(0, 20)));
  disk.killProcess();
  const stranger = new ProducerState();
  stranger.restore({
    producerId: 99,
    producerEpoch: 0,
    coordinatorEpoch: -1,
    lastTimestamp: NOW,
    currentTransactionFirstOffset: -1,
    batches: [],
  });
  const path = `${FOLDER}/${String(second).padStart(20, "0")}.snapshot`;
  replaceSmallFile(disk, path, encodeProducerState(stranger), { sync: true });
  openLog(disk, { config });
  disk.killProcess();
  const again = openLog(disk, { config, recoveryPoint: second! });
  assertEquals([...again.producers(NOW).entries()].map(({ producerId }) => producerId), [
    0,
    1,
    2,
    3,
    4,
    5,
  ]);
  assertEquals(first, 0);
});
