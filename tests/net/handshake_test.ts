import { assert, assertEquals } from "@std/assert";
import { commonVersions, NATIVE_HANDSHAKE, servedVersions } from "../../net/handshake.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { PRODUCE } from "../../net/messages/produce.ts";
import { APIS } from "../../net/messages/table.ts";

Deno.test("handshake: each API is used in the highest version that both sides know", () => {
  const common = commonVersions([PRODUCE, FETCH, METADATA], [
    { apiKey: PRODUCE.key, minVersion: 0, maxVersion: 9 },
    { apiKey: FETCH.key, minVersion: 13, maxVersion: 30 },
    { apiKey: 999, minVersion: 0, maxVersion: 1 },
  ]);
  assertEquals([...common], [[PRODUCE.key, 9], [FETCH.key, 17]]);
});

Deno.test("handshake: an API without a common version cannot be used", () => {
  const ranges = [[0, 3], [18, 20], [5, 4]];
  for (const [minVersion, maxVersion] of ranges) {
    const served = [{ apiKey: FETCH.key, minVersion: minVersion!, maxVersion: maxVersion! }];
    assertEquals(commonVersions([FETCH], served).size, 0);
  }
});

Deno.test("handshake: all of it is served, in the versions that the tables describe", () => {
  const common = commonVersions(APIS, servedVersions(APIS));
  assertEquals(common.size, APIS.length);
  for (const api of APIS) assertEquals(common.get(api.key), api.versions.max);
  assertEquals(servedVersions([PRODUCE]), [{ apiKey: 0, minVersion: 3, maxVersion: 12 }]);
});

Deno.test("handshake: its key is out of the reach of Kafka's", () => {
  assert(NATIVE_HANDSHAKE.key > 1000 && NATIVE_HANDSHAKE.key <= 32767);
  assert(APIS.every((api) => api.key < 1000));
});
