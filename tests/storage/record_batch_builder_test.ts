import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Compression } from "../../storage/compression.ts";
import { decodeRecords } from "../../storage/record.ts";
import { BATCH_HEADER_BYTES, BatchView } from "../../storage/record_batch.ts";
import {
  type HeaderContent,
  RecordBatchBuilder,
  type RecordContent,
} from "../../storage/record_batch_builder.ts";
import { checkBatch, validateProducedBatch } from "../../storage/record_batch_validation.ts";

interface RecordInput {
  readonly timestamp: number;
  readonly key: RecordContent;
  readonly value: RecordContent;
  readonly headers: readonly HeaderContent[];
}

const textEncoder = new TextEncoder();

function toBytes(content: RecordContent): Uint8Array | null {
  return typeof content === "string" ? textEncoder.encode(content) : content;
}

/** What a reader must find of the records. */
function expected(records: readonly RecordInput[]) {
  return records.map(({ timestamp, key, value, headers }, offset) => ({
    offset,
    timestamp,
    key: toBytes(key),
    value: toBytes(value),
    headers: headers.map(({ key, value }) => ({
      key: new TextDecoder().decode(textEncoder.encode(key)),
      value: toBytes(value),
    })),
  }));
}

/** Decoded records with arrays of their own, so that views and Buffers compare equal. */
function decode(bytes: Uint8Array) {
  const copy = (content: Uint8Array | null) => content === null ? null : new Uint8Array(content);
  return decodeRecords(new BatchView(bytes)).map(({ key, value, headers, ...rest }) => ({
    ...rest,
    key: copy(key),
    value: copy(value),
    headers: headers.map(({ key, value }) => ({ key, value: copy(value) })),
  }));
}

function fill(builder: RecordBatchBuilder, records: readonly RecordInput[]): void {
  records.forEach(({ timestamp, key, value, headers }, index) => {
    assertEquals(builder.tryAppend(timestamp, key, value, headers), index);
  });
}

// Around the sizes where a length takes one more byte, in characters and in bytes, and where the
// native encoder takes over.
const lengths = fc.oneof(fc.nat(30), fc.constantFrom(48, 49, 62, 63, 64, 65, 8191, 8192, 8193));
const unit = fc.constantFrom("a", "é", "€", "𝄞", "\ud834", "\udd1e", "\u0000");
const text = fc.tuple(fc.string({ unit, maxLength: 3 }), lengths, unit).map(
  ([head, length, rest]) => head + rest.repeat(length),
);
const content: fc.Arbitrary<RecordContent> = fc.oneof(
  fc.constant(null),
  text,
  fc.string({ unit: "binary", maxLength: 90 }),
  fc.uint8Array({ maxLength: 90 }),
  lengths.map((length) => new Uint8Array(length).fill(5)),
);
const header: fc.Arbitrary<HeaderContent> = fc.record({
  key: fc.string({ unit, maxLength: 5 }),
  value: content,
});
const record: fc.Arbitrary<RecordInput> = fc.record({
  timestamp: fc.oneof(fc.nat(2 ** 41), fc.integer({ min: 0, max: 2 ** 52 })),
  key: content,
  value: content,
  headers: fc.array(header, { maxLength: 3 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 12 });

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as Compression[]) {
  Deno.test(`batch builder: any records come back from a batch compressed with ${compression}`, () => {
    const builder = new RecordBatchBuilder(new Uint8Array(1024 * 1024));
    fc.assert(fc.property(records, (records) => {
      builder.reset();
      fill(builder, records);
      const bytes = builder.build({ compression });
      assertEquals(checkBatch(bytes, 0, bytes.length), null);
      assertEquals(validateProducedBatch(bytes, 0, bytes.length, { batchBytesMax: 2 ** 20 }), null);
      const batch = new BatchView(bytes);
      assertEquals(batch.compression, compression);
      assertEquals(batch.maxTimestamp, Math.max(...records.map(({ timestamp }) => timestamp)));
      assertEquals(decode(bytes), expected(records));
    }));
  });
}

Deno.test("batch builder: text and its bytes give the same batch", () => {
  fc.assert(fc.property(records, (records) => {
    const build = (change: (content: RecordContent) => RecordContent) => {
      const builder = new RecordBatchBuilder(new Uint8Array(1024 * 1024));
      for (const { timestamp, key, value, headers } of records) {
        const changed = headers.map(({ key, value }) => ({ key, value: change(value) }));
        builder.tryAppend(timestamp, change(key), change(value), changed);
      }
      return builder.build().toHex();
    };
    assertEquals(build((content) => content), build(toBytes));
  }));
});

Deno.test("batch builder: a record is in the batch whole or not at all, whatever room is left", () => {
  const first = { timestamp: 5, key: "k", value: "v", headers: [] };
  fc.assert(fc.property(record, (record) => {
    const roomy = new RecordBatchBuilder(new Uint8Array(1024 * 1024));
    fill(roomy, [first, record]);
    const whole = roomy.sizeInBytes;
    const guard = 0xaa;
    const buffer = new Uint8Array(whole + 20).fill(guard);
    // One byte for each length may decide.
    for (const room of [0, 1, 2, 3, 9, Math.floor(whole / 2)]) {
      const batchSize = whole - room;
      if (batchSize < BATCH_HEADER_BYTES + 20) continue;
      const builder = new RecordBatchBuilder(buffer.fill(guard), batchSize);
      builder.tryAppend(first.timestamp, first.key, first.value);
      const offset = builder.tryAppend(record.timestamp, record.key, record.value, record.headers);
      assertEquals(offset, room === 0 ? 1 : -1);
      assertEquals(builder.recordsCount, room === 0 ? 2 : 1);
      assert(buffer.subarray(batchSize).every((byte) => byte === guard), "wrote past its size");
      const bytes = builder.build();
      assert(bytes.length <= batchSize);
      assertEquals(decode(bytes), expected(room === 0 ? [first, record] : [first]));
    }
  }));
});

Deno.test("batch builder: the first record makes the room it needs, and is then alone", () => {
  for (const value of ["a".repeat(5000), "€".repeat(5000), new Uint8Array(5000).fill(1)]) {
    const buffer = new Uint8Array(200);
    const builder = new RecordBatchBuilder(buffer);
    const record = { timestamp: 1, key: null, value, headers: [{ key: "é", value: "é" }] };
    fill(builder, [record]);
    assert(builder.buffer !== buffer);
    assertEquals(builder.tryAppend(1, null, null), -1);
    assertEquals(decode(builder.build()), expected([record]));
    builder.reset(buffer);
    assertStrictEquals(builder.buffer, buffer);
  }
});

Deno.test("batch builder: a batch is full at exactly its size", () => {
  // Six bytes of fields, a length, and ten of value.
  const recordBytes = 17;
  const buffer = new Uint8Array(1000).fill(0xaa);
  const builder = new RecordBatchBuilder(buffer, BATCH_HEADER_BYTES + 3 * recordBytes);
  const offsets = [1, 2, 3, 4].map((timestamp) => builder.tryAppend(timestamp, null, "0123456789"));
  assertEquals(offsets, [0, 1, 2, -1]);
  assertEquals(builder.sizeInBytes, BATCH_HEADER_BYTES + 3 * recordBytes);
  assert(buffer.subarray(builder.sizeInBytes).every((byte) => byte === 0xaa));
  assertEquals([builder.recordsCount, builder.baseTimestamp, builder.maxTimestamp], [3, 1, 3]);
});

Deno.test("batch builder: writes what it is told into the header, and -1 for none", () => {
  const build = (options = {}) => {
    const builder = new RecordBatchBuilder(new Uint8Array(200));
    builder.tryAppend(50, null, "a");
    builder.tryAppend(40, null, "b");
    return new BatchView(builder.build(options));
  };
  const plain = build();
  assertEquals([plain.baseOffset, plain.partitionLeaderEpoch, plain.attributes], [0, -1, 0]);
  assertEquals([plain.producerId, plain.producerEpoch, plain.baseSequence], [-1, -1, -1]);
  assertEquals([plain.recordsCount, plain.lastOffsetDelta], [2, 1]);
  assertEquals([plain.baseTimestamp, plain.maxTimestamp], [50, 50]);
  const full = build({
    baseOffset: 2 ** 50,
    partitionLeaderEpoch: 9,
    producerId: 2 ** 33,
    producerEpoch: 3,
    baseSequence: 77,
    isTransactional: true,
    isControl: true,
    timestampType: "LogAppendTime",
  });
  assertEquals([full.baseOffset, full.partitionLeaderEpoch, full.attributes], [2 ** 50, 9, 0x38]);
  assertEquals([full.producerId, full.producerEpoch, full.baseSequence], [2 ** 33, 3, 77]);
});

Deno.test("batch builder: compresses into its buffer, or beside it where that makes more", () => {
  const buffer = new Uint8Array(BATCH_HEADER_BYTES + 17);
  const builder = new RecordBatchBuilder(buffer);
  builder.tryAppend(1, null, "0123456789");
  const larger = builder.build({ compression: "gzip" });
  assert(larger.length > buffer.length);
  assertEquals(decode(larger).length, 1);

  builder.reset(new Uint8Array(5000));
  builder.tryAppend(1, null, "a".repeat(4000));
  const smaller = builder.build({ compression: "zstd", compressionLevel: 5 });
  assertStrictEquals(smaller.buffer, builder.buffer.buffer);
  assert(smaller.length < 200);
});

Deno.test("batch builder: a built batch is closed until the builder is reset", () => {
  const builder = new RecordBatchBuilder(new Uint8Array(500));
  assertThrows(() => builder.build(), RangeError, "no records");
  builder.tryAppend(1, null, "a");
  builder.build();
  assertEquals(builder.tryAppend(1, null, "b"), -1);
  assertThrows(() => builder.build(), RangeError, "built already");
  builder.reset();
  assertEquals([builder.recordsCount, builder.maxTimestamp], [0, -1]);
  assertEquals(builder.tryAppend(7, null, "c"), 0);
  assertEquals(decode(builder.build()).map(({ timestamp }) => timestamp), [7]);
});

Deno.test("batch builder: timestamps and sizes that make no sense are refused", () => {
  const builder = new RecordBatchBuilder(new Uint8Array(500));
  for (const timestamp of [NaN, 1.5, Infinity, 2 ** 53]) {
    assertThrows(() => builder.tryAppend(timestamp, null, "a"), RangeError, `${timestamp}`);
  }
  builder.tryAppend(-(2 ** 52), null, "a");
  assertThrows(() => builder.tryAppend(2 ** 53 - 1, null, "a"), RangeError, "out of range");
  assertEquals(builder.recordsCount, 1);
  for (const batchSize of [0, 60, 501, NaN]) {
    assertThrows(() => builder.reset(new Uint8Array(500), batchSize), RangeError, "Cannot build");
  }
});
