import { assert, assertEquals } from "@std/assert";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import type { AppendContext } from "../../storage/log_append.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BatchView, sealBatch } from "../../storage/record_batch.ts";
import { checkBatch } from "../../storage/record_batch_validation.ts";
import {
  append,
  errorOf,
  expectAppended,
  follower,
  joinBatches,
  leader,
  makeBatch,
  names,
  NOW,
  openLog,
  readBatches,
  readRecords,
  readValues,
  replicatedBatch,
} from "./log_fixture.ts";

const COORDINATOR: AppendContext = { origin: "coordinator", leaderEpoch: 0, now: NOW };
const HOUR = 3_600_000;

Deno.test("append: a leader gives offsets and its epoch, in the bytes that it was given", () => {
  const log = openLog(new MemoryDisk());
  append(log, { values: ["a", "b", "c"] }, leader(4));
  const bytes = makeBatch({ values: ["d", "e"] });
  const result = expectAppended(log.append(bytes, leader(5)));
  assertEquals([result.firstOffset, result.lastOffset], [3, 4]);
  const batch = new BatchView(bytes);
  assertEquals([batch.baseOffset, batch.partitionLeaderEpoch], [3, 5]);
  assertEquals(checkBatch(bytes, 0, bytes.length), null);
  assertEquals(readBatches(log)[1], bytes);
  assertEquals(log.epochEntries, [{ epoch: 4, startOffset: 0 }, { epoch: 5, startOffset: 3 }]);
});

Deno.test("append: several batches get offsets one after the other, in one write", () => {
  const log = openLog(new MemoryDisk());
  const bytes = joinBatches(makeBatch({ values: ["a", "b"] }), makeBatch({ values: ["c"] }));
  const result = expectAppended(log.append(bytes, leader()));
  assertEquals([result.firstOffset, result.lastOffset], [0, 2]);
  assertEquals(readRecords(log).map(({ offset }) => offset), [0, 1, 2]);
});

Deno.test("append: a leader refuses what is no whole batch, and what follows one", () => {
  const log = openLog(new MemoryDisk());
  const good = makeBatch();
  const trailing = joinBatches(good, Uint8Array.of(1, 2, 3));
  const oldMagic = good.slice();
  oldMagic[16] = 1;
  assertEquals(errorOf(log.append(new Uint8Array(0), leader())), "INVALID_RECORD");
  assertEquals(errorOf(log.append(good.subarray(0, 60), leader())), "CORRUPT_MESSAGE");
  assertEquals(errorOf(log.append(good.subarray(0, good.length - 1), leader())), "CORRUPT_MESSAGE");
  assertEquals(errorOf(log.append(trailing, leader())), "CORRUPT_MESSAGE");
  assertEquals(errorOf(log.append(oldMagic, leader())), "CORRUPT_MESSAGE");
  assertEquals(log.logEndOffset, 0);
});

Deno.test("append: a checksum is checked where the caller asks for it, and of followers", () => {
  const log = openLog(new MemoryDisk());
  const bad = makeBatch();
  bad[bad.length - 1]! ^= 1;
  assertEquals(
    errorOf(log.append(bad.slice(), { ...leader(), checkCrc: true })),
    "CORRUPT_MESSAGE",
  );
  assertEquals(errorOf(log.append(bad.slice(), follower())), "CORRUPT_MESSAGE");
  assertEquals(errorOf(log.append(bad, { ...leader(), checkCrc: false })), "none");
});

Deno.test("append: the count of records must agree with the last offset delta", () => {
  const log = openLog(new MemoryDisk());
  const bytes = makeBatch({ values: ["a", "b"] });
  new DataView(bytes.buffer).setInt32(57, 1);
  assertEquals(errorOf(log.append(bytes, leader())), "INVALID_RECORD");
});

Deno.test("append: a batch larger than max.message.bytes is refused, but not of a follower", () => {
  const log = openLog(new MemoryDisk(), { config: { maxMessageBytes: 200, segmentBytes: 1000 } });
  const large = makeBatch({ values: ["x".repeat(200)] });
  assertEquals(errorOf(log.append(large, leader())), "MESSAGE_TOO_LARGE");
  const huge = joinBatches(...Array.from({ length: 20 }, () => makeBatch()));
  assertEquals(errorOf(log.append(huge, leader())), "RECORD_LIST_TOO_LARGE");
  const replicated = replicatedBatch(0, 0, { values: ["x".repeat(2000)] });
  assertEquals(errorOf(log.append(replicated, follower())), "none");
});

Deno.test("append: CreateTime is kept within its bounds before and after the broker's clock", () => {
  const log = openLog(new MemoryDisk(), {
    config: { messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: HOUR },
  });
  const at = (timestamp: number) => errorOf(log.append(makeBatch({ timestamp }), leader()));
  assertEquals(at(NOW + HOUR), "none");
  assertEquals(at(NOW + HOUR + 1), "INVALID_TIMESTAMP");
  assertEquals(at(NOW - 1000), "none");
  assertEquals(at(NOW - 1001), "INVALID_TIMESTAMP");
});

Deno.test("append: LogAppendTime replaces the producer's time, with a right checksum", () => {
  const log = openLog(new MemoryDisk(), { config: { messageTimestampType: "LogAppendTime" } });
  const bytes = makeBatch({ values: ["a", "b"], timestamp: 5 });
  const result = expectAppended(log.append(bytes, leader(0, NOW + 7)));
  assertEquals(result.logAppendTime, NOW + 7);
  assertEquals(readRecords(log).map(({ timestamp }) => timestamp), [NOW + 7, NOW + 7]);
  assertEquals(checkBatch(bytes, 0, bytes.length), null);
  const found = log.offsetForTime(NOW);
  assertEquals(found.kind === "found" && found.offset, 0);
});

Deno.test("append: control batches are for coordinators", () => {
  const log = openLog(new MemoryDisk());
  const marker = () =>
    buildTransactionMarker({
      kind: "COMMIT",
      producerId: 1,
      producerEpoch: 0,
      coordinatorEpoch: 3,
      timestamp: NOW,
    });
  append(log, { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  assertEquals(log.lastStableOffset(1), 0);
  assertEquals(errorOf(log.append(marker(), leader())), "INVALID_RECORD");
  assertEquals(expectAppended(log.append(marker(), COORDINATOR)).firstOffset, 1);
  assertEquals(log.lastStableOffset(2), 2);
});

Deno.test("append: a control record that cannot be read is refused before it is written", () => {
  const log = openLog(new MemoryDisk());
  const broken = makeBatch({
    isControl: true,
    isTransactional: true,
    producerId: 1,
    producerEpoch: 0,
    values: ["no marker"],
  });
  assertEquals(errorOf(log.append(broken.slice(), COORDINATOR)), "none");
  const short = makeBatch({ isControl: true, producerId: 1, producerEpoch: 0 });
  // The key that every record of makeBatch has is long enough for a type that nobody knows.
  short[short.length - 1]! = 0x7f;
  assertEquals(errorOf(log.append(short, COORDINATOR)), "INVALID_RECORD");
  assertEquals(log.logEndOffset, 1);
});

Deno.test("append: a repeated batch is answered with its first offset and not written again", () => {
  const log = openLog(new MemoryDisk());
  const idempotent = { producerId: 1, producerEpoch: 0, values: ["a", "b"] };
  append(log, { values: ["before"] });
  append(log, { ...idempotent, baseSequence: 0 });
  append(log, { ...idempotent, baseSequence: 2 });
  const repeated = append(log, { ...idempotent, baseSequence: 0 });
  assertEquals(repeated, {
    kind: "appended",
    firstOffset: 1,
    lastOffset: 2,
    logAppendTime: -1,
    duplicate: true,
  });
  assertEquals(log.logEndOffset, 5);
});

Deno.test("append: producers are known by their place in the sequence, also after a restart", () => {
  const disk = new MemoryDisk();
  let log = openLog(disk);
  const batch = (baseSequence: number, producerEpoch = 1) =>
    makeBatch({ producerId: 9, producerEpoch, baseSequence });
  for (let sequence = 0; sequence < 7; sequence++) log.append(batch(sequence), leader());
  for (const clean of [true, false]) {
    if (clean) log.close({ clean, now: NOW });
    disk.killProcess();
    log = openLog(disk, { clean, recoveryPoint: log.recoveryPoint });
    assertEquals(errorOf(log.append(batch(8), leader())), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    assertEquals(errorOf(log.append(batch(7, 0), leader())), "INVALID_PRODUCER_EPOCH");
    for (let sequence = 2; sequence < 7; sequence++) {
      const repeated = expectAppended(log.append(batch(sequence), leader()));
      assertEquals([repeated.duplicate, repeated.firstOffset], [true, sequence]);
    }
  }
});

Deno.test("append: an id of -1 is no idempotent producer, whatever epoch and sequence say", () => {
  const log = openLog(new MemoryDisk());
  for (let turn = 0; turn < 3; turn++) {
    const result = append(log, { producerId: -1, producerEpoch: 0, baseSequence: 0 });
    assertEquals([result.duplicate, result.firstOffset], [false, turn]);
  }
});

Deno.test("append: a batch with a producer id comes alone", () => {
  const log = openLog(new MemoryDisk());
  const bytes = joinBatches(
    makeBatch(),
    makeBatch({ producerId: 1, producerEpoch: 0, baseSequence: 0 }),
  );
  assertEquals(errorOf(log.append(bytes, leader())), "INVALID_RECORD");
});

Deno.test("append: a follower takes nothing that begins before its log ends", () => {
  const log = openLog(new MemoryDisk());
  assertEquals(
    errorOf(log.append(replicatedBatch(0, 3, { values: ["a", "b"] }), follower(3))),
    "none",
  );
  for (const offset of [0, 1]) {
    const refused = log.append(replicatedBatch(offset, 3), follower(3));
    assertEquals(errorOf(refused), "UNEXPECTED_APPEND_OFFSET");
  }
  const fold = joinBatches(replicatedBatch(2, 3, { values: ["a", "b"] }), replicatedBatch(3, 3));
  assertEquals(errorOf(log.append(fold, follower(3))), "UNEXPECTED_APPEND_OFFSET");
  assertEquals(errorOf(log.append(replicatedBatch(2, 3), follower(3))), "none");
  assertEquals(log.logEndOffset, 3);
});

Deno.test("append: offsets may be missing in what a leader sends, for its log may be compacted", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  const bytes = joinBatches(replicatedBatch(2, 0), replicatedBatch(7, 0));
  const result = expectAppended(log.append(bytes, follower()));
  assertEquals([result.firstOffset, result.lastOffset, log.logEndOffset], [2, 7, 8]);
  assertEquals(readRecords(log).map(({ offset }) => offset), [2, 7]);
  log.flushSync();
  disk.killProcess();
  // Whatever the policy says by now, it is no damage.
  assertEquals(readRecords(openLog(disk)).map(({ offset }) => offset), [2, 7]);
});

Deno.test("append: a follower's leader epochs do not fall and are none to come", () => {
  const log = openLog(new MemoryDisk());
  const both = joinBatches(replicatedBatch(0, 2), replicatedBatch(1, 4));
  assertEquals(errorOf(log.append(both, follower(4))), "none");
  assertEquals(log.epochEntries, [{ epoch: 2, startOffset: 0 }, { epoch: 4, startOffset: 1 }]);
  const refuse = (epoch: number) => errorOf(log.append(replicatedBatch(2, epoch), follower(5)));
  assertEquals(refuse(3), "UNEXPECTED_LEADER_EPOCH");
  assertEquals(refuse(6), "UNEXPECTED_LEADER_EPOCH");
  assertEquals(refuse(5), "none");
});

Deno.test("append: a follower learns of producers, and answers for them once it leads", () => {
  const log = openLog(new MemoryDisk());
  const idempotent = { producerId: 1, producerEpoch: 0, baseSequence: 0 };
  log.append(replicatedBatch(0, 0, idempotent), follower());
  const repeated = append(log, idempotent, leader(1));
  assertEquals([repeated.duplicate, repeated.firstOffset], [true, 0]);
});

function bases(disk: MemoryDisk): number[] {
  return names(disk, ".log").map((name) => Number(name.slice(0, 20)));
}

Deno.test("append: a segment is rolled before it would grow past segment.bytes", () => {
  const disk = new MemoryDisk();
  const size = makeBatch().length;
  const log = openLog(disk, { config: { segmentBytes: 3 * size } });
  for (let index = 0; index < 7; index++) append(log);
  assertEquals(bases(disk), [0, 3, 6]);
  assertEquals(disk.status(`topic-0/${names(disk, ".log")[0]}`)?.size, 3 * size);
});

Deno.test("append: a segment is rolled when its first record is segment.ms old, less the jitter", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentMs: 1000, segmentJitterMs: 400 }, jitter: 0.5 });
  append(log, { timestamp: NOW });
  append(log, { timestamp: NOW + 800 });
  assertEquals(bases(disk), [0]);
  append(log, { timestamp: NOW + 801 });
  assertEquals(bases(disk), [0, 2]);
});

Deno.test("append: without timestamps the age of a segment is this process's", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentMs: 1000 } });
  append(log, { timestamp: -1 });
  append(log, { timestamp: -1 }, leader(0, NOW + 1000));
  append(log, { timestamp: -1 }, leader(0, NOW + 1001));
  assertEquals(bases(disk), [0, 2]);
});

Deno.test("append: a segment is rolled when an index is full", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, {
    config: { segmentBytes: 1e6, segmentIndexBytes: 60, indexIntervalBytes: 0 },
  });
  for (let index = 0; index < 12; index++) append(log);
  assertEquals(bases(disk), [0, 8]);
});

Deno.test("append: a segment is rolled when an offset is too far from its base", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { cleanupCompact: true, segmentBytes: 1e6 } });
  const far = 2 ** 31 + 5;
  log.append(replicatedBatch(0, 0), follower());
  log.append(replicatedBatch(2 ** 31 - 1, 0), follower());
  log.append(replicatedBatch(far, 0), follower());
  log.append(replicatedBatch(3 * far, 0), follower());
  assertEquals(bases(disk), [0, 2 ** 31, 3 * far]);
  assertEquals(readRecords(log).map(({ offset }) => offset), [0, 2 ** 31 - 1, far, 3 * far]);
});

Deno.test("append: settings changed live count from the next append", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6 } });
  for (let index = 0; index < 4; index++) append(log);
  log.configure({ ...log.config, segmentBytes: 100 });
  append(log);
  append(log);
  assertEquals(bases(disk), [0, 4, 5]);
  assertEquals(readValues(log).length, 6);
  assert(log.segmentCount === 3);
});

Deno.test("append: a leader that appended nothing takes records of earlier epochs from the next", () => {
  const log = openLog(new MemoryDisk());
  expectAppended(log.append(replicatedBatch(0, 0), follower(0)));
  log.assignEpoch(5);
  expectAppended(log.append(replicatedBatch(1, 3), follower(6)));
  assertEquals(log.epochEntries, [{ epoch: 0, startOffset: 0 }, { epoch: 3, startOffset: 1 }]);
  expectAppended(log.append(replicatedBatch(2, 3), follower(6)));
  assertEquals(errorOf(log.append(replicatedBatch(3, 2), follower(6))), "UNEXPECTED_LEADER_EPOCH");
});

Deno.test("append: with version 2 a marker that comes again writes nothing, and ends no transaction", () => {
  const log = openLog(new MemoryDisk());
  const coordinator: AppendContext = { ...COORDINATOR, transactionVersion: 2 };
  const write = (producerEpoch: number, baseSequence = 0) =>
    append(log, { producerId: 1, producerEpoch, baseSequence, isTransactional: true });
  const mark = (producerEpoch: number, context = coordinator) =>
    log.append(
      buildTransactionMarker({
        kind: "ABORT",
        producerId: 1,
        producerEpoch,
        coordinatorEpoch: 0,
        timestamp: NOW,
      }),
      context,
    );
  write(0);
  assertEquals(expectAppended(mark(1)).duplicate, false);
  const again = expectAppended(mark(1));
  assertEquals([again.duplicate, again.lastOffset], [true, 1]);
  write(1);
  // Committed when all is that was there by now: the marker that it repeats may not be known to be.
  assertEquals(expectAppended(mark(1)).lastOffset, 2);
  assertEquals(log.logEndOffset, 3);
  assertEquals(log.producers(NOW).hasOpenTransaction(1), true);
  assertEquals(errorOf(mark(0)), "INVALID_PRODUCER_EPOCH");
  assertEquals(expectAppended(mark(2)).duplicate, false);
  assertEquals(log.producers(NOW).hasOpenTransaction(1), false);
  // Before, a marker has its records' epoch, and each counts.
  write(2);
  assertEquals(expectAppended(mark(2, COORDINATOR)).duplicate, false);
  assertEquals(log.producers(NOW).hasOpenTransaction(1), false);
});

Deno.test("append: nothing is taken whose end would be no safe integer, of whoever it comes", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { cleanupCompact: true } });
  const last = Number.MAX_SAFE_INTEGER;
  const values = ["a", "b", "c"];
  const beyond = replicatedBatch(last - 2, 0, { values });
  assertEquals(errorOf(log.append(beyond, follower())), "INVALID_RECORD");
  assertEquals(errorOf(log.append(replicatedBatch(last - 4, 0, { values }), follower())), "none");
  assertEquals(log.logEndOffset, last - 1);
  for (const context of [leader(), COORDINATOR]) {
    assertEquals(errorOf(log.append(makeBatch({ values }), context)), "INVALID_RECORD");
  }
  append(log);
  assertEquals(log.logEndOffset, last);
  assertEquals(errorOf(log.append(makeBatch(), leader())), "INVALID_RECORD");
  assertEquals(readRecords(log).at(-1)?.offset, last - 1);
});

Deno.test("append: a follower takes no batch that ends before it begins", () => {
  const log = openLog(new MemoryDisk());
  append(log, { values: ["a", "b", "c"] });
  const bytes = replicatedBatch(3, 0);
  new DataView(bytes.buffer).setInt32(23, -3);
  sealBatch(bytes, 0);
  assertEquals(errorOf(log.append(bytes, follower())), "INVALID_RECORD");
  assertEquals(log.logEndOffset, 3);
});
