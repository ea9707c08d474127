import { assert, assertEquals } from "@std/assert";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  appendPairs,
  assertFolds,
  COMPACTED,
  expectDone,
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
