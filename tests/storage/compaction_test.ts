import { assert, assertEquals } from "@std/assert";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  appendPairs,
  assertFolds,
  COMPACTED,
  expectDone,
  fold,
  listed,
  runCompaction,
  seal,
} from "./compaction_fixture.ts";
import { NOW, openLog } from "./log_fixture.ts";

const WIDE = { config: { ...COMPACTED, segmentBytes: 4000 } };

Deno.test("compaction: a run ends undone when a segment of the group that it copies is removed", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, WIDE);
  appendPairs(log, [["first", "1"]]);
  seal(log);
  appendPairs(log, [["gone", "old"]]);
  seal(log);
  // A segment of its own: too large for the group of the others.
  appendPairs(log, [["large", "x".repeat(3900)]]);
  appendPairs(log, [["gone", null]]);
  seal(log);
  const wanted = new Map([["large", "x".repeat(3900)]]);
  // Retention takes the first segment between the copy of the first group and its swap.
  let slices = 0;
  const step = runCompaction(log, disk, {
    budget: 1,
    meanwhile: () => {
      const isCopied = disk.list("topic-0").some(({ name }) =>
        name === `${"0".repeat(20)}.log.cleaned`
      );
      if (!isCopied || ++slices > 1) return;
      log.deleteRecordsBefore(1);
      log.applyRetention(log.logEndOffset, NOW);
      assertEquals(log.logStartOffset, 1);
    },
  });
  assertEquals(slices > 0, true);
  const from = step.kind === "done" ? step.endOffset : 0;
  assertFolds(log, wanted);
  // Each run begins where the one before has ended; the tombstone's time passes.
  let next = from;
  for (let later = 1; later < 4; later++) {
    appendPairs(log, [[`more-${later}`, "1"]]);
    wanted.set(`more-${later}`, "1");
    seal(log);
    next = expectDone(runCompaction(log, disk, { from: next, now: NOW + later * 2000 })).endOffset;
    assertFolds(log, wanted);
  }
  assert(!listed(log).some((line) => line.includes("gone")), "value and tombstone are gone");
  assertEquals(step.kind, "stopped");
});

Deno.test("compaction: a batch with more keys than memory holds is compacted in several runs", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, WIDE);
  const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);
  for (const value of ["old", "new"]) {
    appendPairs(log, keys.map((key) => [key, value] as const));
    seal(log);
  }
  const size = log.sizeInBytes;
  const wanted = new Map(keys.map((key) => [key, "new"] as const));
  let from = 0;
  let runs = 0;
  // Room for four keys: each run goes on where the one before found no more.
  for (; from < log.logEndOffset; runs++) {
    const step = expectDone(runCompaction(log, disk, { from, mapBytesMax: 144 }));
    assert(step.endOffset > from, `it goes on from ${from}`);
    assertEquals(step.mapFull, step.endOffset < log.logEndOffset);
    from = step.endOffset;
    assertFolds(log, wanted);
  }
  assertEquals(runs, 10);
  assertEquals(listed(log).length, keys.length);
  assert(log.sizeInBytes < size);
});

Deno.test("compaction: a tombstone stays while there is a batch before it that cannot be read", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, WIDE);
  const long = "x".repeat(3000);
  // Readers may read more than the cleaner may.
  appendPairs(log, [["gone", long]], { compression: "gzip" });
  appendPairs(log, [["gone", null], ["other", null]]);
  seal(log);
  const decompressedBytesMax = 1000;
  let from = 0;
  for (let run = 0; run < 4; run++) {
    appendPairs(log, [[`more-${run}`, "1"]]);
    seal(log);
    const options = { from, decompressedBytesMax, now: NOW + run * 2000 };
    const step = expectDone(runCompaction(log, disk, options));
    assertEquals(step.unreadableBatches, 1);
    from = step.endOffset;
    assert(!fold(log).has("gone"));
  }
  // With more memory the value goes, and then they may.
  expectDone(runCompaction(log, disk, { now: NOW + 10_000 }));
  expectDone(runCompaction(log, disk, { now: NOW + 20_000 }));
  assert(!listed(log).some((line) => line.includes("gone") || line.includes("other")));
});

Deno.test("compaction: a tombstone's time begins when what is before it goes, not before", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, WIDE);
  appendPairs(log, [["a", "1"], ["b", "1"], ["c", "1"], ["d", "1"], ["gone", "1"]]);
  appendPairs(log, [["gone", null]]);
  seal(log);
  // The map is full before the tombstone, which the run copies all the same.
  const first = expectDone(runCompaction(log, disk, { mapBytesMax: 144 }));
  assert(first.mapFull);
  const from = first.endOffset;
  const tombstone = "5 gone=null";
  // It was met by now, however long ago that run was.
  const second = expectDone(runCompaction(log, disk, { from, now: NOW + 5000 }));
  assert(!second.mapFull);
  assertEquals(listed(log).at(-1), tombstone);
  appendPairs(log, [["more", "1"]]);
  seal(log);
  const third = { from: second.endOffset, now: NOW + 5999 };
  expectDone(runCompaction(log, disk, third));
  assert(listed(log).includes(tombstone));
  expectDone(runCompaction(log, disk, { now: NOW + 6000 }));
  assert(!listed(log).includes(tombstone));
});

Deno.test("compaction: in a run that takes long, times are counted from when something is done", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { ...WIDE.config, fileDeleteDelayMs: 60_000 } });
  appendPairs(log, [["gone", "1"]]);
  seal(log);
  appendPairs(log, [["gone", null]]);
  seal(log);
  const hour = 3_600_000;
  // Hours pass before anything is copied.
  let slices = 0;
  const clock = () => NOW + Math.min(slices++, 3) * hour;
  const { endOffset: from } = expectDone(runCompaction(log, disk, { clock }));
  const now = NOW + 3 * hour;
  const isDoomed = () => disk.list("topic-0").some(({ name }) => name.endsWith(".deleted"));
  assert(isDoomed());
  // Whoever reads the old files may go on for as long as they are told to stay.
  log.applyRetention(log.logEndOffset, now + 59_999);
  assert(isDoomed());
  log.applyRetention(log.logEndOffset, now + 60_000);
  assert(!isDoomed());
  // So may who has read the value before it went, until the tombstone goes.
  appendPairs(log, [["more", "1"]]);
  seal(log);
  expectDone(runCompaction(log, disk, { from, now: now + 999 }));
  assert(listed(log).includes("1 gone=null"));
  expectDone(runCompaction(log, disk, { now: now + 1000 }));
  assert(!listed(log).includes("1 gone=null"));
});
