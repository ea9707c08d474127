import { assert, assertEquals } from "@std/assert";
import type { Compression } from "../../storage/compression.ts";
import { UNLIMITED } from "../../storage/log_config.ts";
import { prepareProducedBatch, type ProducedRecordRules } from "../../storage/produced_records.ts";
import { BatchView, sealBatch } from "../../storage/record_batch.ts";
import { validateProducedBatch } from "../../storage/record_batch_validation.ts";
import { decodeRecords } from "../../storage/record.ts";
import { keyedBatch } from "./compaction_fixture.ts";
import { makeBatch, NOW } from "./log_fixture.ts";

const RULES: ProducedRecordRules = {
  compression: { type: "producer", level: undefined },
  keysRequired: false,
  timestampType: "CreateTime",
  timestampBeforeMaxMs: UNLIMITED,
  timestampAfterMaxMs: 3_600_000,
  decompressedBytesMax: 1 << 20,
};

const CODECS: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const VALUES = Array.from({ length: 40 }, (_, index) => `value ${index % 3}`);

function plain(batch: BatchView): unknown[] {
  const text = new TextDecoder();
  return decodeRecords(batch).map((
    { key, value, ...rest },
  ) => [rest, text.decode(key!), text.decode(value!)]);
}

Deno.test("produced records: a batch that nothing asks to be looked into passes untouched", () => {
  const bytes = makeBatch({ values: ["a", "b"], compression: "gzip" });
  assertEquals(prepareProducedBatch(bytes, RULES, NOW), { kind: "untouched" });
  const same = { ...RULES, compression: { type: "gzip", level: 9 } } as const;
  assertEquals(prepareProducedBatch(bytes, same, NOW), { kind: "untouched" });
});

Deno.test("produced records: from any codec to any other, the records and the rest are the same", () => {
  for (const from of CODECS) {
    for (const type of CODECS) {
      const producer = { producerId: 7, producerEpoch: 1, baseSequence: 3, isTransactional: true };
      const bytes = makeBatch({ values: VALUES, compression: from, ...producer });
      const rules = { ...RULES, compression: { type, level: undefined } };
      const prepared = prepareProducedBatch(bytes, rules, NOW);
      if (from === type) {
        assertEquals(prepared.kind, "untouched");
        continue;
      }
      assert(prepared.kind === "recoded");
      const { records } = prepared;
      const limits = { batchBytesMax: 1 << 20 };
      assertEquals(validateProducedBatch(records, 0, records.length, limits), null);
      const [was, is] = [new BatchView(bytes), new BatchView(records)];
      assertEquals(is.compression, type);
      assertEquals(plain(is), plain(was));
      for (
        const field of [
          "producerId",
          "producerEpoch",
          "baseSequence",
          "isTransactional",
          "baseTimestamp",
          "maxTimestamp",
          "recordsCount",
        ] as const
      ) assertEquals(is[field], was[field]);
    }
  }
});

Deno.test("produced records: a level says how hard it is tried", () => {
  const values = Array.from({ length: 200 }, (_, index) => `${index * 7919 % 1000}`.repeat(9));
  const bytes = makeBatch({ values });
  const sizes = [1, 9].map((level) => {
    const rules = { ...RULES, compression: { type: "gzip", level } } as const;
    const prepared = prepareProducedBatch(bytes, rules, NOW);
    return prepared.kind === "recoded" ? prepared.records.length : -1;
  });
  assert(sizes[1]! > 0 && sizes[1]! < sizes[0]!, String(sizes));
});

Deno.test("produced records: a compacted topic names the records that have no key", () => {
  const rules = { ...RULES, keysRequired: true };
  for (const compression of CODECS) {
    const good = keyedBatch([["a", "1"], ["", null]], { compression });
    assertEquals(prepareProducedBatch(good, rules, NOW).kind, "untouched");
    const bad = keyedBatch([["a", "1"], [null, "2"], ["b", "3"], [null, "4"]], { compression });
    const refused = prepareProducedBatch(bad, rules, NOW);
    assert(refused.kind === "refused");
    assertEquals(refused.error, "INVALID_RECORD");
    const message = "Compacted topic cannot accept message without key";
    assertEquals(refused.recordErrors, [{ batchIndex: 1, message }, { batchIndex: 3, message }]);
  }
});

Deno.test("produced records: times out of bounds are told one by one, each bound by itself", () => {
  const rules = { ...RULES, timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 500 };
  const check = (timestamps: number[], more: Partial<ProducedRecordRules> = {}) => {
    const values = timestamps.map(String);
    const prepared = prepareProducedBatch(makeBatch({ values, timestamps }), {
      ...rules,
      ...more,
    }, NOW);
    if (prepared.kind !== "refused") return [];
    assertEquals(prepared.error, "INVALID_TIMESTAMP");
    return prepared.recordErrors.map(({ batchIndex }) => batchIndex);
  };
  assertEquals(check([NOW - 1000, NOW, NOW + 500]), []);
  assertEquals(check([NOW, NOW - 1001, NOW, NOW + 501]), [1, 3]);
  // The broker's own time is never out of bounds, and a record without one neither.
  assertEquals(check([NOW, NOW - 1001], { timestampType: "LogAppendTime" }), []);
  assertEquals(check([-1]), []);
});

Deno.test("produced records: what cannot be read, or becomes too large, is refused", () => {
  const rules = { ...RULES, keysRequired: true };
  const broken = makeBatch({ values: ["a", "b"] });
  broken[61] = 2;
  sealBatch(broken, 0);
  const refused = prepareProducedBatch(broken, rules, NOW);
  assert(refused.kind === "refused");
  assertEquals([refused.error, refused.recordErrors], ["INVALID_RECORD", []]);
  const garbled = makeBatch({ values: VALUES, compression: "gzip" });
  garbled.fill(0, 70, 80);
  assertEquals(prepareProducedBatch(garbled, rules, NOW).kind, "refused");
  for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
    const bomb = makeBatch({ values: ["x".repeat(5000)], compression });
    const tooLarge = prepareProducedBatch(bomb, { ...rules, decompressedBytesMax: 1000 }, NOW);
    assert(tooLarge.kind === "refused");
    assertEquals(tooLarge.error, "MESSAGE_TOO_LARGE");
  }
});

Deno.test("produced records: no batch takes more offsets than it has bytes, or than it has records", () => {
  const many = Array.from({ length: 2000 }, () => "");
  for (const compression of CODECS) {
    // Honest, and so alike that most records take less than a byte.
    const honest = makeBatch({ values: many, compression });
    assertEquals(prepareProducedBatch(honest, RULES, NOW), { kind: "untouched" });
    // A few bytes that speak for 2^31 - 1 records.
    const bytes = makeBatch({ values: ["a"], compression });
    const view = new DataView(bytes.buffer);
    view.setInt32(23, 0x7ffffffe);
    view.setInt32(57, 0x7fffffff);
    sealBatch(bytes, 0);
    const fault = validateProducedBatch(bytes, 0, bytes.length, { batchBytesMax: 1 << 20 });
    const prepared = prepareProducedBatch(bytes, RULES, NOW);
    assertEquals(fault === null, compression !== "none");
    assert(prepared.kind === "refused");
    assertEquals([prepared.error, prepared.recordErrors], ["INVALID_RECORD", []]);
  }
});
