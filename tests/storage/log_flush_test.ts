import { assertEquals } from "@std/assert";
import type { DiskOperation } from "../../storage/disk_faults.ts";
import type { Log } from "../../storage/log.ts";
import { LEADER_EPOCH_CHECKPOINT } from "../../storage/leader_epochs.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  append,
  expectAppended,
  FOLDER,
  follower,
  leader,
  NOW,
  openLog,
  readBatches,
  replicatedBatch,
} from "./log_fixture.ts";

/** A disk that writes down what is synced, by the last part of its path. */
class WatchedDisk extends MemoryDisk {
  readonly synced: string[] = [];

  constructor() {
    super({
      faults: {
        befall: ({ action, path }: DiskOperation) => {
          if (action.startsWith("sync")) this.synced.push(path.replace(/^.*\/0*/, ""));
          return undefined;
        },
      },
    });
  }
}

/** A log that has been checkpointed once, so that names are durable. */
function settled(disk: WatchedDisk): Log {
  const log = openLog(disk, { config: { segmentBytes: 1e6, indexIntervalBytes: 0 } });
  for (let index = 0; index < 3; index++) append(log, {}, leader(1));
  log.checkpointSync(NOW);
  disk.synced.length = 0;
  return log;
}

Deno.test("flush: it syncs the batches and no more, and tells when they are durable", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  const answers: unknown[] = [];
  assertEquals(log.flush((failure) => answers.push(failure)), "started");
  assertEquals([log.flushedOffset, answers], [3, []]);
  disk.drain();
  assertEquals([log.flushedOffset, answers], [4, [undefined]]);
  assertEquals(disk.synced, [".log"]);
  assertEquals(log.recoveryPoint, 3);
});

Deno.test("flush: where nothing was appended there is nothing to do, and no answer", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  const never = () => {
    throw new Error("Cannot be answered");
  };
  assertEquals(log.flush(never), "nothing to do");
  assertEquals(log.checkpoint(NOW, never), "nothing to do");
  assertEquals(disk.pending, 0);
});

Deno.test("flush: all that ask while one is under way share the next", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  const answers: number[] = [];
  log.flush(() => answers.push(log.flushedOffset));
  for (let index = 0; index < 5; index++) {
    append(log, {}, leader(1));
    log.flush(() => answers.push(log.flushedOffset));
  }
  disk.drain();
  assertEquals(answers, [4, 9, 9, 9, 9, 9]);
  assertEquals(disk.synced, [".log", ".log"]);
});

Deno.test("flush: whoever is told may ask again at once", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  let flushed = 0;
  log.flush(() => {
    append(log, {}, leader(1));
    log.flush(() => flushed = log.flushedOffset);
  });
  disk.drain();
  assertEquals(flushed, 5);
});

Deno.test("flush: the names of a new log are made durable with its first batches", () => {
  const disk = new WatchedDisk();
  const log = openLog(disk);
  append(log);
  const batches = readBatches(log);
  log.flushSync();
  assertEquals(disk.synced, [".log", FOLDER, ""]);
  disk.crash();
  assertEquals(readBatches(openLog(disk)), batches);
});

Deno.test("flush: after a roll the segments since the last flush are synced, and their names", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  log.roll(NOW);
  append(log, {}, leader(1));
  const batches = readBatches(log);
  disk.synced.length = 0;
  log.flush(() => {});
  disk.drain();
  assertEquals(disk.synced, [".log", "4.log", FOLDER]);
  disk.crash();
  assertEquals(readBatches(openLog(disk, { recoveryPoint: log.recoveryPoint })), batches);
});

Deno.test("flush: a batch appended while a flush is under way is not claimed to be durable", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  log.flush(() => {});
  append(log, {}, leader(1));
  disk.drain();
  assertEquals([log.flushedOffset, log.logEndOffset], [4, 5]);
});

Deno.test("flush: what is cut while a flush is under way is not claimed to be durable", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  for (let index = 0; index < 4; index++) append(log, {}, leader(1));
  log.flush(() => {});
  log.truncateTo(5, NOW);
  append(log, {}, leader(2));
  disk.drain();
  assertEquals([log.flushedOffset, log.logEndOffset], [5, 6]);
});

Deno.test("checkpoint: batches, index entries and leader epochs are durable when it is told", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  for (let index = 0; index < 9; index++) append(log, {}, leader(2));
  const batches = readBatches(log);
  log.checkpoint(NOW, () => {});
  disk.drain();
  assertEquals(log.recoveryPoint, 12);
  assertEquals(disk.synced, [".index", ".log", "leader-epoch-checkpoint.tmp"]);
  disk.crash();
  const again = openLog(disk, { recoveryPoint: 12 });
  assertEquals(readBatches(again), batches);
  assertEquals(again.epochEntries, [{ epoch: 1, startOffset: 0 }, { epoch: 2, startOffset: 3 }]);
});

Deno.test("checkpoint: one is due once a segment was sealed after the recovery point", () => {
  const disk = new WatchedDisk();
  const log = settled(disk);
  append(log, {}, leader(1));
  assertEquals(log.checkpointDue, false);
  log.roll(NOW);
  assertEquals(log.checkpointDue, true);
  log.checkpointSync(NOW);
  assertEquals(log.checkpointDue, false);
});

Deno.test("flush: flush.messages counts records that are not durable", () => {
  const log = openLog(new WatchedDisk(), { config: { flushMessages: 4 } });
  append(log, { values: ["a", "b", "c"] });
  assertEquals(log.flushDue(NOW), false);
  append(log);
  assertEquals(log.flushDue(NOW), true);
  log.flushSync();
  assertEquals(log.flushDue(NOW), false);
});

Deno.test("flush: flush.ms counts from the oldest record that is not durable", () => {
  const log = openLog(new WatchedDisk(), { config: { flushMs: 100 } });
  assertEquals(log.flushDue(NOW + 1e6), false);
  append(log, {}, leader(0, NOW));
  append(log, {}, leader(0, NOW + 80));
  assertEquals([log.flushDue(NOW + 99), log.flushDue(NOW + 100)], [false, true]);
  log.flushSync();
  append(log, {}, leader(0, NOW + 200));
  assertEquals([log.flushDue(NOW + 299), log.flushDue(NOW + 300)], [false, true]);
});

Deno.test("close: a log that was led, and nothing appended, needs no sync", () => {
  for (const count of [0, 3]) {
    const disk = new WatchedDisk();
    const first = openLog(disk);
    for (let index = 0; index < count; index++) append(first, {}, leader(1));
    first.close({ clean: true, now: NOW });
    const again = openLog(disk, { clean: true, recoveryPoint: count });
    again.assignEpoch(9);
    disk.synced.length = 0;
    again.close({ clean: true, now: NOW });
    assertEquals(disk.synced, []);
    const kept = count === 0 ? [] : [{ epoch: 1, startOffset: 0 }];
    const last = openLog(disk, { clean: true, recoveryPoint: count });
    assertEquals(last.epochEntries, kept);
    last.assignEpoch(10);
    append(last, {}, leader(10));
    last.close({ clean: true, now: NOW });
    const { epochEntries } = openLog(disk, { clean: true, recoveryPoint: count + 1 });
    assertEquals(epochEntries, [...kept, { epoch: 10, startOffset: count }]);
  }
});

Deno.test("close: leader epochs that were cut away are gone from their file", () => {
  const disk = new WatchedDisk();
  const log = openLog(disk);
  for (const epoch of [1, 2]) append(log, {}, leader(epoch));
  log.close({ clean: true, now: NOW });
  const cut = openLog(disk, { clean: true, recoveryPoint: 2 });
  cut.truncateTo(1, NOW);
  append(cut, {}, leader(1));
  cut.close({ clean: true, now: NOW });
  const { epochEntries } = openLog(disk, { clean: true, recoveryPoint: 2 });
  assertEquals(epochEntries, [{ epoch: 1, startOffset: 0 }]);
});

Deno.test("close: a leader epoch without a record is gone once records of others stand there", () => {
  const disk = new WatchedDisk();
  const log = openLog(disk);
  append(log, {}, leader(1));
  log.assignEpoch(2);
  log.close({ clean: true, now: NOW });
  const following = openLog(disk, { clean: true, recoveryPoint: 1 });
  expectAppended(following.append(replicatedBatch(1, 1), follower(3)));
  following.close({ clean: true, now: NOW });
  const { epochEntries } = openLog(disk, { clean: true, recoveryPoint: following.recoveryPoint });
  assertEquals(epochEntries, [{ epoch: 1, startOffset: 0 }]);
});

Deno.test("close: leader epochs that were left in a folder without a log are gone from their file", () => {
  const disk = new WatchedDisk();
  disk.makeDirectory(FOLDER);
  const path = `${FOLDER}/${LEADER_EPOCH_CHECKPOINT}`;
  disk.open(path, { create: true }).write(new TextEncoder().encode("0\n1\n5 0\n"), 0);
  const log = openLog(disk);
  log.assignEpoch(7);
  log.close({ clean: true, now: NOW });
  const bytes = new Uint8Array(disk.open(path).size());
  disk.open(path).read(bytes, 0);
  assertEquals(new TextDecoder().decode(bytes), "0\n1\n7 0\n");
});
