import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { findDamage } from "../../storage/slice_check.ts";
import type { LogSlice } from "../../storage/log_read.ts";
import { BATCH_HEADER_BYTES } from "../../storage/record_batch.ts";
import { append, FOLDER, openLog } from "./log_fixture.ts";

const LOG = `${FOLDER}/00000000000000000000.log`;
/** Base offset, batch length and leader epoch. */
const UNCHECKED_BYTES = 16;

function filled(batches: number): { readonly disk: MemoryDisk; read(): Checked } {
  const disk = new MemoryDisk();
  const log = openLog(disk, { config: { segmentBytes: 1e6, indexIntervalBytes: 1e6 } });
  for (let index = 0; index < batches; index++) append(log, { values: [`a${index}`, "b"] });
  // Found once, when all was well.
  const slice = log.locate(0, { maxBytes: 1e6, maxOffset: 2 * batches, minOneBatch: true });
  assert(slice.kind === "slice");
  return { disk, read: () => check(slice) };
}

type Checked = ReturnType<typeof findDamage>;

function check(slice: LogSlice): Checked {
  const bytes = new Uint8Array(slice.length);
  assertEquals(slice.file.read(bytes, slice.position), slice.length);
  return findDamage(bytes, slice, 0);
}

Deno.test("slice check: nothing is wrong with what was written", () => {
  assertEquals(filled(5).read(), undefined);
});

Deno.test("slice check: a batch that has rotted is named by its offset, file and place", () => {
  const { disk, read } = filled(3);
  const size = disk.status(LOG)!.size / 3;
  disk.flipBit(LOG, 8 * (size + BATCH_HEADER_BYTES + 3) + 1);
  const damage = read();
  assertEquals(damage?.offset, 2);
  assertEquals(damage?.position, size);
  assertEquals(damage?.file, LOG);
  assertStringIncludes(damage?.message ?? "", "checksum");
});

Deno.test("slice check: a bit that has turned is found, wherever a checksum covers it", () => {
  const { disk, read } = filled(2);
  const size = disk.status(LOG)!.size / 2;
  for (let byte = UNCHECKED_BYTES; byte < size; byte++) {
    for (let bit = 0; bit < 8; bit++) {
      disk.flipBit(LOG, (size + byte) * 8 + bit);
      assertEquals(read()?.offset, 2, `byte ${byte}, bit ${bit}`);
      disk.flipBit(LOG, (size + byte) * 8 + bit);
    }
  }
  assertEquals(read(), undefined);
});

Deno.test("slice check: so is one of a base offset or a length, which no checksum covers", () => {
  const { disk, read } = filled(3);
  const size = disk.status(LOG)!.size / 3;
  for (let batch = 0; batch < 3; batch++) {
    for (let bit = 0; bit < 12 * 8; bit++) {
      disk.flipBit(LOG, batch * size * 8 + bit);
      const damage = read();
      assert(damage !== undefined && damage.offset <= 2 * batch, `batch ${batch}, bit ${bit}`);
      disk.flipBit(LOG, batch * size * 8 + bit);
    }
  }
});
