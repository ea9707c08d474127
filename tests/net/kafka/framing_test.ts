import { assert, assertEquals, assertThrows } from "@std/assert";
import { FrameReader } from "../../../net/frame_reader.ts";
import { FrameWriter } from "../../../net/frame_writer.ts";
import {
  correlationIdOf,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  readPrefix,
} from "../../../net/kafka/framing.ts";
import { MalformedMessageError } from "../../../net/kafka/codec.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { APIS } from "../../../net/messages/table.ts";
import { make } from "../../../net/schema.ts";
import { concat, drain, feed, framed, frameOf, pool, written } from "../wire.ts";
import { goldenLines } from "./golden.ts";

interface GoldenFrame {
  readonly kind: "request" | "response";
  readonly api: string;
  readonly version: number;
  readonly clientId: string | null;
  readonly hex: string;
}

Deno.test("kafka framing: headers are those of Kafka's own code", () => {
  for (
    const { kind, api: name, version, clientId, hex } of goldenLines<GoldenFrame>(
      "kafka_java_frames",
    )
  ) {
    const api = APIS.find((api) => api.name === name)!;
    const message = make(kind === "request" ? api.request : api.response, {} as never);
    const bytes = written((target) => {
      const header = { correlationId: 7, clientId };
      if (kind === "request") encodeRequest(target, api, version, header, message);
      else encodeResponse(target, api, version, 7, message);
    });
    assertEquals(bytes.toHex(), hex, `${kind} ${name} version ${version}`);
    const frame = frameOf(bytes);
    if (kind === "request") {
      const prefix = { apiKey: api.key, apiVersion: version, correlationId: 7 };
      assertEquals(readPrefix(frame), prefix);
      assertEquals(decodeRequest(frame, api), { ...prefix, clientId, request: message });
    } else {
      assertEquals(correlationIdOf(frame), 7);
      assertEquals(decodeResponse(frame, api, version), message);
    }
  }
});

Deno.test("kafka framing: tagged fields of a request header are passed over", () => {
  // Metadata 12 of client "c" with a header tag 9 of three bytes.
  const payload = Uint8Array.fromHex(
    "0003000c00000007" + "000163" + "010903aabbcc" + "00010000",
  );
  const { clientId, request } = decodeRequest(frameOf(framed(payload)), METADATA);
  assertEquals(clientId, "c");
  assertEquals(request, make(METADATA.request, { topics: null, allowAutoTopicCreation: true }));
});

Deno.test("kafka framing: frames too short for their header are refused", () => {
  for (let length = 0; length < 8; length++) {
    const frame = frameOf(framed(new Uint8Array(length)));
    assertThrows(() => readPrefix(frame), MalformedMessageError);
    assertThrows(() => decodeRequest(frame, FETCH), MalformedMessageError);
  }
  // A client id that is not there.
  const frame = frameOf(framed(Uint8Array.fromHex("0012000000000007" + "0006aa")));
  assertThrows(() => decodeRequest(frame, API_VERSIONS), MalformedMessageError, "header");
});

Deno.test("kafka framing: large records are queued uncopied, and the frame is whole", () => {
  const large = new Uint8Array(300_000).fill(3);
  const small = new Uint8Array(1000).fill(4);
  const request = make(PRODUCE.request, {
    topicData: [{
      name: "t",
      partitionData: [
        { index: 0, records: small },
        { index: 1, records: large },
        { index: 2, records: large },
        { index: 3, records: small },
      ],
    }],
  });
  const target = new FrameWriter(pool);
  const header = { correlationId: 1, clientId: "c" };
  const bytes = encodeRequest(target, PRODUCE, 11, header, request);
  const again = encodeRequest(target, PRODUCE, 3, header, request);
  assertEquals(target.queuedBytes, bytes + again);
  const chunks = target.take();
  assertEquals(chunks.filter((chunk) => chunk.bytes.buffer === large.buffer).length, 4);
  const whole = concat(chunks.map((chunk) => chunk.bytes));
  for (const chunk of chunks) chunk.settled(true);
  const frames = feed(new FrameReader(pool, { frameBytesMax: 2_000_000 }), whole);
  assertEquals(frames.map((frame) => frame.byteLength + 4), [bytes, again]);
  for (const frame of frames) assertEquals(decodeRequest(frame, PRODUCE).request, request);
});

Deno.test("kafka framing: a message that cannot be encoded queues nothing", () => {
  const target = new FrameWriter(pool);
  const response = make(METADATA.response, { controllerId: 1.5 });
  assertThrows(() => encodeResponse(target, METADATA, 12, 0, response), MalformedMessageError);
  assertEquals(target.queuedBytes, 0);
  assertEquals(drain(target).length, 0);
  assert(pool.statistics.keptBytes >= 0);
});
