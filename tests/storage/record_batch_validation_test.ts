import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import { BATCH_FIELD, BATCH_HEADER_BYTES, sealBatch } from "../../storage/record_batch.ts";
import { type BatchOptions, RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import {
  type BatchFaultKind,
  checkBatch,
  type ProducedBatchLimits,
  validateProducedBatch,
} from "../../storage/record_batch_validation.ts";

const LIMITS = { batchBytesMax: 1024 };

function batchOf(values: readonly string[], options: BatchOptions = {}): Uint8Array {
  const builder = new RecordBatchBuilder(new Uint8Array(4096));
  for (const value of values) builder.tryAppend(1000, "key", value);
  return builder.build(options).slice();
}

/** A batch with one field overwritten by big-endian bytes; the checksum is right again. */
function patched(field: keyof typeof BATCH_FIELD, hex: string, bytes = batchOf(["a", "b"])) {
  bytes.set(Uint8Array.fromHex(hex), BATCH_FIELD[field]);
  sealBatch(bytes, 0);
  return bytes;
}

function validate(bytes: Uint8Array, limits: ProducedBatchLimits = LIMITS) {
  return validateProducedBatch(bytes, 0, bytes.length, limits);
}

Deno.test("batch validation: takes what a producer sends, idempotent, transactional or neither", () => {
  assertEquals(validate(batchOf(["a"])), null);
  assertEquals(validate(batchOf(["a", "b"], { compression: "gzip" })), null);
  const stamp = { producerId: 0, producerEpoch: 0, baseSequence: 0 };
  assertEquals(validate(batchOf(["a"], stamp)), null);
  assertEquals(validate(batchOf(["a"], { ...stamp, isTransactional: true })), null);
});

Deno.test("batch validation: names the first fault of what a producer must not send", () => {
  const maxLong = "7fffffffffffffff";
  const faults: [Uint8Array, BatchFaultKind, string][] = [
    [new Uint8Array(0), "CORRUPT_MESSAGE", "0 bytes, a header takes 61"],
    [batchOf(["a"]).subarray(0, 60), "CORRUPT_MESSAGE", "60 bytes, a header takes 61"],
    [batchOf(["a"]).subarray(0, 70), "CORRUPT_MESSAGE", "there are 70"],
    [patched("magic", "00"), "UNSUPPORTED_FOR_MESSAGE_FORMAT", "magic 0"],
    [patched("magic", "01"), "UNSUPPORTED_FOR_MESSAGE_FORMAT", "magic 1"],
    [patched("magic", "01").subarray(0, 17), "UNSUPPORTED_FOR_MESSAGE_FORMAT", "magic 1"],
    [patched("magic", "03"), "CORRUPT_MESSAGE", "magic 3"],
    [patched("magic", "ff"), "CORRUPT_MESSAGE", "magic 255"],
    [batchOf(["a".repeat(1000)]), "MESSAGE_TOO_LARGE", "limit 1024"],
    [patched("baseOffset", "0000000000000001"), "INVALID_RECORD", "base offset 1, must be 0"],
    [patched("baseOffset", maxLong), "INVALID_RECORD", "above 2^53"],
    [patched("baseTimestamp", maxLong), "INVALID_RECORD", "above 2^53"],
    [patched("maxTimestamp", maxLong), "INVALID_RECORD", "above 2^53"],
    [patched("producerId", maxLong), "INVALID_RECORD", "above 2^53"],
    [patched("attributes", "0005"), "UNSUPPORTED_COMPRESSION_TYPE", "codec 5"],
    [patched("attributes", "0007"), "UNSUPPORTED_COMPRESSION_TYPE", "codec 7"],
    [patched("attributes", "0040"), "INVALID_RECORD", "unused bits"],
    [patched("attributes", "0080"), "INVALID_RECORD", "unused bits"],
    [patched("attributes", "8000"), "INVALID_RECORD", "0x8000 set unused bits"],
    [patched("attributes", "0020"), "INVALID_RECORD", "control batches"],
    [patched("attributes", "0008"), "INVALID_TIMESTAMP", "LogAppendTime"],
    [patched("attributes", "0010"), "INVALID_RECORD", "without producer id"],
    [patched("recordsCount", "00000000"), "INVALID_RECORD", "0 records"],
    [patched("recordsCount", "ffffffff"), "INVALID_RECORD", "-1 records"],
    [patched("recordsCount", "00000003"), "INVALID_RECORD", "last offset delta 1"],
    [patched("lastOffsetDelta", "00000000"), "INVALID_RECORD", "last offset delta 0"],
    [
      patched("recordsCount", "00000010", patched("lastOffsetDelta", "0000000f")),
      "INVALID_RECORD",
      "16 records cannot fit",
    ],
    [patched("producerId", "fffffffffffffffe"), "INVALID_RECORD", "producer id -2"],
    [patched("producerId", "0000000000000005"), "INVALID_RECORD", "producer epoch -1"],
    [
      patched("producerEpoch", "0000", patched("producerId", "0000000000000005")),
      "INVALID_RECORD",
      "producer 5 with sequence -1",
    ],
  ];
  for (const [bytes, kind, reason] of faults) {
    const fault = validate(bytes);
    assertEquals(fault?.kind, kind, reason);
    assertStringIncludes(fault!.reason, reason);
  }
});

Deno.test("batch validation: a producer sends exactly one batch", () => {
  const one = batchOf(["a"]);
  const two = new Uint8Array(2 * one.length);
  two.set(one, 0);
  two.set(one, one.length);
  const fault = validateProducedBatch(two, 0, two.length, LIMITS);
  assertEquals(fault?.kind, "INVALID_RECORD");
  assertStringIncludes(fault!.reason, `${one.length} bytes follow`);
  assertEquals(validateProducedBatch(two, one.length, two.length, LIMITS), null);
  assertEquals(checkBatch(two, 0, two.length), null);
});

Deno.test("batch validation: coordinators may write control batches, without a sequence", () => {
  const marker = buildTransactionMarker({
    kind: "COMMIT",
    producerId: 1,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 1000,
  });
  assertEquals(validate(marker, { ...LIMITS, allowControl: true }), null);
  assertEquals(validate(marker)?.kind, "INVALID_RECORD");
});

Deno.test("batch validation: what a leader has stamped is sound for a follower", () => {
  const bytes = patched("baseOffset", "0000000000000100", patched("attributes", "0048"));
  assertEquals(checkBatch(bytes, 0, bytes.length), null);
});

Deno.test("batch validation: any single bit turned over under the checksum is found", () => {
  const bytes = batchOf(["some value", "another"], { compression: "none" });
  for (let position = BATCH_FIELD.crc; position < bytes.length; position++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[position]! ^= 1 << bit;
      assertEquals(checkBatch(bytes, 0, bytes.length)?.kind, "CORRUPT_MESSAGE");
      bytes[position]! ^= 1 << bit;
    }
  }
  assertEquals(checkBatch(bytes, 0, bytes.length), null);
});

Deno.test("batch validation: any truncation is found", () => {
  const bytes = batchOf(["some value", "another"]);
  for (let length = 0; length < bytes.length; length++) {
    assertEquals(checkBatch(bytes, 0, length)?.kind, "CORRUPT_MESSAGE");
    assertEquals(checkBatch(bytes.slice(0, length), 0, length)?.kind, "CORRUPT_MESSAGE");
  }
});

Deno.test("batch validation: never throws, whatever the bytes and whatever the header says", () => {
  const header = fc.uint8Array({ minLength: BATCH_HEADER_BYTES, maxLength: 200 });
  fc.assert(
    fc.property(header, fc.boolean(), (bytes, isSealed) => {
      bytes[BATCH_FIELD.magic] = 2;
      if (isSealed) {
        // Past length and checksum, so that the fields are looked at.
        new DataView(bytes.buffer).setInt32(BATCH_FIELD.batchLength, bytes.length - 12);
        sealBatch(bytes, 0);
      }
      validate(bytes);
      checkBatch(bytes, 0, bytes.length);
    }),
    { numRuns: 2000 },
  );
});
