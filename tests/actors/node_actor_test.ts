/** A node whose own actor fails has failed: it ends, and says so to whoever wants it closed. */

import { assertEquals } from "@std/assert";
import { parseBrokerConfig } from "../../actors/config/broker_config.ts";
import { bootNode } from "../../actors/node.ts";
import type { Ref } from "../../actors/runtime/ref.ts";
import { Simulation } from "../../actors/sim/simulation.ts";
import { CALM_WORLD } from "../../actors/sim/world_options.ts";

const HOST = "node-1";

function run(throwsAt: string): { readonly failed: string[]; readonly closed: unknown[] } {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  const failed: string[] = [];
  const closed: unknown[] = [];
  let close = () => {};
  simulation.node(HOST).start((environment) => {
    const booted = bootNode({
      nodeId: 1,
      native: { host: HOST, port: 9192 },
      config: parseBrokerConfig({}),
      environment,
      probe: (actor: Ref<never>, message: unknown) => {
        const { kind } = message as { readonly kind?: unknown };
        if (actor.address.path === "/node" && kind === throwsAt) throw new Error("Injected");
      },
      ready: () => {},
      failed: (reason) => failed.push(reason),
    });
    close = () => booted.close((failures) => closed.push(failures));
    return { crash: () => booted.crash() };
  });
  simulation.run({ forMs: 5000 });
  simulation.at(0, "close", () => close());
  simulation.run({ forMs: 5000 });
  return { failed, closed };
}

Deno.test("node: one whose actor fails ends with a reason, and closing it is answered", () => {
  const reason = "The actor of the node has failed";
  const { failed, closed } = run("broker-ready");
  assertEquals(failed, [reason]);
  assertEquals(closed, [[`it had ended: ${reason}`]]);
});

Deno.test("node: one whose actor fails while it closes is not closed in order", () => {
  const { failed, closed } = run("broker-closed");
  assertEquals(closed, [["The actor of the node has failed"]]);
  assertEquals(failed, ["The actor of the node has failed"]);
});

Deno.test("node: one that closes in order has not failed", () => {
  assertEquals(run("nothing"), { failed: [], closed: [[]] });
});
