import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { NATIVE_HANDSHAKE } from "../../net/handshake.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { PRODUCE } from "../../net/messages/produce.ts";
import { APIS, NODE_APIS } from "../../net/messages/table.ts";
import {
  encodeRequest,
  encodeResponse,
  EnvelopeReader,
  MalformedMessageError,
} from "../../net/msgpack.ts";
import { type Api, api, make, struct, type Table } from "../../net/schema.ts";
import { messages, versionsOf } from "./arbitraries.ts";
import { damaged } from "./damage.ts";
import { EVERY_TYPE } from "./every_type.ts";
import { framed, frameOf, written } from "./wire.ts";

const EVERY: Api = {
  ...api({
    key: 77,
    name: "Every",
    versions: "0-2",
    flexibleVersions: "1+",
    request: struct({}),
    response: struct({}),
  }),
  request: EVERY_TYPE,
  response: EVERY_TYPE,
};

const ALL: readonly Api[] = [...APIS, ...NODE_APIS, NATIVE_HANDSHAKE, EVERY];

const unpackr = new Unpackr({ useRecords: false, int64AsType: "number" });
const packr = new Packr({ useRecords: false });

/** The frame without its length; requests and responses look alike but for the key's sign. */
function encoded(api: Api, table: Table, version: number, message: unknown): Uint8Array {
  const bytes = written((target) => {
    const correlationId = 1_000_000;
    if (table === api.request) encodeRequest(target, api, version, correlationId, message);
    else encodeResponse(target, api, version, correlationId, message);
  });
  return bytes.slice(4);
}

function decoded(table: Table, payload: Uint8Array): unknown {
  const reader = new EnvelopeReader();
  reader.open(frameOf(framed(payload)));
  return reader.message(table);
}

/** A frame whose envelope is whatever msgpackr makes of the values. */
function packed(
  values: readonly unknown[],
  attachments: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const envelope = packr.pack(values);
  const payload = new Uint8Array(4 + envelope.length + attachments.length);
  new DataView(payload.buffer).setUint32(0, envelope.length);
  payload.set(envelope, 4);
  payload.set(attachments, 4 + envelope.length);
  return payload;
}

function envelopeOf(payload: Uint8Array): unknown[] {
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  return unpackr.unpack(payload.slice(4, 4 + length));
}

for (const api of ALL) {
  Deno.test(`msgpack: ${api.name} comes back as it was sent, in every version`, () => {
    for (const table of [api.request, api.response]) {
      for (const version of versionsOf(table)) {
        fc.assert(
          fc.property(messages(table, version), (message) => {
            const payload = encoded(api, table, version, message);
            assertEquals(decoded(table, payload), message, `${table.name} version ${version}`);
          }),
          { numRuns: 12 },
        );
      }
    }
  });
}

Deno.test("msgpack: damaged bytes give a typed error or a message that can be sent again", () => {
  let refused = 0;
  let accepted = 0;
  for (const api of ALL) {
    for (const table of [api.request, api.response]) {
      for (const version of versionsOf(table)) {
        const payloads = damaged(
          messages(table, version).map((message) => encoded(api, table, version, message)),
        );
        fc.assert(
          fc.property(payloads, (payload) => {
            const reader = new EnvelopeReader();
            let message: unknown;
            try {
              if (reader.open(frameOf(framed(payload))).apiVersion !== version) return;
              message = reader.message(table);
            } catch (error) {
              assertInstanceOf(error, MalformedMessageError);
              refused++;
              return;
            }
            accepted++;
            // Whatever is let in is valid, so it can be encoded.
            encoded(api, table, version, message);
          }),
          { numRuns: 15 },
        );
      }
    }
  }
  assert(refused > 1000 && accepted > 50, `refused ${refused}, accepted ${accepted}`);
});

Deno.test("msgpack: bytes of chance are refused with a typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: "max" }), (payload) => {
      assertThrows(() => decoded(FETCH.request, payload), MalformedMessageError);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("msgpack: msgpackr reads every envelope that is written here", () => {
  for (const api of ALL) {
    for (const version of versionsOf(api.request)) {
      fc.assert(
        fc.property(messages(api.request, version), (message) => {
          const values = envelopeOf(encoded(api, api.request, version, message));
          assertEquals(values.slice(0, 3), [api.key, version, 1_000_000]);
          assertEquals(decoded(api.request, repacked(values, api, version, message)), message);
        }),
        { numRuns: 5 },
      );
    }
  }
});

/** What msgpackr makes of the values, with the attachments of the message encoded here. */
function repacked(values: readonly unknown[], api: Api, version: number, message: unknown) {
  const payload = encoded(api, api.request, version, message);
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  return packed(values, payload.slice(4 + length));
}

Deno.test("msgpack: the bytes of a request are those written down here", () => {
  const request = make(FETCH.request, {
    replicaState: { replicaId: 2, replicaEpoch: 300 },
    maxWaitMs: 500,
    topics: [{
      topicId: "mE8kYx1dQqWqH0dJt1v3Bg",
      partitions: [{ partition: 1, fetchOffset: 2 ** 33, partitionMaxBytes: 65536 }],
    }],
  });
  const payload = encoded(FETCH, FETCH.request, 17, request);
  const expected = [
    "00000046", // the length of the envelope
    "9f", // an array of four and eleven elements
    "01", // the key
    "11", // the version
    "ce000f4240", // the correlation id
    "90", // no attachments
    "c0", // clusterId: its default
    "9202cd012c", // replicaState
    "cd01f4", // maxWaitMs
    "00", // minBytes
    "ce7fffffff", // maxBytes
    "00", // isolationLevel
    "00", // sessionId
    "ff", // sessionEpoch
    "91", // topics
    "92c410984f24631d5d42a5aa1f4749b75bf706", // topicId
    "91", // partitions
    "97", // partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, logStartOffset,
    "01ffcf0000000200000000ffff", // partitionMaxBytes
    "ce00010000",
    "c0", // replicaDirectoryId: zero
    "90", // forgottenTopicsData
    "a0", // rackId
  ].join("");
  assertEquals(payload.toHex(), expected);
});

Deno.test("msgpack: records travel behind the envelope, in order, uncopied when decoded", () => {
  const request = make(PRODUCE.request, {
    acks: -1,
    topicData: [{
      name: "orders",
      partitionData: [
        { index: 0, records: new Uint8Array(100_000).fill(1) },
        { index: 1, records: null },
        { index: 2, records: new Uint8Array(0) },
        { index: 3, records: Uint8Array.of(2, 3) },
      ],
    }],
  });
  const payload = encoded(PRODUCE, PRODUCE.request, 11, request);
  assertEquals(envelopeOf(payload)[3], [100_000, 0, 2]);
  assertEquals(payload.slice(-2), Uint8Array.of(2, 3));
  const frame = frameOf(framed(payload));
  const reader = new EnvelopeReader();
  assertEquals(reader.open(frame), {
    kind: "request",
    apiKey: 0,
    apiVersion: 11,
    correlationId: 1_000_000,
  });
  const message = reader.message(PRODUCE.request);
  assertEquals(message, request);
  const records = message.topicData[0]!.partitionData[0]!.records!;
  assert(records.buffer === frame.source.buffer);
});

Deno.test("msgpack: a response is known by the complement of its key", () => {
  const payload = encoded(METADATA, METADATA.response, 12, make(METADATA.response, {}));
  assertEquals(envelopeOf(payload)[0], ~3);
  const header = new EnvelopeReader().open(frameOf(framed(payload)));
  assertEquals([header.kind, header.apiKey], ["response", 3]);
});

function partition(values: readonly unknown[]): unknown[] {
  return [1, 12, 7, [], null, -1, 500, 1, 1, 0, 0, -1, [["t", [values]]], [], ""];
}

function refusal(table: Table, payload: Uint8Array): string {
  return assertThrows(() => decoded(table, payload), MalformedMessageError).message;
}

Deno.test("msgpack: a refusal names the message, the version, the field and the reason", () => {
  const message = "Cannot decode FetchRequest version 12: field topics[0].partitions[0].";
  for (
    const [values, reason] of [
      [[0, 0, 0, 0, 0, 2 ** 31], "partitionMaxBytes: 2147483648 is no int32"],
      [[0, 0, 2 ** 53, 0, 0, 0], "fetchOffset: 9007199254740992 is no int64"],
      [[0, 0, 1.5, 0, 0, 0], "fetchOffset: 1.5 is no int64"],
      [[0, 0, NaN, 0, 0, 0], "fetchOffset: NaN is no int64"],
      [[0, null, 0, 0, 0, 0], "currentLeaderEpoch: null is not allowed"],
      [["0", 0, 0, 0, 0, 0], "partition: 0xa1 begins no int32"],
      [[{}, 0, 0, 0, 0, 0], "partition: 0xde begins no int32"],
      [[new Date(0), 0, 0, 0, 0, 0], "partition: 0xd6 begins no int32"],
      [[[[[]]], 0, 0, 0, 0, 0], "partition: 0x91 begins no int32"],
    ] as const
  ) assertEquals(refusal(FETCH.request, packed(partition(values))), message + reason);
  assertEquals(
    refusal(FETCH.request, packed(partition([0, 0, 0, 0, 0, 0, 0]))),
    message.slice(0, -1) + ": 7 fields are there, where 6 are due",
  );
});

Deno.test("msgpack: elements too many or too few, and bytes behind, are refused", () => {
  const whole = partition([0, 0, 0, 0, 0, 0]);
  const prefix = "Cannot decode FetchRequest version 12: ";
  assertEquals(decoded(FETCH.request, packed(whole)) instanceof Object, true);
  assertEquals(
    refusal(FETCH.request, packed([...whole, 0])),
    `${prefix}12 fields are there, where 11 are due`,
  );
  assertEquals(
    refusal(FETCH.request, packed(whole.slice(0, -1))),
    `${prefix}10 fields are there, where 11 are due`,
  );
  const behind = packed(whole, Uint8Array.of(9));
  assertEquals(
    refusal(FETCH.request, behind),
    "Cannot decode envelope version 0: 1 bytes follow the attachments",
  );
  // A byte between the array and the end of the envelope.
  new DataView(behind.buffer).setUint32(0, behind.length - 4);
  assertEquals(refusal(FETCH.request, behind), `${prefix}1 bytes follow the message`);
});

Deno.test("msgpack: attachments must be there, add up, and be used once each, in order", () => {
  const produce = (sizes: readonly number[], ...records: unknown[]) =>
    packed(
      [0, 11, 7, sizes, null, -1, 0, [["t", records.map((record, index) => [index, record])]]],
      new Uint8Array(10),
    );
  const cases: [Uint8Array, string][] = [
    [produce([4, 6], 1, 0), "records: attachment 1 is not the next one, 0"],
    [produce([4, 6], 0, 0), "records: attachment 0 is not the next one, 1"],
    [produce([10], 0, 1), "records: there is no attachment 1"],
    [produce([4, 6], 0), "1 attachments belong to no field"],
    [produce([4, 5], 0, 1), "1 bytes follow the attachments"],
    [produce([4, 7], 0, 1), "an attachment of 7 bytes, where 6 are left"],
    [produce([4, -6], 0, 1), "-6 is no uint32"],
  ];
  for (const [payload, reason] of cases) {
    assert(refusal(PRODUCE.request, payload).endsWith(reason), refusal(PRODUCE.request, payload));
  }
  decoded(PRODUCE.request, produce([4, 6], 0, null, 1));
});

Deno.test("msgpack: a claim of many elements allocates nothing", () => {
  const payload = packed(partition([0, 0, 0, 0, 0, 0]));
  const bytes = payload.slice();
  // An array of four billion elements in the place of `topics`.
  const at = bytes.indexOf(0x91);
  bytes.set([0xdd, 0xff, 0xff, 0xff, 0xff], at);
  assert(refusal(FETCH.request, bytes).includes("topics: 4294967295 elements are due"));
});

Deno.test("msgpack: text that is not UTF-8, and a uuid of 15 bytes, are refused", () => {
  const fetch13 = (topicId: unknown, rack: unknown) =>
    packed([1, 13, 7, [], null, -1, 0, 0, 0, 0, 0, -1, [[topicId, []]], [], rack]);
  const id = new Uint8Array(16).fill(9);
  assertEquals((decoded(FETCH.request, fetch13(id, "r")) as { rackId: string }).rackId, "r");
  assert(refusal(FETCH.request, fetch13(id.slice(1), "")).includes("15 bytes are no uuid"));
  const bad = fetch13(id, "XY");
  bad.set([0xc3, 0x28], bad.length - 2);
  assert(refusal(FETCH.request, bad).endsWith("field rackId: the text is not UTF-8"));
  assert(refusal(FETCH.request, fetch13(id, "x".repeat(32768))).includes("over 32767"));
});

Deno.test("msgpack: what cannot be encoded is refused, and queues nothing", () => {
  const cases: [number, Parameters<typeof make<typeof FETCH.request>>[1] | object, string][] = [
    [17, { maxWaitMs: 2 ** 31 }, "maxWaitMs: 2147483648 is no int32"],
    [17, { maxWaitMs: 0.5 }, "maxWaitMs: 0.5 is no int32"],
    [17, { topics: [{ topicId: "short" }] }, 'topics[0].topicId: "short" is no uuid'],
    [17, { rackId: "\ud800" }, "rackId: the text holds a lone surrogate"],
    [17, { rackId: "é".repeat(20000) }, "rackId: the text has 40000 bytes, over 32767"],
    [4, { forgottenTopicsData: [{}] }, "forgottenTopicsData: this version lacks the field"],
    [14, { replicaState: { replicaEpoch: 1 } }, "replicaState: this version lacks the field"],
  ];
  for (const [version, draft, reason] of cases) {
    const message = make(FETCH.request, draft as object);
    const target = written((target) => {
      const error = assertThrows(
        () => encodeRequest(target, FETCH, version, 0, message),
        MalformedMessageError,
      );
      assert(
        error.message.startsWith(`Cannot encode FetchRequest version ${version}: field ${reason}`),
        error.message,
      );
    });
    assertEquals(target.length, 0);
  }
});

Deno.test("msgpack: a field that the version lacks is dropped if it is ignorable", () => {
  const request = make(FETCH.request, { rackId: "near" });
  const payload = encoded(FETCH, FETCH.request, 4, request);
  assertEquals(decoded(FETCH.request, payload), make(FETCH.request, {}));
});

Deno.test("msgpack: a version that the table lacks is refused as a bug of the caller", () => {
  assertThrows(
    () => written((t) => encodeRequest(t, FETCH, 3, 0, make(FETCH.request, {}))),
    RangeError,
  );
  assertThrows(() => decoded(FETCH.request, packed([1, 18, 0, []])), RangeError);
});
