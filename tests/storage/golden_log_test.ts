/**
 * A log that Kafka itself wrote. Strom reads it, and of the same batches makes the same files: so
 * Kafka's tools read what Strom writes. golden/kafka_log.json names the classes that wrote it.
 */

import { assertEquals } from "@std/assert";
import {
  parseOffsetCheckpoint,
  readSmallFile,
  RECOVERY_POINT_CHECKPOINT,
} from "../../storage/checkpoint.ts";
import { LEADER_EPOCH_CHECKPOINT } from "../../storage/leader_epochs.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  META_PROPERTIES,
  parseMetaProperties,
  readPartitionMetadata,
} from "../../storage/meta_properties.ts";
import { decodeProducerEntries } from "../../storage/producer_snapshots.ts";
import golden from "./golden/kafka_log.json" with { type: "json" };
import {
  append,
  expectAppended,
  FOLDER,
  follower,
  names,
  NOW,
  openLog,
  readBatches,
  readRecords,
} from "./log_fixture.ts";

const files = new Map(
  Object.entries(golden.files).map(([path, hex]) => [path, Uint8Array.fromHex(hex)]),
);

/** Kafka's folder, on a disk of our own. */
function kafkasDisk(): MemoryDisk {
  const disk = new MemoryDisk();
  disk.makeDirectory(FOLDER);
  for (const [path, bytes] of files) {
    const file = disk.open(path, { create: true });
    file.write(bytes, 0);
    file.sync();
  }
  disk.syncDirectory("");
  disk.syncDirectory(FOLDER);
  return disk;
}

function lastBatches(log: Log) {
  return [...log.producers(NOW).entries()].map(({ batches, ...entry }) => {
    const { lastSequence, lastOffset } = batches.at(-1)!;
    const { producerId, producerEpoch, coordinatorEpoch, currentTransactionFirstOffset } = entry;
    return {
      producerId,
      producerEpoch,
      coordinatorEpoch,
      lastSequence,
      lastOffset,
      currentTransactionFirstOffset,
    };
  });
}

/** Kafka's own bytes of the segments, end to end. */
function batchesOfFiles(): string {
  return [...files].filter(([path]) => path.endsWith(".log"))
    .map(([, bytes]) => bytes.toHex()).join("");
}

for (const clean of [true, false]) {
  Deno.test(`golden log: opens Kafka's files ${clean ? "as closed" : "by a scan"}`, () => {
    const disk = kafkasDisk();
    const recoveryPoint = clean ? golden.logEndOffset : 0;
    const log = openLog(disk, { clean, recoveryPoint });
    assertEquals(log.logEndOffset, golden.logEndOffset);
    assertEquals(log.segmentCount, 3);
    assertEquals(
      log.epochEntries.map(({ epoch, startOffset }) => [epoch, startOffset]),
      [[0, 0], [3, 12], [5, 45]],
    );
    assertEquals(lastBatches(log), golden.producers);
    assertEquals(log.producers(NOW).firstUndecidedOffset, 44);
    assertEquals(readBatches(log).map((bytes) => bytes.toHex()).join(""), batchesOfFiles());
    assertEquals(readRecords(log).length, golden.logEndOffset);
    // Kafka, asked the same: fetchOffsetByTimestamp(-3).
    assertEquals(log.offsetOfMaxTimestamp(), {
      kind: "found",
      timestamp: 1700000000310,
      offset: 46,
      leaderEpoch: 5,
    });
    append(log, { values: ["and on"] }, { ...follower(6), origin: "leader" });
    assertEquals(log.logEndOffset, golden.logEndOffset + 1);
  });
}

Deno.test("golden log: of the same batches, closed in order, come Kafka's very files", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  const kafkas = openLog(kafkasDisk(), { clean: true, recoveryPoint: golden.logEndOffset });
  for (const batch of readBatches(kafkas)) expectAppended(log.append(batch, follower(5)));
  log.close({ clean: true, now: NOW });
  const suffixes = [".log", ".index", ".timeindex", LEADER_EPOCH_CHECKPOINT];
  for (const suffix of suffixes) {
    for (const [path, bytes] of files) {
      if (!path.endsWith(suffix)) continue;
      assertEquals(readSmallFile(disk, path)?.toHex(), bytes.toHex(), path);
    }
  }
  // We remember more batches of a producer; the last entry of each is Kafka's.
  for (const [path, bytes] of files) {
    if (!path.endsWith(".snapshot")) continue;
    const last = (entries: ReturnType<typeof decodeProducerEntries>) =>
      entries.map(({ batches, lastTimestamp, ...entry }) => {
        const { lastSequence, lastOffset, offsetDelta } = batches.at(-1)!;
        return { ...entry, lastTimestamp, lastSequence, lastOffset, offsetDelta };
      });
    assertEquals(
      last(decodeProducerEntries(readSmallFile(disk, path)!, path)),
      last(decodeProducerEntries(bytes, path)),
      path,
    );
  }
  const kinds = /\.(log|index|timeindex|snapshot)$/;
  const known = [...files.keys()].map((path) => path.slice(FOLDER.length + 1));
  assertEquals(names(disk).filter((name) => kinds.test(name)), known.filter((n) => kinds.test(n)));
});

Deno.test("golden log: a segment of few batches has an index all the same, which is empty", () => {
  // DumpLogSegments of a .timeindex opens the .index beside it and fails where there is none.
  const disk = new MemoryDisk();
  const log = openLog(disk);
  append(log, { values: ["lone"] });
  log.close({ clean: true, now: NOW });
  assertEquals(names(disk, ".timeindex").length, 1);
  assertEquals(readSmallFile(disk, `${FOLDER}/00000000000000000000.index`)?.length, 0);
});

Deno.test("golden log: reads the small files that Kafka wrote", () => {
  const { texts } = golden;
  assertEquals(
    [...parseOffsetCheckpoint(texts[RECOVERY_POINT_CHECKPOINT], RECOVERY_POINT_CHECKPOINT)],
    [["a.b-c-3", 12], ["topic-0", 32]],
  );
  assertEquals(parseMetaProperties(texts[META_PROPERTIES], META_PROPERTIES), {
    clusterId: "fjaVTucXSoGrNRANV1C61g",
    nodeId: 1,
    directoryId: "fkKvss2gTCqGu5DakdCF0g",
  });
  assertEquals(readPartitionMetadata(kafkasDisk(), FOLDER), "qmn0nKBERPuji2OsCaZe9g");
});
