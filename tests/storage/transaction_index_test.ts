import { assertEquals, assertThrows } from "@std/assert";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import { DiskError } from "../../storage/disk.ts";
import { IndexCache } from "../../storage/index_cache.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  type AbortedTransaction,
  TRANSACTION_INDEX_ENTRY_BYTES,
  TransactionIndex,
} from "../../storage/transaction_index.ts";
import {
  append,
  expectAppended,
  fileBytes,
  FOLDER,
  follower,
  names,
  NOW,
  openLog,
  readBatches,
  reopen,
} from "./log_fixture.ts";

const PATH = "00000000000000000100.txnindex";

function indexOn(disk: MemoryDisk, cache = new IndexCache()): TransactionIndex {
  return new TransactionIndex({ disk, indexCache: cache }, PATH, 100);
}

function aborted(firstOffset: number, lastOffset: number, stable?: number): AbortedTransaction {
  return { producerId: 7, firstOffset, lastOffset, lastStableOffset: stable ?? lastOffset + 1 };
}

function collect(index: TransactionIndex, from: number, to: number): [number[], boolean] {
  const found: AbortedTransaction[] = [];
  const isAll = index.collect(from, to, found);
  return [found.map(({ firstOffset }) => firstOffset), isAll];
}

Deno.test("transaction index: an entry has the bytes that Kafka writes", () => {
  const disk = new MemoryDisk();
  const index = indexOn(disk);
  index.append({ producerId: 0x1122, firstOffset: 99, lastOffset: 258, lastStableOffset: 200 });
  index.file.write();
  // deno-fmt-ignore
  assertEquals([...fileBytes(disk, PATH)], [
    0, 0,
    0, 0, 0, 0, 0, 0, 0x11, 0x22,
    0, 0, 0, 0, 0, 0, 0, 99,
    0, 0, 0, 0, 0, 0, 1, 2,
    0, 0, 0, 0, 0, 0, 0, 200,
  ]);
  assertEquals(indexOn(disk).entry(0).lastOffset, 258);
});

Deno.test("transaction index: it gives what overlaps a range, and says when that is all", () => {
  const index = indexOn(new MemoryDisk());
  index.append(aborted(50, 110, 105));
  index.append(aborted(105, 120, 112));
  index.append(aborted(112, 130));
  assertEquals(collect(index, 110, 111), [[50, 105], true]);
  assertEquals(collect(index, 111, 112), [[105], true]);
  assertEquals(collect(index, 111, 113), [[105, 112], true]);
  assertEquals(collect(index, 121, 131), [[112], true]);
  assertEquals(collect(index, 121, 132), [[112], false]);
  assertEquals(collect(index, 131, 140), [[], false]);
});

Deno.test("transaction index: a cut takes the markers from an offset on", () => {
  const disk = new MemoryDisk();
  const index = indexOn(disk);
  for (const marker of [110, 120, 130]) index.append(aborted(marker - 5, marker));
  index.file.write();
  index.truncateTo(120);
  assertEquals(collect(index, 0, 1000), [[105], false]);
  assertEquals(fileBytes(disk, PATH).length, TRANSACTION_INDEX_ENTRY_BYTES);
  assertThrows(() => index.append(aborted(109, 110)), RangeError, "Cannot add marker 110");
});

Deno.test("transaction index: what cannot be an entry loses the index", () => {
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.subarray(0, bytes.length - 1),
    (bytes) => bytes.with(34 + 1, 1),
    (bytes) => bytes.with(34 + 2, 0x80),
    (bytes) => bytes.with(34 + 25, 110),
    (bytes) => bytes.with(34 + 17, 125),
    (bytes) => bytes.fill(0, 34),
  ];
  for (const damage of damages) {
    const disk = new MemoryDisk();
    const written = indexOn(disk);
    for (const marker of [110, 120]) written.append(aborted(marker - 5, marker));
    written.file.write();
    const bytes = damage(fileBytes(disk, PATH));
    disk.open(PATH).truncate(0);
    disk.open(PATH).write(bytes, 0);
    const index = indexOn(disk);
    assertEquals(index.isLost, true);
    assertEquals(index.isLost, true, "until it is built anew");
    index.reset();
    assertEquals([index.isLost, index.entries], [false, 0]);
  }
});

Deno.test("transaction index: of a segment without one no file is opened", () => {
  const disk = new MemoryDisk();
  let opened = 0;
  const open = disk.open.bind(disk);
  disk.open = (...args) => {
    opened++;
    return open(...args);
  };
  const index = indexOn(disk);
  index.noteAbsent();
  assertEquals([index.isLost, index.entries, collect(index, 0, 1000)], [false, 0, [[], false]]);
  index.truncateTo(0);
  index.discard();
  assertEquals(opened, 0);
  index.append(aborted(101, 102));
  assertEquals(collect(index, 0, 1000), [[101], false]);
});

const COORDINATOR = { origin: "coordinator", leaderEpoch: 0, now: NOW } as const;

function transact(log: Log, producerId: number, producerEpoch: number, first = 0): void {
  const spec = { producerId, producerEpoch, baseSequence: first, isTransactional: true };
  append(log, { ...spec, values: ["a", "b"] });
}

function end(log: Log, kind: "ABORT" | "COMMIT", producerId: number, producerEpoch: number): void {
  const place = { producerId, producerEpoch, coordinatorEpoch: 0, timestamp: NOW };
  expectAppended(log.append(buildTransactionMarker({ kind, ...place }), COORDINATOR));
}

/** First offsets and markers of all aborted transactions. */
function abortedOf(log: Log, from = 0, to = Infinity): number[][] {
  return log.abortedTransactions(from, to).map((each) => [each.firstOffset, each.lastOffset]);
}

Deno.test("log: the last stable offset is where the oldest undecided transaction begins", () => {
  const log = openLog(new MemoryDisk());
  append(log);
  transact(log, 1, 0);
  transact(log, 2, 0);
  assertEquals(log.lastStableOffset(1), 1);
  assertEquals(log.lastStableOffset(5), 1);
  end(log, "COMMIT", 1, 0);
  assertEquals(log.lastStableOffset(5), 1, "its marker is not committed");
  assertEquals(log.lastStableOffset(6), 3);
  end(log, "ABORT", 2, 0);
  assertEquals(log.lastStableOffset(6), 3);
  assertEquals(log.lastStableOffset(7), 7);
  assertEquals(abortedOf(log), [[3, 6]]);
});

Deno.test("log: what ended above the high watermark is undecided, also after a restart", () => {
  const disk = new MemoryDisk();
  let log = openLog(disk);
  transact(log, 1, 0);
  transact(log, 2, 0);
  end(log, "COMMIT", 1, 0);
  end(log, "ABORT", 2, 0);
  log = reopen(disk, log);
  assertEquals(log.lastStableOffset(4), 0);
  assertEquals(log.lastStableOffset(5), 2);
  assertEquals(log.lastStableOffset(6), 6);
  append(log);
  assertEquals(log.lastStableOffset(7), 7);
});

Deno.test("log: of an open transaction whose records are deleted the log start is the bound", () => {
  const log = openLog(new MemoryDisk());
  transact(log, 1, 0);
  append(log, { values: ["c", "d"] });
  log.deleteRecordsBefore(3);
  assertEquals(log.lastStableOffset(4), 3);
});

Deno.test("log: an abort marker of no records is not in the index", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  end(log, "ABORT", 1, 0);
  append(log);
  assertEquals(abortedOf(log), []);
  log.checkpointSync(NOW);
  assertEquals(names(disk, ".txnindex"), []);
});

/** A log whose first transaction reaches over segments. */
function overSegments(disk: MemoryDisk): Log {
  const log = openLog(disk);
  transact(log, 1, 0);
  for (let epoch = 0; epoch < 8; epoch++) {
    transact(log, 2, epoch);
    append(log, { values: ["x".repeat(200)] });
    end(log, epoch % 2 === 0 ? "ABORT" : "COMMIT", 2, epoch);
  }
  end(log, "ABORT", 1, 0);
  return log;
}

const ABORTED = [[0, 34], [2, 5], [10, 13], [18, 21], [26, 29]];

Deno.test("log: aborted transactions are found over segments, by first offset", () => {
  const disk = new MemoryDisk();
  const log = overSegments(disk);
  assertEquals(log.segmentCount > 2, true);
  assertEquals(abortedOf(log), ABORTED);
  assertEquals(abortedOf(log, 6, 11), [[0, 34], [10, 13]]);
  assertEquals(abortedOf(log, 22, 23), [[0, 34]]);
  const again = reopen(disk, log);
  assertEquals(abortedOf(again), ABORTED);
});

Deno.test("log: a killed process, a power cut and a lost index leave the same transactions", () => {
  const batches = readBatches(overSegments(new MemoryDisk()));
  for (const checkpointed of [true, false]) {
    const disk = new MemoryDisk();
    const log = overSegments(disk);
    if (checkpointed) log.checkpointSync(NOW);
    const { recoveryPoint } = log;
    for (const name of [undefined, ...names(disk, ".txnindex")]) {
      const killed = disk.clone();
      killed.killProcess();
      if (name !== undefined) killed.open(`${FOLDER}/${name}`).truncate(5);
      const opened = openLog(killed, { recoveryPoint });
      assertEquals(abortedOf(opened), ABORTED, `${checkpointed} ${name}`);
      assertEquals(readBatches(opened), batches);
      opened.checkpointSync(NOW);
      assertEquals(abortedOf(reopen(killed, opened)), ABORTED);
    }
  }
});

Deno.test("log: a cut takes transactions with it, and opens those whose markers it takes", () => {
  for (let offset = 0; offset <= 34; offset++) {
    const log = overSegments(new MemoryDisk());
    log.truncateTo(offset, NOW);
    const expected = ABORTED.filter(([, marker]) => marker! < log.logEndOffset);
    assertEquals(abortedOf(log), expected);
    assertEquals(log.lastStableOffset(log.logEndOffset), 0);
    const copy = openLog(new MemoryDisk());
    for (const bytes of readBatches(log)) expectAppended(copy.append(bytes, follower()));
    assertEquals(abortedOf(copy), expected, "as a follower builds it");
  }
});

Deno.test("log: the index goes with its segment", () => {
  const disk = new MemoryDisk();
  const log = overSegments(disk);
  log.checkpointSync(NOW);
  const before = names(disk, ".txnindex").length;
  log.configure({ ...log.config, retentionBytes: 500 });
  log.applyRetention(log.logEndOffset, NOW);
  log.applyRetention(log.logEndOffset, NOW + log.config.fileDeleteDelayMs);
  assertEquals(log.segmentCount < 3, true);
  assertEquals(names(disk, ".txnindex").length < before, true);
  assertEquals(names(disk, ".deleted"), []);
  assertEquals(abortedOf(log).at(0), [0, 34]);
});

Deno.test("log: an index that cannot be loaded harms no append, and no checkpoint is a lie", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { indexBytesMax: 0 });
  transact(log, 1, 0);
  end(log, "ABORT", 1, 0);
  log.checkpointSync(NOW);
  // Takes the index out of memory.
  log.offsetForTime(NOW);
  const open = disk.open.bind(disk);
  disk.open = (path, options) => {
    if (path.endsWith(".txnindex")) throw new DiskError("too-many-open-files", "Too many");
    return open(path, options);
  };
  transact(log, 1, 1);
  end(log, "ABORT", 1, 1);
  disk.open = open;
  assertEquals(abortedOf(log), [[0, 2], [3, 5]]);
  assertEquals(abortedOf(reopen(disk, log)), [[0, 2], [3, 5]]);
});

Deno.test("log: a follower that is a leader now goes on with the transactions it has", () => {
  const log = openLog(new MemoryDisk());
  for (const bytes of readBatches(overSegments(new MemoryDisk()))) log.append(bytes, follower());
  log.assignEpoch(1);
  transact(log, 3, 0);
  assertEquals(log.lastStableOffset(log.logEndOffset), 35);
  expectAppended(
    log.append(
      buildTransactionMarker({
        kind: "ABORT",
        producerId: 3,
        producerEpoch: 0,
        coordinatorEpoch: 1,
        timestamp: NOW,
      }),
      { ...COORDINATOR, leaderEpoch: 1 },
    ),
  );
  assertEquals(log.lastStableOffset(log.logEndOffset), 38);
  assertEquals(abortedOf(log).at(-1), [35, 37]);
});
