import { assert, assertEquals, assertThrows } from "@std/assert";
import { MetadataLog } from "../../../actors/controller/metadata_log.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import { METADATA_FOLDER } from "../../../actors/controller/metadata_topic.ts";
import { VoterSet } from "../../../actors/controller/voters.ts";
import type { DiskOperation } from "../../../storage/disk_faults.ts";
import { LogDirectory } from "../../../storage/log_directory.ts";
import { LogResources } from "../../../storage/log_resources.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";
import { SeededChance } from "../../storage/disk_chance.ts";

const NOW = 1_700_000_000_000;
const DIRECTORY = "d".repeat(21) + "A";
const VOTERS = new VoterSet([
  { id: 1, directoryId: DIRECTORY, address: { host: "node-1", port: 9192 } },
  { id: 2, directoryId: "e".repeat(21) + "A", address: undefined },
]);

function open(disk: MemoryDisk): { log: MetadataLog; directory: LogDirectory } {
  const directory = new LogDirectory(disk, { nodeId: 1, holder: "1", newId: () => DIRECTORY });
  const resources = new LogResources(disk);
  return {
    directory,
    log: new MetadataLog({ directory, resources, epochMax: 1000, now: () => NOW }),
  };
}

/** A record that says a number. */
function said(nextProducerId: number): MetadataRecord {
  return {
    kind: "ProducerIdsRecord",
    value: { brokerId: 1, brokerEpoch: 1, nextProducerId },
  };
}

function numberOf(record: MetadataRecord): number {
  return record.kind === "ProducerIdsRecord" ? record.value.nextProducerId : -1;
}

/** All numbers that log and snapshot say; a snapshot says the last one of what it covers. */
function numbers(log: MetadataLog): number[] {
  const batches = [...log.readMetadata(log.startOffset, log.endOffset)];
  return [...log.readSnapshotRecords(), ...batches.flatMap(({ records }) => records)].map(numberOf);
}

function flush(disk: MemoryDisk, log: MetadataLog): void {
  log.flushLater(() => {});
  disk.drain();
}

function names(disk: MemoryDisk): string[] {
  return disk.peekNames(METADATA_FOLDER).filter((name) => /log$|checkpoint|part$/.test(name))
    .filter((name) => name !== "leader-epoch-checkpoint");
}

Deno.test("metadata log: the voters are known again from the log, with where they stand in it", () => {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  log.assignEpoch(3);
  log.append([said(1)], 3, NOW);
  log.appendAsLeader([
    { kind: "leader-change", leaderId: 1, voters: VOTERS.voters, granting: VOTERS.voters },
    { kind: "kraft-version", version: 1 },
    { kind: "voters", voters: VOTERS },
  ], 3);
  flush(disk, log);
  disk.crash();
  assertEquals(open(disk).log.voterSets(), [{ offset: 3, voters: VOTERS }]);
});

Deno.test("metadata log: what a leader sends tells of the voters in it", () => {
  const leader = open(new MemoryDisk()).log;
  leader.append([said(1)], 1, NOW);
  leader.appendAsLeader([{ kind: "voters", voters: VOTERS }], 1);
  leader.append([said(2)], 1, NOW);
  const { log } = open(new MemoryDisk());
  assertEquals(log.appendAsFollower(leader.read(0, 1e6), 1), {
    problem: undefined,
    voters: [{ offset: 1, voters: VOTERS }],
  });
  assertEquals([log.endOffset, log.lastEpoch, numbers(log)], [3, 1, [1, 2]]);
});

Deno.test("metadata log: what does not fit is not taken in, and the log stays as it was", () => {
  const leader = open(new MemoryDisk()).log;
  for (let i = 1; i <= 3; i++) leader.append([said(i)], i, NOW);
  const { log } = open(new MemoryDisk());
  const gap = leader.read(1, 1e6);
  assert(log.appendAsFollower(gap, 9).problem?.includes("offset 1, expected 0"));
  const newer = leader.read(0, 1e6);
  assert(log.appendAsFollower(newer, 2).problem?.includes("epoch 3"));
  const torn = leader.read(0, 1e6);
  torn[torn.length - 1]! ^= 1;
  assert(log.appendAsFollower(torn, 3).problem !== undefined);
  assertEquals(log.endOffset, 0);
});

Deno.test("metadata log: an epoch none of whose records is there is no epoch of the log", () => {
  const { log } = open(new MemoryDisk());
  assertEquals(log.lastEpoch, 0);
  log.append([said(1)], 2, NOW);
  log.assignEpoch(5);
  assertEquals(log.lastEpoch, 2);
});

Deno.test("metadata log: a snapshot takes the place of what it covers", () => {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 5; i++) log.append([said(i)], 7, NOW);
  flush(disk, log);
  assertEquals(log.makeSnapshot(4, [said(4)], VOTERS), undefined);
  assertEquals([log.startOffset, log.endOffset, log.snapshotId], [4, 5, {
    endOffset: 4,
    epoch: 7,
  }]);
  assertEquals(numbers(log), [4, 5]);
  assertEquals(log.voterSets(), [{ offset: 3, voters: VOTERS }]);
  assert(names(disk).includes("00000000000000000004-0000000007.checkpoint"));
  log.append([said(6)], 7, NOW);
  flush(disk, log);
  log.makeSnapshot(6, [said(6)], VOTERS);
  // Nothing is left of what is covered.
  assertEquals(names(disk), [
    "00000000000000000006-0000000007.checkpoint",
    "00000000000000000006.log",
  ]);
  assertEquals([log.lastEpoch, log.endOffsetFor(7)], [7, { offset: 6, epoch: 7 }]);
  disk.crash();
  const again = open(disk).log;
  assertEquals([again.startOffset, again.endOffset, numbers(again)], [6, 6, [6]]);
  assertEquals([again.lastEpoch, again.endOffsetFor(7)], [7, { offset: 6, epoch: 7 }]);
  again.append([said(7)], 8, NOW);
  assertEquals(again.endOffsetFor(7), { offset: 6, epoch: 7 });
});

Deno.test("metadata log: a snapshot that no checkpoint knows of cuts nothing behind it", () => {
  const disk = new MemoryDisk();
  const first = open(disk);
  for (let i = 1; i <= 5; i++) first.log.append([said(i)], 7, NOW);
  first.log.close();
  first.directory.closeClean(-1);
  const { log } = open(disk);
  log.append([said(6)], 7, NOW);
  log.makeSnapshot(4, [said(4)], VOTERS);
  // The epochs are written as they are now: none is known before the snapshot's end.
  log.close();
  disk.crash();
  const again = open(disk).log;
  assertEquals([again.startOffset, again.endOffset, numbers(again)], [4, 6, [4, 5, 6]]);
});

Deno.test("metadata log: removed segments that come back in parts take nothing along", () => {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 5; i++) log.append([said(i)], 7, NOW);
  const path = `${METADATA_FOLDER}/00000000000000000000.log`;
  const old = new Uint8Array(disk.status(path)!.size);
  disk.peek(path, old, 0);
  flush(disk, log);
  log.makeSnapshot(5, [said(5)], VOTERS);
  log.append([said(6)], 7, NOW);
  flush(disk, log);
  disk.crash();
  disk.open(path, { create: true }).write(old.subarray(0, 2 * old.length / 5), 0);
  const again = open(disk).log;
  assertEquals([again.startOffset, again.endOffset, numbers(again)], [5, 6, [5, 6]]);
});

/** Sends the snapshot of one log to another, in parts. */
function fetchSnapshot(from: MetadataLog, to: MetadataLog, partBytes = 50): void {
  const id = from.snapshotId!;
  to.beginSnapshot(id);
  for (let position = 0;;) {
    const part = from.readSnapshot(id, position, partBytes)!;
    assertEquals(to.appendToSnapshot(position, part.bytes), undefined);
    position += part.bytes.length;
    if (position >= part.size) break;
  }
}

function leaderWithSnapshot(): MetadataLog {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 8; i++) log.append([said(i)], i < 5 ? 2 : 4, NOW);
  flush(disk, log);
  log.makeSnapshot(8, [said(8)], VOTERS);
  return log;
}

Deno.test("metadata log: a fetched snapshot begins the log anew behind it", () => {
  const leader = leaderWithSnapshot();
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 3; i++) log.append([said(100 + i)], 1, NOW);
  fetchSnapshot(leader, log);
  assertEquals(log.adoptSnapshot(), {
    problem: undefined,
    voters: [{ offset: 7, voters: VOTERS }],
  });
  assertEquals([log.startOffset, log.endOffset, log.flushedOffset], [8, 8, 8]);
  assertEquals([log.lastEpoch, numbers(log)], [4, [8]]);
  leader.append([said(9)], 4, NOW);
  assertEquals(log.appendAsFollower(leader.read(8, 1e6), 4).problem, undefined);
  flush(disk, log);
  disk.crash();
  assertEquals(numbers(open(disk).log), [8, 9]);
});

Deno.test("metadata log: a snapshot that was damaged on its way is not adopted", () => {
  const leader = leaderWithSnapshot();
  const { bytes } = leader.readSnapshot(leader.snapshotId!, 0, 1e6)!;
  for (const damaged of [bytes.subarray(0, bytes.length - 100), bytes.map((byte) => byte ^ 1)]) {
    const { log } = open(new MemoryDisk());
    log.beginSnapshot(leader.snapshotId!);
    log.appendToSnapshot(0, damaged);
    assertThrows(() => log.adoptSnapshot(), Error, "Cannot read");
    assertEquals(log.snapshotId, undefined);
  }
});

Deno.test("metadata log: a snapshot that is gone, or was never there, is not to be had", () => {
  const leader = leaderWithSnapshot();
  assertEquals(leader.readSnapshot({ endOffset: 8, epoch: 3 }, 0, 100), undefined);
  assertEquals(leader.readSnapshot({ endOffset: 7, epoch: 4 }, 0, 100), undefined);
});

Deno.test("metadata log: on a full disk no snapshot is made, and the log stays as it was", () => {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 5; i++) log.append([said(i)], 7, NOW);
  flush(disk, log);
  disk.capacityBytes = disk.usedBytes + 10;
  assert(log.makeSnapshot(4, [said(4)], VOTERS)?.includes("Cannot write"));
  assertEquals([log.startOffset, log.snapshotId, numbers(log)], [0, undefined, [1, 2, 3, 4, 5]]);
  disk.capacityBytes = Infinity;
  assertEquals(log.makeSnapshot(4, [said(4)], VOTERS), undefined);
  assertEquals(numbers(log), [4, 5]);
});

Deno.test("metadata log: a log that begins behind 0 without a snapshot is refused", () => {
  const disk = new MemoryDisk();
  const { log } = open(disk);
  for (let i = 1; i <= 5; i++) log.append([said(i)], 7, NOW);
  flush(disk, log);
  log.makeSnapshot(5, [said(5)], VOTERS);
  log.close();
  disk.remove(`${METADATA_FOLDER}/00000000000000000005-0000000007.checkpoint`);
  disk.killProcess();
  assertThrows(() => open(disk), Error, "there is no snapshot of what is before");
});

/** Calls `look` with what a power cut before each operation of `run` would leave. */
function atEachOperation(
  prepare: (disk: MemoryDisk) => MetadataLog,
  run: (disk: MemoryDisk, log: MetadataLog) => void,
  look: (disk: MemoryDisk, where: string) => void,
): number {
  let watching = false;
  let count = 0;
  const befall = ({ action, path }: DiskOperation) => {
    if (!watching || action === "read" || action === "list") return undefined;
    watching = false;
    count++;
    for (let seed = 0; seed < 4; seed++) {
      const copy = disk.clone({});
      copy.crash(seed === 0 ? undefined : new SeededChance(seed * 7919 + count));
      look(copy, `${action} ${path}, operation ${count}, seed ${seed}`);
    }
    watching = true;
    return undefined;
  };
  const disk: MemoryDisk = new MemoryDisk({ faults: { befall } });
  const log = prepare(disk);
  watching = true;
  run(disk, log);
  watching = false;
  return count;
}

Deno.test("metadata log: a power cut while a snapshot is made leaves all that was durable", () => {
  const count = atEachOperation((disk) => {
    const { log } = open(disk);
    for (let i = 1; i <= 5; i++) log.append([said(i)], i < 3 ? 7 : 9, NOW);
    flush(disk, log);
    log.makeSnapshot(2, [said(2)], VOTERS);
    return log;
  }, (disk, log) => {
    log.makeSnapshot(5, [said(5)], VOTERS);
    flush(disk, log);
  }, (disk, where) => {
    const { log } = open(disk);
    assertEquals(log.startOffset, log.snapshotId?.endOffset ?? 0, where);
    assertEquals(numbers(log), log.startOffset === 2 ? [2, 3, 4, 5] : [5], where);
    assertEquals([log.endOffset, log.lastEpoch], [5, 9], where);
    assertEquals(log.voterSets().at(-1)?.voters, VOTERS, where);
  });
  assert(count > 8, `${count} operations`);
});

Deno.test("metadata log: a power cut while a snapshot is adopted leaves the old log or the new one", () => {
  const leader = leaderWithSnapshot();
  const seen = new Set<string>();
  const count = atEachOperation((disk) => {
    const { log } = open(disk);
    // It has diverged, and goes on behind the end of the snapshot.
    for (let i = 1; i <= 12; i++) log.append([said(100 + i)], 3, NOW);
    flush(disk, log);
    return log;
  }, (disk, log) => {
    fetchSnapshot(leader, log, 1000);
    log.adoptSnapshot();
    leader.append([said(9)], 5, NOW);
    log.appendAsFollower(leader.read(8, 1e6), 5);
    flush(disk, log);
  }, (disk, where) => {
    const { log } = open(disk);
    const found = numbers(log);
    assertEquals(log.startOffset, log.snapshotId?.endOffset ?? 0, where);
    if (log.snapshotId === undefined) assertEquals(found.length, 12, where);
    else assertEquals(found, found.length === 1 ? [8] : [8, 9], where);
    seen.add(`${found.length}`);
  });
  assert(count > 8, `${count} operations`);
  assert(seen.has("12") && seen.has("1"), [...seen].join());
});
