/**
 * Batches that other implementations of the format wrote. Each file in golden/ names its origin and
 * lists the records that all of its batches hold.
 */

import { assertEquals } from "@std/assert";
import type { Compression } from "../../storage/compression.ts";
import { decodeRecords } from "../../storage/record.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { validateProducedBatch } from "../../storage/record_batch_validation.ts";
import kafkaPython from "./golden/kafka_python.json" with { type: "json" };
import kafkajs from "./golden/kafkajs.json" with { type: "json" };
import platformatic from "./golden/platformatic_kafka.json" with { type: "json" };

interface GoldenRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [key: string, value: string | null])[];
}

interface GoldenFile {
  readonly source: string;
  readonly records: readonly GoldenRecord[];
  readonly batches: readonly {
    readonly name: string;
    readonly compression: Compression;
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly baseSequence: number;
    readonly isTransactional: boolean;
    readonly hex: string;
  }[];
}

// JSON has no types of its own: pairs come in as arrays, names as any text.
const files = [kafkaPython, kafkajs, platformatic] as unknown as readonly GoldenFile[];

function toBytes(hex: string | null): Uint8Array | null {
  return hex === null ? null : Uint8Array.fromHex(hex);
}

function toHex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : bytes.toHex();
}

for (const { source, records, batches } of files) {
  for (const golden of batches) {
    const bytes = Uint8Array.fromHex(golden.hex);

    Deno.test(`golden batches: reads ${golden.name} of ${source}`, () => {
      const limits = { batchBytesMax: bytes.length };
      assertEquals(validateProducedBatch(bytes, 0, bytes.length, limits), null);
      const batch = new BatchView(bytes);
      assertEquals(batch.sizeInBytes, bytes.length);
      assertEquals(batch.compression, golden.compression);
      assertEquals(batch.producerId, golden.producerId);
      assertEquals(batch.producerEpoch, golden.producerEpoch);
      assertEquals(batch.baseSequence, golden.baseSequence);
      assertEquals(batch.isTransactional, golden.isTransactional);
      assertEquals(batch.isControl, false);
      assertEquals(batch.recordsCount, records.length);
      assertEquals(batch.baseTimestamp, records[0]!.timestamp);
      assertEquals(batch.maxTimestamp, Math.max(...records.map(({ timestamp }) => timestamp)));

      const decoded = decodeRecords(batch).map(({ key, value, headers, ...rest }) => ({
        ...rest,
        key: toHex(key),
        value: toHex(value),
        headers: headers.map((header) => [header.key, toHex(header.value)]),
      }));
      assertEquals(decoded as unknown, records);
    });

    if (golden.compression !== "none") continue;
    Deno.test(`golden batches: writes the very bytes of ${golden.name} of ${source}`, () => {
      const builder = new RecordBatchBuilder(new Uint8Array(4096));
      for (const { timestamp, key, value, headers } of records) {
        const contents = headers.map(([key, value]) => ({ key, value: toBytes(value) }));
        builder.tryAppend(timestamp, toBytes(key), toBytes(value), contents);
      }
      const { producerId, producerEpoch, baseSequence, isTransactional } = golden;
      const { partitionLeaderEpoch } = new BatchView(bytes);
      const built = builder.build({
        producerId,
        producerEpoch,
        baseSequence,
        isTransactional,
        partitionLeaderEpoch,
      });
      assertEquals(built.toHex(), golden.hex);
    });
  }
}
