import { assertEquals } from "@std/assert";
import type { File } from "../../storage/disk.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { SegmentScan, type SegmentScanOptions } from "../../storage/segment_scan.ts";
import { joinBatches, replicatedBatch } from "./log_fixture.ts";

function fileOf(bytes: Uint8Array): File {
  const file = new MemoryDisk().open("log", { create: true });
  file.write(bytes, 0);
  return file;
}

function scanOf(bytes: Uint8Array, options: Partial<SegmentScanOptions> = {}): SegmentScan {
  const buffer = new Uint8Array(200);
  return new SegmentScan({ file: fileOf(bytes), from: 0, to: bytes.length, buffer, ...options });
}

function walk(scan: SegmentScan): number[] {
  const offsets: number[] = [];
  while (scan.next()) offsets.push(scan.batch.baseOffset);
  return offsets;
}

/** Batches of many sizes, smaller and larger than the buffer. */
const SIZES = [1, 300, 5, 5, 2500, 2500, 40, 1];
const BATCHES = SIZES.map((size, index) =>
  replicatedBatch(index, 0, { values: ["x".repeat(size)] })
);

Deno.test("segment scan: headers and whole batches lead to the same end", () => {
  const bytes = joinBatches(...BATCHES);
  for (const whole of [false, true]) {
    const scan = scanOf(bytes, { whole });
    assertEquals(walk(scan), [0, 1, 2, 3, 4, 5, 6, 7]);
    assertEquals([scan.nextPosition, scan.stoppedBy], [bytes.length, "end"]);
  }
});

Deno.test("segment scan: whole batches are there to be read, also those larger than the buffer", () => {
  const scan = scanOf(joinBatches(...BATCHES), { whole: true });
  for (const batch of BATCHES) {
    assertEquals(scan.next(), true);
    assertEquals(scan.batch.bytes, batch);
  }
});

Deno.test("segment scan: of large batches only the headers are read", () => {
  const large = Array.from(
    { length: 20 },
    (_, index) => replicatedBatch(index, 0, { values: ["x".repeat(5000)] }),
  );
  const scan = scanOf(joinBatches(...large));
  walk(scan);
  assertEquals(scan.bytesRead, 200 + 19 * 61);
});

Deno.test("segment scan: a batch that is found by its header can be read whole", () => {
  const scan = scanOf(joinBatches(...BATCHES));
  for (const batch of BATCHES) {
    scan.next();
    assertEquals(scan.readWhole().bytes, batch);
  }
});

Deno.test("segment scan: a batch that is cut off is none, wherever it is cut", () => {
  const bytes = joinBatches(BATCHES[0]!, BATCHES[1]!);
  for (let length = BATCHES[0]!.length + 1; length < bytes.length; length++) {
    for (const whole of [false, true]) {
      const scan = scanOf(bytes.subarray(0, length), { whole });
      assertEquals(walk(scan), [0]);
      assertEquals([scan.nextPosition, scan.stoppedBy], [BATCHES[0]!.length, "incomplete"]);
    }
  }
});

Deno.test("segment scan: what is no header stops the walk", () => {
  const changes: ((batch: Uint8Array) => void)[] = [
    (batch) => batch.fill(0),
    (batch) => batch[16] = 1,
    (batch) => batch[8] = 0x80,
    (batch) => batch.fill(0, 8, 12),
    (batch) => batch[0] = 0x80,
    (batch) => batch[23] = 0x80,
  ];
  for (const change of changes) {
    const bad = BATCHES[2]!.slice();
    change(bad);
    const scan = scanOf(joinBatches(BATCHES[0]!, BATCHES[1]!, bad));
    assertEquals(walk(scan), [0, 1]);
    assertEquals(scan.stoppedBy, "malformed");
  }
});

Deno.test("segment scan: a header with an offset that was passed already is none", () => {
  const back = replicatedBatch(0, 0);
  assertEquals(walk(scanOf(joinBatches(BATCHES[0]!, BATCHES[1]!, back))), [0, 1]);
  assertEquals(walk(scanOf(joinBatches(BATCHES[0]!), { baseOffset: 1 })), []);
});

Deno.test("segment scan: it begins and ends where it is told", () => {
  const from = BATCHES[0]!.length;
  const to = from + BATCHES[1]!.length + BATCHES[2]!.length;
  assertEquals(walk(scanOf(joinBatches(...BATCHES), { from, to })), [1, 2]);
});
