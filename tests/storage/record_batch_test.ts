import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BatchCursor,
  batchSizeAt,
  BatchView,
  encodeAttributes,
  setBaseOffset,
  setLogAppendTime,
  setMaxTimestamp,
  setPartitionLeaderEpoch,
  setProducerStamp,
  walkBatches,
} from "../../storage/record_batch.ts";
import { decodeRecords } from "../../storage/record.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";

/** A batch of `count` records, the n-th with timestamp 1000 + n and value "n". */
function batchOf(count: number, baseOffset = 0): Uint8Array {
  const builder = new RecordBatchBuilder(new Uint8Array(4096));
  for (let index = 0; index < count; index++) {
    builder.tryAppend(1000 + index, null, String(index));
  }
  return builder.build({ baseOffset, producerId: 7, producerEpoch: 2, baseSequence: 30 });
}

function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

Deno.test("record batch: every field of the header lies where the format says", () => {
  const bytes = Uint8Array.fromHex(
    "0000000000000102" + // baseOffset
      "00000031" + // batchLength: the rest of the header
      "00000003" + // partitionLeaderEpoch
      "02" + // magic
      "f0000004" + // crc
      "007b" + // attributes: lz4, LogAppendTime, transactional, control, delete horizon
      "00000005" + // lastOffsetDelta
      "0000018bcfe56800" + // baseTimestamp
      "0000018bcfe56805" + // maxTimestamp
      "0000000000000fa0" + // producerId
      "0007" + // producerEpoch
      "7fffffff" + // baseSequence
      "00000006", // recordsCount
  );
  const batch = new BatchView(concatenate(Uint8Array.of(9, 9, 9), bytes), 3);
  assertEquals(batch.baseOffset, 0x102);
  assertEquals(batch.batchLength, 49);
  assertEquals(batch.sizeInBytes, BATCH_HEADER_BYTES);
  assertEquals(batch.partitionLeaderEpoch, 3);
  assertEquals(batch.magic, 2);
  assertEquals(batch.crc, 0xf0000004);
  assertEquals(batch.attributes, 0x7b);
  assertEquals(batch.compression, "lz4");
  assertEquals(batch.timestampType, "LogAppendTime");
  assertEquals(batch.isTransactional, true);
  assertEquals(batch.isControl, true);
  assertEquals(batch.hasDeleteHorizon, true);
  assertEquals(batch.lastOffsetDelta, 5);
  assertEquals(batch.lastOffset, 0x107);
  assertEquals(batch.nextOffset, 0x108);
  assertEquals(batch.baseTimestamp, 1_700_000_000_000);
  assertEquals(batch.maxTimestamp, 1_700_000_000_005);
  assertEquals(batch.producerId, 4000);
  assertEquals(batch.producerEpoch, 7);
  assertEquals(batch.baseSequence, 2 ** 31 - 1);
  // After the highest sequence number comes 0, so that the sixth is 4.
  assertEquals(batch.lastSequence, 4);
  assertEquals(batch.recordsCount, 6);
  assertEquals(batch.bytes, bytes);
  assertEquals(batch.body.length, 0);
});

Deno.test("record batch: an unknown codec is refused when asked for by name", () => {
  const bytes = batchOf(1);
  bytes[BATCH_FIELD.attributes + 1] = 6;
  assertThrows(() => new BatchView(bytes).compression, RangeError, "Cannot find codec 6");
});

Deno.test("record batch: a walk visits whole batches and stops before one that is cut off", () => {
  const whole = concatenate(batchOf(1, 10), batchOf(3, 11), batchOf(2, 14));
  const seen = (bytes: Uint8Array, from?: number, to?: number) =>
    [...walkBatches(bytes, from, to)].map((batch) => [batch.position, batch.baseOffset]);
  const sizes = [...walkBatches(whole)].map((batch) => batch.sizeInBytes);
  const starts = [0, sizes[0]!, sizes[0]! + sizes[1]!];
  const expected = starts.map((start, index) => [start, [10, 11, 14][index]!]);

  assertEquals(seen(whole), expected);
  assertEquals(seen(whole, starts[1]), expected.slice(1));
  for (let to = 0; to < whole.length; to++) {
    const count = starts.filter((_, index) => to >= (starts[index + 1] ?? whole.length)).length;
    assertEquals(seen(whole, 0, to), expected.slice(0, count), `cut at ${to}`);

    const cursor = new BatchCursor(whole, 0, to);
    while (cursor.next());
    assertEquals(cursor.position, starts[count]);
    assertEquals(cursor.stoppedBy, to === starts[count] ? "end" : "incomplete");
  }
});

Deno.test("record batch: a walk stops at what claims less than a header", () => {
  for (const length of [-1, -(2 ** 31), 0, 48]) {
    const bytes = concatenate(batchOf(1), batchOf(1));
    const second = batchOf(1).length;
    new DataView(bytes.buffer).setInt32(second + BATCH_FIELD.batchLength, length);
    const cursor = new BatchCursor(bytes);
    assertEquals(cursor.next(), true);
    assertEquals(cursor.next(), false);
    assertEquals(cursor.position, second);
    assertEquals(cursor.stoppedBy, "malformed");
  }
  assertEquals(batchSizeAt(new Uint8Array(11), 0, 11), -1);
});

Deno.test("record batch: one view serves a whole walk", () => {
  const cursor = new BatchCursor(concatenate(batchOf(1), batchOf(1)));
  const { batch } = cursor;
  while (cursor.next()) assertStrictEquals(cursor.batch, batch);
});

Deno.test("record batch: base offset and leader epoch are patched without touching the checksum", () => {
  const bytes = concatenate(new Uint8Array(5), batchOf(3));
  const batch = new BatchView(bytes, 5);
  const { crc } = batch;
  setBaseOffset(bytes, 5, 2 ** 40 + 1);
  setPartitionLeaderEpoch(bytes, 5, 12);
  assertEquals(batch.baseOffset, 2 ** 40 + 1);
  assertEquals(batch.partitionLeaderEpoch, 12);
  assertEquals(batch.crc, crc);
  assertEquals(batch.computeCrc(), crc);
  assertEquals(decodeRecords(batch).map(({ offset }) => offset - 2 ** 40), [1, 2, 3]);
});

Deno.test("record batch: log append time replaces all timestamps and renews the checksum", () => {
  const bytes = concatenate(new Uint8Array(5), batchOf(3), batchOf(1));
  const batch = new BatchView(bytes, 5);
  const after = bytes.slice(5 + batch.sizeInBytes);
  setLogAppendTime(bytes, 5, 5000);
  assertEquals(batch.timestampType, "LogAppendTime");
  assertEquals(batch.maxTimestamp, 5000);
  assertEquals(batch.computeCrc(), batch.crc);
  assertEquals(decodeRecords(batch).map(({ timestamp }) => timestamp), [5000, 5000, 5000]);
  assertEquals(bytes.slice(5 + batch.sizeInBytes), after);
});

Deno.test("record batch: producer stamp and largest timestamp are patched with a new checksum", () => {
  const bytes = batchOf(3);
  const batch = new BatchView(bytes);
  setProducerStamp(bytes, 0, { producerId: 2 ** 41, producerEpoch: 0x7fff, baseSequence: 0 });
  assertEquals([batch.producerId, batch.producerEpoch, batch.baseSequence], [2 ** 41, 0x7fff, 0]);
  assertEquals(batch.computeCrc(), batch.crc);
  setMaxTimestamp(bytes, 0, 1002);
  assertEquals(batch.maxTimestamp, 1002);
  assertEquals(batch.computeCrc(), batch.crc);
});

Deno.test("record batch: attributes are made of the bits that the getters read", () => {
  assertEquals(encodeAttributes({}), 0);
  assertEquals(
    encodeAttributes({
      compression: "zstd",
      timestampType: "LogAppendTime",
      isTransactional: true,
      isControl: true,
    }),
    0x3c,
  );
});
