import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CompressionError } from "../../storage/compression_errors.ts";
import { CorruptRecordError, decodeRecords, RecordCursor } from "../../storage/record.ts";
import {
  BATCH_ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BatchView,
  setLogAppendTime,
  writeBatchHeader,
} from "../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";

interface HeaderFields {
  readonly recordsCount?: number;
  readonly lastOffsetDelta?: number;
  readonly attributes?: number;
  readonly baseTimestamp?: number;
}

/** A batch around the records given in hex, at offset 100 unless the header says otherwise. */
function batchAround(records: string, fields: HeaderFields = {}): BatchView {
  const body = Uint8Array.fromHex(records);
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + body.length);
  bytes.set(body, BATCH_HEADER_BYTES);
  const recordsCount = fields.recordsCount ?? 1;
  writeBatchHeader(bytes, 0, bytes.length, {
    baseOffset: 100,
    partitionLeaderEpoch: 0,
    attributes: fields.attributes ?? 0,
    lastOffsetDelta: fields.lastOffsetDelta ?? recordsCount - 1,
    baseTimestamp: fields.baseTimestamp ?? 1000,
    maxTimestamp: 1000,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    recordsCount,
  });
  return new BatchView(bytes);
}

// attributes, timestamp delta, offset delta, key length -1, value length -1, no headers.
const EMPTY_RECORD = "0c" + "00" + "00" + "00" + "01" + "01" + "00";
const EMPTY_RECORD_AT_1 = "0c" + "00" + "00" + "02" + "01" + "01" + "00";
const EMPTY_RECORD_AT_2 = "0c" + "00" + "00" + "04" + "01" + "01" + "00";

Deno.test("record: reads key, value and headers, empty and absent ones apart", () => {
  const batch = batchAround(
    "26" + "00" + "01" + "02" + // length 19, attributes, timestamp delta -1, offset delta 1
      "026b" + "00" + // key "k", value ""
      "06" + // three headers
      "06c3a968" + "0401ff" + // "éh" = 01 ff
      "0261" + "01" + // "a" = null
      "00" + "00", // "" = empty
    { recordsCount: 1, lastOffsetDelta: 1 },
  );
  assertEquals(decodeRecords(batch), [{
    offset: 101,
    timestamp: 999,
    key: Uint8Array.of(0x6b),
    value: new Uint8Array(0),
    headers: [
      { key: "éh", value: Uint8Array.of(1, 255) },
      { key: "a", value: null },
      { key: "", value: new Uint8Array(0) },
    ],
  }]);
});

Deno.test("record: gaps that compaction leaves are kept", () => {
  const batch = batchAround(EMPTY_RECORD + EMPTY_RECORD_AT_2, {
    recordsCount: 2,
    lastOffsetDelta: 5,
  });
  assertEquals(decodeRecords(batch).map(({ offset }) => offset), [100, 102]);
});

Deno.test("record: views share memory with the batch, and the cursor tells sizes without them", () => {
  const builder = new RecordBatchBuilder(new Uint8Array(200));
  builder.tryAppend(1, "key", "value");
  const batch = new BatchView(builder.build());
  const cursor = new RecordCursor(batch);
  assertEquals(cursor.next(), true);
  assertStrictEquals(cursor.key!.buffer, batch.source.buffer);
  assertStrictEquals(cursor.value!.buffer, batch.source.buffer);
  assertEquals([cursor.keyLength, cursor.valueLength, cursor.headersCount], [3, 5, 0]);
  assertEquals(cursor.sizeInBytes, batch.sizeInBytes - BATCH_HEADER_BYTES - 1);
  assertEquals(cursor.next(), false);
  assertEquals(cursor.next(), false);
});

Deno.test("record: a cursor opens one batch after the other, also where the view moves on", () => {
  const first = batchAround(EMPTY_RECORD + EMPTY_RECORD_AT_1, { recordsCount: 2 });
  const cursor = new RecordCursor(first);
  first.moveTo(batchAround(EMPTY_RECORD).source, 0);
  assertEquals([cursor.next(), cursor.next(), cursor.next()], [true, true, false]);
  cursor.open(first);
  assertEquals([cursor.next(), cursor.offset, cursor.next()], [true, 100, false]);
});

Deno.test("record: log append time goes before the producer's timestamps", () => {
  const builder = new RecordBatchBuilder(new Uint8Array(200));
  builder.tryAppend(10, null, "a");
  builder.tryAppend(20, null, "b");
  const bytes = builder.build();
  const timestamps = () => decodeRecords(new BatchView(bytes)).map(({ timestamp }) => timestamp);
  assertEquals(timestamps(), [10, 20]);
  setLogAppendTime(bytes, 0, 77);
  assertEquals(timestamps(), [77, 77]);
});

Deno.test("record: what does not fit the batch is refused by offset and reason", () => {
  const cases: [records: string, fields: HeaderFields, offset: number, reason: string][] = [
    ["", {}, 100, "Cannot read 1 bytes at 61: 0 are left"],
    ["0a" + "0000000101", {}, 100, "length 5"],
    ["01" + "000000010100", {}, 100, "length -1"],
    ["0e" + "000000010100", {}, 100, "length 7"],
    ["feffffff0f" + "000000010100", {}, 100, "length 2147483647"],
    ["ffffffffff01" + "000000010100", {}, 100, "longer than 32 bits"],
    // Key, value and header lengths: below -1, and beyond the end.
    ["0c" + "000000" + "03" + "0100", {}, 100, "key length -2"],
    ["0c" + "000000" + "06" + "0100", {}, 100, "Cannot read 3 bytes"],
    ["0c" + "000000" + "01" + "0300", {}, 100, "value length -2"],
    ["0c" + "000000" + "01" + "0400", {}, 100, "Cannot read 2 bytes"],
    ["0c" + "000000" + "0101" + "01", {}, 100, "-1 headers"],
    ["0c" + "000000" + "0101" + "02", {}, 100, "1 headers"],
    ["10" + "000000" + "0101" + "02" + "0101", {}, 100, "Cannot read -1 bytes"],
    ["10" + "000000" + "0101" + "02" + "0003", {}, 100, "header value length -2"],
    // The record's length and its fields disagree.
    ["0e" + "00000001010000", {}, 100, "length 7, but its fields take 6"],
    ["0c" + "0000000101" + "02" + "0001", {}, 100, "length 6, but its fields take 8"],
    // Offsets and timestamps.
    ["0c" + "0000" + "01" + "010100", {}, 100, "offset delta -1 after -1"],
    ["0c" + "0000" + "02" + "010100", {}, 100, "offset delta 1 after -1 of 0"],
    [EMPTY_RECORD + EMPTY_RECORD, { recordsCount: 2 }, 101, "offset delta 0 after 0"],
    [
      "1a" + "00" + "feffffffffffff1f" + "00010100",
      { baseTimestamp: 2 ** 52 },
      100,
      "timestamp delta",
    ],
    // The batch's count and its content disagree.
    [EMPTY_RECORD, { recordsCount: 2 }, 101, "Cannot read 1 bytes"],
    [EMPTY_RECORD + EMPTY_RECORD_AT_1, {}, 101, "7 bytes follow the last record"],
    ["", { recordsCount: -5 }, 100, "0 bytes follow the last record"],
  ];
  for (const [records, fields, offset, reason] of cases) {
    const batch = batchAround(records, fields);
    const error = assertThrows(() => decodeRecords(batch), CorruptRecordError, reason);
    assertEquals((error as CorruptRecordError).offset, offset, reason);
  }
});

Deno.test("record: nothing past the batch is read, whatever follows it", () => {
  const { source } = batchAround("0c" + "000000" + "01" + "08" + "00");
  const withMore = new Uint8Array(source.length + 100);
  withMore.set(source);
  assertThrows(() => decodeRecords(new BatchView(withMore)), CorruptRecordError, "are left");
});

Deno.test("record: random records never crash, hang or read past the batch", () => {
  const mostlySmall = fc.oneof({ weight: 4, arbitrary: fc.nat(20) }, fc.nat(255));
  const body = fc.array(mostlySmall, { maxLength: 120 });
  const attributes = fc.nat(BATCH_ATTRIBUTE.compressionMask);
  const counts = fc.oneof(fc.integer({ min: -2, max: 8 }), fc.integer());
  fc.assert(
    fc.property(body, attributes, counts, (values, attributes, recordsCount) => {
      const batch = batchAround(Uint8Array.from(values).toHex(), {
        attributes,
        recordsCount,
        lastOffsetDelta: 2 ** 31 - 1,
      });
      try {
        decodeRecords(batch, 10_000);
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof CompressionError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("record: one changed byte of sound records gives records or an error, never a hang", () => {
  const builder = new RecordBatchBuilder(new Uint8Array(400));
  const headers = [{ key: "name", value: "text" }, { key: "none", value: null }];
  for (let index = 0; index < 4; index++) {
    builder.tryAppend(index, `key-${index}`, "value", headers);
  }
  const bytes = builder.build();
  for (let position = BATCH_FIELD.attributes; position < bytes.length; position++) {
    for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
      const changed = bytes.slice();
      changed[position] = value;
      try {
        decodeRecords(new BatchView(changed), 10_000);
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof CompressionError)) throw error;
      }
    }
  }
});
