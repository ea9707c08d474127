import { assertEquals } from "@std/assert";
import { KafkaWire } from "../../../actors/link/kafka_wire.ts";
import type { Greeted } from "../../../actors/link/wire.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { END_TXN } from "../../../net/messages/end_txn.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { APIS } from "../../../net/messages/table.ts";
import { type Draft, make } from "../../../net/schema/make.ts";

const answer = (draft: Draft<ReturnType<typeof blank>>) => make(API_VERSIONS.response, draft);
const blank = () => make(API_VERSIONS.response, {});

const range = (apiKey: number, minVersion: number, maxVersion: number) => ({
  apiKey,
  minVersion,
  maxVersion,
});

function greeted(draft: Parameters<typeof answer>[0]): ReadonlyMap<number, number> {
  const result = new KafkaWire("test", APIS).greeted(answer(draft), "Cannot connect");
  assertEquals(result.kind, "greeted");
  return (result as Greeted).versions;
}

Deno.test("kafka wire: each API is asked in the highest version that both know", () => {
  const versions = greeted({ apiKeys: [range(FETCH.key, 4, 13), range(PRODUCE.key, 0, 9)] });
  assertEquals(versions.get(FETCH.key), 13);
  assertEquals(versions.get(PRODUCE.key), 9);
  assertEquals(versions.get(END_TXN.key), undefined);
});

Deno.test("kafka wire: an older broker is asked again in a version that it knows", () => {
  const wire = new KafkaWire("test", APIS);
  assertEquals(wire.greeting().version, 3);
  const apiKeys = [range(API_VERSIONS.key, 0, 2)];
  for (const [draft, version] of [[{ apiKeys }, 2], [{}, 0]] as const) {
    const result = wire.greeted(answer({ errorCode: 35, ...draft }), "Cannot connect");
    assertEquals(result.kind === "again" && result.greeting.version, version);
  }
});

Deno.test("kafka wire: versions that are for brokers are not spoken", () => {
  const apiKeys = [range(PRODUCE.key, 0, 13), range(ADD_PARTITIONS_TO_TXN.key, 0, 5)];
  const versions = greeted({ apiKeys });
  assertEquals([PRODUCE, ADD_PARTITIONS_TO_TXN].map(({ key }) => versions.get(key)), [12, 3]);
});

Deno.test("kafka wire: a broker that refuses is told of", () => {
  const result = new KafkaWire("test", APIS).greeted(answer({ errorCode: 31 }), "Cannot connect");
  assertEquals(
    result.kind === "refused" && result.error.errorName,
    "CLUSTER_AUTHORIZATION_FAILED",
  );
});
