import { assertEquals, assertThrows } from "@std/assert";
import {
  formatOffsetCheckpoint,
  MalformedFileError,
  parseOffsetCheckpoint,
  parsePartitionFolder,
  readOffsetCheckpoint,
  readSmallText,
  replaceSmallFile,
  writeOffsetCheckpoint,
} from "../../storage/checkpoint.ts";
import { DiskError } from "../../storage/disk.ts";
import type { DiskOperation } from "../../storage/disk_faults.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { SeededChance } from "./disk_chance.ts";

Deno.test("checkpoint: offsets are written in Kafka's text form", () => {
  const offsets = new Map([["orders-0", 17], ["my-topic-12", 2 ** 40]]);
  assertEquals(
    formatOffsetCheckpoint(offsets),
    "0\n2\norders 0 17\nmy-topic 12 1099511627776\n",
  );
  assertEquals(parseOffsetCheckpoint(formatOffsetCheckpoint(offsets), "p"), offsets);
});

Deno.test("checkpoint: a missing file holds no offsets", () => {
  assertEquals(readOffsetCheckpoint(new MemoryDisk(), "recovery-point-offset-checkpoint").size, 0);
});

Deno.test("checkpoint: a file that does not hold what it announces is refused by name", () => {
  const bad = ["", "1\n0\n", "0\n2\na 0 1\n", "0\n1\na 0\n", "0\n1\na x 1\n", "0\n1\na 0 -1\n"];
  for (const text of bad) {
    assertThrows(() => parseOffsetCheckpoint(text, "some-file"), MalformedFileError, "some-file");
  }
});

Deno.test("checkpoint: only names that end in a partition number are partition folders", () => {
  assertEquals(parsePartitionFolder("a-b-3"), { topic: "a-b", partition: 3 });
  for (const name of ["a", "-1", "a-", "a-01", "a-x", "a-1.deleted"]) {
    assertEquals(parsePartitionFolder(name), undefined);
  }
});

Deno.test("checkpoint: a crash at any moment leaves the old text or the new one", () => {
  for (let seed = 0; seed < 60; seed++) {
    const disk = new MemoryDisk();
    disk.makeDirectory("data");
    writeOffsetCheckpoint(disk, "data/c", new Map([["t-0", 1]]));
    disk.syncDirectory("");
    let left = seed % 8;
    const failing = disk.clone({
      faults: { befall: () => left-- > 0 ? undefined : { kind: "fail", code: "EIO" } },
    });
    try {
      writeOffsetCheckpoint(failing, "data/c", new Map([["t-0", 2]]));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    failing.crash(new SeededChance(seed), { names: "any-order" });
    left = 1000;
    const after = readOffsetCheckpoint(failing, "data/c").get("t-0");
    assertEquals(after === 1 || after === 2, true, `seed ${seed}: ${after}`);
  }
});

Deno.test("checkpoint: a replaced file is durable when the call returns", () => {
  const disk = new MemoryDisk();
  replaceSmallFile(disk, "c", "one", { sync: true });
  disk.crash();
  assertEquals(readSmallText(disk, "c"), "one");
});

Deno.test("checkpoint: without sync nothing is synced", () => {
  const actions: string[] = [];
  const faults = {
    befall: ({ action }: DiskOperation) => (actions.push(action), undefined),
  };
  replaceSmallFile(new MemoryDisk({ faults }), "c", "one", { sync: false });
  assertEquals(actions.filter((action) => action.startsWith("sync")), []);
});
