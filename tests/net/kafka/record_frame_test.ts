import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MalformedMessageError } from "../../../net/kafka/codec.ts";
import { decodeRecord, encodeRecord } from "../../../net/kafka/record_frame.ts";
import { FEATURE_LEVEL_RECORD } from "../../../net/messages/records/feature_level_record.ts";
import { METADATA_RECORDS } from "../../../net/messages/records/table.ts";
import { TOPIC_RECORD } from "../../../net/messages/records/topic_record.ts";
import { make, type RecordTable } from "../../../net/schema.ts";
import { messages, versionsOf } from "../arbitraries.ts";
import { damaged } from "../damage.ts";
import { goldenMessages } from "./golden.ts";

Deno.test("record frame: records come back as they were written, in every version", () => {
  for (const table of METADATA_RECORDS) {
    for (const version of versionsOf(table)) {
      fc.assert(
        fc.property(messages(table, version), (value) => {
          const bytes = encodeRecord(table, version, value);
          assertEquals(decodeRecord(bytes), { kind: table.name, version, value });
        }),
        { numRuns: 20 },
      );
    }
  }
});

Deno.test("record frame: bytes are those of Kafka's own controller, in every version", () => {
  let count = 0;
  for (const { table, version, message, bytes } of goldenMessages()) {
    if (!METADATA_RECORDS.some((record) => record === table)) continue;
    const record = table as RecordTable;
    assertEquals(encodeRecord(record, version, message).toHex(), bytes.toHex());
    assertEquals(decodeRecord(bytes), { kind: table.name, version, value: message });
    count++;
  }
  assert(count > 20);
});

Deno.test("record frame: damaged bytes give a typed error or a record that can be written", () => {
  const tables = new Map(METADATA_RECORDS.map((table) => [table.name, table]));
  const encoded = METADATA_RECORDS.flatMap((table) =>
    versionsOf(table).map((version) =>
      messages(table, version).map((value) => encodeRecord(table, version, value))
    )
  );
  fc.assert(
    fc.property(damaged(fc.oneof(...encoded)), (bytes) => {
      try {
        const { kind, version, value } = decodeRecord(bytes);
        encodeRecord(tables.get(kind)!, version, value);
      } catch (error) {
        assertInstanceOf(error, MalformedMessageError);
        assertEquals(error.operation, "decode");
      }
    }),
    { numRuns: 2000 },
  );
});

function refusal(hex: string): string {
  return assertThrows(() => decodeRecord(Uint8Array.fromHex(hex)), MalformedMessageError).message;
}

Deno.test("record frame: unknown types, versions and frames are refused by number and name", () => {
  const topic = encodeRecord(TOPIC_RECORD, 0, make(TOPIC_RECORD, { name: "t" })).toHex();
  assertEquals(topic.slice(0, 6), "010200");
  const because = "Cannot decode metadata record version";
  assertEquals(refusal("02" + topic.slice(2)), `${because} 0: the frame version is 2`);
  assertEquals(refusal("01ac0203"), `${because} 3: record type 300 is unknown`);
  assertEquals(refusal("010207"), `${because} 7: TopicRecord is known in versions 0 only`);
  assertEquals(
    refusal(topic + "00"),
    "Cannot decode TopicRecord version 0: 1 bytes follow the message",
  );
  assertEquals(refusal(""), `${because} 0: Cannot read 1 bytes at 0: 0 are left`);
});

Deno.test("record frame: the first record of a metadata log has the bytes that Kafka expects", () => {
  const value = make(FEATURE_LEVEL_RECORD, { name: "metadata.version", featureLevel: 20 });
  assertEquals(
    encodeRecord(FEATURE_LEVEL_RECORD, 0, value).toHex(),
    "010c00" + "11" + "6d657461646174612e76657273696f6e" + "0014" + "00",
  );
});
