import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeMessage, encodeMessage, MalformedMessageError } from "../../../net/kafka/codec.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { WRITE_TXN_MARKERS } from "../../../net/messages/write_txn_markers.ts";
import { METADATA_RECORDS } from "../../../net/messages/records/table.ts";
import { make, type Table } from "../../../net/schema.ts";
import { messages, versionsOf } from "../arbitraries.ts";
import { damaged } from "../damage.ts";
import { EVERY_TYPE } from "../every_type.ts";
import { goldenMessages, OWN_TABLES, TABLES } from "./golden.ts";

const ALL: readonly Table[] = [...TABLES, EVERY_TYPE];

Deno.test("kafka codec: every message comes back as it was sent, in every version", () => {
  for (const table of ALL) {
    for (const version of versionsOf(table)) {
      fc.assert(
        fc.property(messages(table, version), (message) => {
          const bytes = encodeMessage(table, version, message);
          assertEquals(decodeMessage(table, version, bytes), message, `${table.name} ${version}`);
        }),
        { numRuns: table === EVERY_TYPE ? 100 : 8 },
      );
    }
  }
});

/** Versions newer than the Kafka whose code made the golden bytes. */
const NEWER = ["WriteTxnMarkersRequest version 2", "WriteTxnMarkersResponse version 2"];

Deno.test("kafka codec: bytes are those of Kafka's own code, in every API and version", () => {
  const records = new Set<Table>(METADATA_RECORDS);
  const seen = new Set<string>();
  for (const { table, version, message, bytes } of goldenMessages()) {
    // Records are framed: that is the subject of record_frame_test.ts.
    if (records.has(table)) continue;
    const name = `${table.name} version ${version}`;
    assertEquals(encodeMessage(table, version, message).toHex(), bytes.toHex(), name);
    assertEquals(decodeMessage(table, version, bytes), message, name);
    seen.add(name);
  }
  for (const table of TABLES) {
    if (records.has(table) || OWN_TABLES.includes(table)) continue;
    for (const version of versionsOf(table)) {
      const name = `${table.name} version ${version}`;
      assert(seen.has(name) || NEWER.includes(name), name);
    }
  }
});

Deno.test("kafka codec: markers say the version of their transaction where they can (KIP-1228)", () => {
  const { request } = WRITE_TXN_MARKERS;
  const message = make(request, {
    markers: [{
      producerId: 1,
      producerEpoch: 2,
      transactionResult: true,
      topics: [{ name: "t", partitionIndexes: [3] }],
      coordinatorEpoch: 4,
      transactionVersion: 2,
    }],
  });
  // Markers; producer id and epoch; result; topics; coordinator epoch; version; no tagged fields.
  const before = "02" + "0000000000000001" + "0002" + "01" + "02" + "0274" + "02" + "00000003" +
    "00" + "00000004";
  assertEquals(encodeMessage(request, 2, message).toHex(), before + "02" + "00" + "00");
  assertEquals(encodeMessage(request, 1, message).toHex(), before + "00" + "00");
});

Deno.test("kafka codec: damaged bytes give a typed error or a message that can be sent again", () => {
  let refused = 0;
  let accepted = 0;
  for (const table of ALL) {
    for (const version of versionsOf(table)) {
      const encoded = messages(table, version).map((m) => encodeMessage(table, version, m));
      fc.assert(
        fc.property(damaged(encoded), (bytes) => {
          let message: unknown;
          try {
            message = decodeMessage(table, version, bytes);
          } catch (error) {
            assertInstanceOf(error, MalformedMessageError);
            refused++;
            return;
          }
          accepted++;
          encodeMessage(table, version, message);
        }),
        { numRuns: 12 },
      );
    }
  }
  assert(refused > 1000 && accepted > 300, `refused ${refused}, accepted ${accepted}`);
});

Deno.test("kafka codec: every end of the bytes but the right one is refused", () => {
  for (const { table, version, bytes } of goldenMessages()) {
    if (bytes.length > 200 || METADATA_RECORDS.some((record) => record === table)) continue;
    for (let length = 0; length < bytes.length; length++) {
      assertThrows(
        () => decodeMessage(table, version, bytes.slice(0, length)),
        MalformedMessageError,
      );
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    assertThrows(() => decodeMessage(table, version, longer), MalformedMessageError);
  }
});

Deno.test("kafka codec: unknown tagged fields are passed over", () => {
  // ApiVersions request 3: two empty compact strings, then tags 5 (two bytes) and 300 (none).
  const bytes = Uint8Array.fromHex("0101" + "02" + "0502abcd" + "ac0200");
  assertEquals(decodeMessage(API_VERSIONS.request, 3, bytes), make(API_VERSIONS.request, {}));
});

Deno.test("kafka codec: tagged fields that end early, late or past the bytes are refused", () => {
  const reasonOf = (hex: string) =>
    assertThrows(
      () =>
        decodeMessage(API_VERSIONS.response, 3, Uint8Array.fromHex("000001" + "00000000" + hex)),
      MalformedMessageError,
    ).reason;
  // Tag 1 is an int64.
  decodeMessage(
    API_VERSIONS.response,
    3,
    Uint8Array.fromHex("00000100000000" + "01" + "0108" + "00".repeat(8)),
  );
  assertEquals(
    reasonOf("01" + "0107" + "00".repeat(8)),
    "a tagged field ends 1 bytes past its size",
  );
  assertEquals(
    reasonOf("01" + "0109" + "00".repeat(9)),
    "a tagged field ends -1 bytes past its size",
  );
  assertEquals(reasonOf("01" + "0120" + "00"), "a tagged field has 32 bytes, where 1 are left");
  assertEquals(reasonOf("7f" + "0100"), "127 tagged fields are due, where 2 bytes are left");
});

Deno.test("kafka codec: a refusal names the field, in tags too", () => {
  const bytes = encodeMessage(
    FETCH.request,
    15,
    make(FETCH.request, { clusterId: "c", replicaState: { replicaEpoch: 1 } }),
  );
  const at = bytes.indexOf(0x63);
  const pathOf = (change: (bytes: Uint8Array) => void) => {
    const copy = bytes.slice();
    change(copy);
    return assertThrows(() => decodeMessage(FETCH.request, 15, copy), MalformedMessageError).path;
  };
  assertEquals(pathOf((copy) => copy[at] = 0xff), "clusterId");
  assertEquals(pathOf((copy) => copy[at + 1 + 2 + 4] = 0x7f), "replicaState.replicaEpoch");
  assertEquals(pathOf((copy) => copy[at + 2]!--), "replicaState");
});

Deno.test("kafka codec: a claim of many elements allocates nothing", () => {
  const plain = Uint8Array.fromHex("7fffffff");
  const flexible = Uint8Array.fromHex("ffffffff0f");
  for (const [version, bytes] of [[1, plain], [9, flexible]] as const) {
    const error = assertThrows(
      () => decodeMessage(METADATA.request, version, bytes),
      MalformedMessageError,
    );
    assertEquals(error.path, "topics");
    assert(error.reason.endsWith("elements are due, where 0 bytes are left"));
  }
});

Deno.test("kafka codec: an int64 beyond the safe integers is refused, not rounded", () => {
  const bytes = encodeMessage(
    FETCH.response,
    4,
    make(FETCH.response, {
      responses: [{ topic: "t", partitions: [{ highWatermark: 5 }] }],
    }),
  );
  const at = bytes.length - 4 - 4 - 8 - 8;
  assertEquals(new DataView(bytes.buffer).getBigInt64(at), 5n);
  new DataView(bytes.buffer).setBigInt64(at, 2n ** 53n);
  const error = assertThrows(
    () => decodeMessage(FETCH.response, 4, bytes),
    MalformedMessageError,
  );
  assertEquals(error.path, "responses[0].partitions[0].highWatermark");
  assertEquals(error.reason, "Cannot read int64 9007199254740992: no safe integer");
});

Deno.test("kafka codec: null where the version forbids it is refused in both directions", () => {
  const message = make(METADATA.request, { topics: null });
  assertThrows(() => encodeMessage(METADATA.request, 0, message), MalformedMessageError, "topics");
  const bytes = encodeMessage(METADATA.request, 1, message);
  assertEquals(decodeMessage(METADATA.request, 1, bytes), message);
  assertThrows(() => decodeMessage(METADATA.request, 0, bytes), MalformedMessageError, "topics");
});

Deno.test("kafka codec: records are views of the bytes, and large ones come out whole", () => {
  for (const size of [10, 65536, 262_143, 262_144, 300_000]) {
    const records = Uint8Array.from({ length: size }, (_, index) => index * 7);
    const message = make(PRODUCE.request, {
      topicData: [{
        name: "t",
        partitionData: [{ index: 1, records }, { index: 2, records }, { index: 3 }],
      }],
    });
    for (const version of [3, 11]) {
      const bytes = encodeMessage(PRODUCE.request, version, message);
      const back = decodeMessage(PRODUCE.request, version, bytes);
      assertEquals(back, message);
      assert(back.topicData[0]!.partitionData[0]!.records!.buffer === bytes.buffer);
    }
  }
});
