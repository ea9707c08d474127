import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { clusterIdOf } from "../../actors/cluster_id.ts";
import { ConfigError } from "../../actors/config/definition.ts";
import {
  parseBootstrapServers,
  parseRoles,
  parseVoters,
} from "../../actors/config/quorum_voters.ts";
import { isUuid } from "../../net/schema/uuid.ts";

const VOTERS = "1@127.0.0.1:9192,2@127.0.0.1:9292,3@[::1]:9392";

Deno.test("cluster id: all nodes derive the same from the same voters, in whatever order", () => {
  const id = clusterIdOf(parseVoters(VOTERS));
  const turned = VOTERS.split(",").reverse().join(" , ");
  assertEquals(clusterIdOf(parseVoters(turned)), id);
  // For ever: folders keep it.
  assertEquals(id, "bhVmVzhWSmWHb8GnuPi8Hg");
});

Deno.test("cluster id: other voters are another cluster, and every id is an id", () => {
  const seen = new Set<string>();
  for (let port = 1; port <= 2000; port++) {
    const id = clusterIdOf(parseVoters(`1@localhost:${port}`));
    assert(isUuid(id), id);
    assertMatch(id, /^[^-]/);
    seen.add(id);
  }
  assertEquals(seen.size, 2000);
  assertNotEquals(clusterIdOf(parseVoters("1@a:1,2@b:2")), clusterIdOf(parseVoters("1@b:2,2@a:1")));
});

Deno.test("quorum voters: are read by rising id", () => {
  assertEquals(parseVoters("10@b:2,9@[::1]:1"), [
    { id: 9, address: { host: "::1", port: 1 } },
    { id: 10, address: { host: "b", port: 2 } },
  ]);
  assertEquals(parseVoters(""), []);
  assertEquals(parseBootstrapServers("a:1, b:2"), [
    { host: "a", port: 1 },
    { host: "b", port: 2 },
  ]);
});

Deno.test("quorum voters: what cannot be read is named", () => {
  for (const text of ["a:1", "1@a", "1@a:0", "1@a:65536", "x@a:1", "1@a:1,1@b:2", "-1@a:1"]) {
    assertThrows(() => parseVoters(text), ConfigError, "controller.quorum.voters");
  }
  assertThrows(() => parseBootstrapServers("a"), ConfigError, "bootstrap.servers: a is no host");
});

Deno.test("process roles: are broker, controller, or both", () => {
  assertEquals(parseRoles("broker,controller"), { broker: true, controller: true });
  assertEquals(parseRoles("controller"), { broker: false, controller: true });
  assertEquals(parseRoles(" broker "), { broker: true, controller: false });
  for (const text of ["", "brokers", "broker,x"]) assertThrows(() => parseRoles(text), ConfigError);
});
