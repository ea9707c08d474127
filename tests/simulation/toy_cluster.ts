/**
 * A small cluster for tests of the simulation itself: nodes that greet each other over the network,
 * pass what they hear between actors, and write it down.
 *
 * @module
 */

import { type Connection, type Listener, type Network, NetworkError } from "../../net/network.ts";
import type { Disk } from "../../storage/disk.ts";
import type { Actor, ActorContext } from "../../actors/runtime/actor.ts";
import { ActorSystem } from "../../actors/runtime/system.ts";
import { drawFaultPlan, drawFaults } from "../../actors/sim/faults.ts";
import { Simulation, type SimulationOptions } from "../../actors/sim/simulation.ts";
import type { SimulatedNode } from "../../actors/sim/simulated_node.ts";

const PORT = 9000;
const NAMES = ["a", "b", "c"];

type Said =
  | { readonly kind: "heard"; readonly count: number }
  | { readonly kind: "connected"; readonly connection: Connection | NetworkError; to: string }
  | { readonly kind: "lost"; readonly to: string }
  | { readonly kind: "retry"; readonly to: string }
  | { readonly kind: "greet" }
  | { readonly kind: "written" };

class Greeter implements Actor<Said> {
  readonly #context: ActorContext<Said>;
  readonly #links = new Map<string, Connection>();
  readonly #disk: Disk;
  readonly #network: Network;
  readonly #listener: Listener;
  #heard = 0;
  #written = 0;

  constructor(context: ActorContext<Said>, peers: readonly string[]) {
    this.#context = context;
    this.#disk = context.environment.disk;
    this.#network = context.environment.network;
    this.#listener = this.#network.listen({ host: "0.0.0.0", port: PORT }, (connection) => {
      this.#listenTo(connection, () => {});
    });
    for (const peer of peers) this.#connect(peer);
    context.startTimer("greet", 10, { kind: "greet" });
  }

  receive(said: Said): void {
    switch (said.kind) {
      case "connected":
        if (said.connection instanceof NetworkError) {
          this.#retry(said.to);
        } else {
          const { connection, to } = said;
          this.#links.set(to, connection);
          this.#listenTo(connection, () => this.#context.self.tell({ kind: "lost", to }));
        }
        return;
      case "lost":
        this.#links.delete(said.to);
        this.#retry(said.to);
        return;
      case "retry":
        this.#connect(said.to);
        return;
      case "greet": {
        const random = this.#context.environment.random.stream("greeting");
        for (const link of this.#links.values()) link.write(random.bytes(1 + random.integer(3000)));
        this.#context.startTimer("greet", 5 + random.integer(50), { kind: "greet" });
        return;
      }
      case "heard":
        this.#heard += said.count;
        this.#write();
        return;
      case "written":
        this.#written++;
    }
  }

  stopped(): void {
    this.#listener.close();
    for (const link of this.#links.values()) link.close();
  }

  #retry(peer: string): void {
    this.#context.startTimer(`retry ${peer}`, 100, { kind: "retry", to: peer });
  }

  #connect(peer: string): void {
    this.#network.connect({ host: peer, port: PORT }, (connection) => {
      this.#context.self.tell({ kind: "connected", connection, to: peer });
    });
  }

  #listenTo(connection: Connection, lost: () => void): void {
    const space = new Uint8Array(1024);
    connection.start({
      space: () => space,
      filled: (count) => this.#context.self.tell({ kind: "heard", count }),
      closed: lost,
    });
  }

  #write(): void {
    const file = this.#disk.open("heard", { create: true });
    file.write(new TextEncoder().encode(`${this.#heard} ${this.#written}\n`), file.size());
    file.syncLater(() => this.#context.self.tell({ kind: "written" }));
  }
}

export function bootToy(node: SimulatedNode): void {
  node.start((environment) => {
    const system = new ActorSystem({ environment, node: 1, probe: node.probe });
    const peers = NAMES.filter((name) => name !== node.name);
    system.spawn<Said>("greeter", (context) => new Greeter(context, peers), {
      supervision: { kind: "restart", limit: 100, withinMs: 1000 },
    });
    return system;
  });
}

/** A toy cluster that runs, with faults drawn from the seed where asked for. */
export function toyCluster(options: SimulationOptions, faultsForMs = 0): Simulation {
  const simulation = new Simulation({
    connectTimeoutMs: 1000,
    retransmitTimeoutMs: 5000,
    exited: () => {},
    ...options,
  });
  for (const name of NAMES) bootToy(simulation.node(name));
  const stream = simulation.random.stream("faults");
  const plan = drawFaultPlan(stream, { nodes: NAMES });
  simulation.faults.schedule(drawFaults(stream, plan, { nodes: NAMES }, faultsForMs));
  return simulation;
}
