/** Checkers look at what an event may have changed, and at everything where that is not known. */

import { assertEquals, assertGreater } from "@std/assert";
import { EventScopes } from "../../actors/sim/checkers/event_scope.ts";
import { simulateCluster } from "../../actors/sim/cluster_simulation.ts";

Deno.test("event scope: replicas and controllers by their actors, all for whoever starts them", () => {
  const scopes = new EventScopes();
  const of = (actor: string | undefined) => scopes.of("message", actor);
  assertEquals(of("/broker/partition-abc-7"), { kind: "replica", key: "abc-7" });
  assertEquals(of("/controller"), { kind: "controller" });
  for (const actor of ["/broker", "/node", undefined, "/broker/new-kind-of-actor"]) {
    assertEquals(of(actor), { kind: "all" }, actor);
  }
  for (const actor of ["/broker/session-3", "/broker/fetchers", "/broker/fetchers/fetcher-2-1"]) {
    assertEquals(of(actor), { kind: "nothing" }, actor);
  }
});

Deno.test("event scope: packets and timers change nothing that rules are about, disks may", () => {
  const scopes = new EventScopes();
  for (const what of ["timer", "net.arrive", "end of turn"]) {
    assertEquals(scopes.of(what, undefined), { kind: "nothing" }, what);
    const replica = scopes.of(what, "/broker/partition-abc-7");
    assertEquals(replica, { kind: "replica", key: "abc-7" }, what);
    assertEquals(scopes.of(what, "/broker"), { kind: "all" }, what);
  }
  for (const what of ["disk sync", "something new"]) {
    assertEquals(scopes.of(what, undefined), { kind: "all" }, what);
    assertEquals(scopes.of(what, "/broker/session-3"), { kind: "all" }, what);
  }
});

Deno.test("event scope: the paths are those of the actors that run", () => {
  const scopes = new EventScopes();
  const found: Record<string, number> = {};
  simulateCluster({
    seed: 1,
    faults: [],
    run: { nodes: 3, faultsForMs: 500 },
    trace: (line) => {
      const actor = /^ {4}(\/\S+) /.exec(line)?.[1];
      if (actor === undefined) return;
      const { kind } = scopes.of("message", actor);
      found[kind] = (found[kind] ?? 0) + 1;
    },
  });
  for (const kind of ["replica", "controller", "nothing"]) {
    assertGreater(found[kind] ?? 0, 10, kind);
  }
  assertGreater(found["nothing"]!, found["all"]!);
});
