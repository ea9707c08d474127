/** A node, and hosts for clients, in the simulated world, with nothing faked between them. */

import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { bootNode } from "../../../actors/node.ts";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { Simulation } from "../../../actors/sim/simulation.ts";
import { CALM_WORLD, type WorldOptions } from "../../../actors/sim/world_options.ts";

/** Where the node is. */
export const ADDRESS = "node:9192";
/** Where it is for clients of Kafka's protocol, our own among them. */
export const KAFKA_ADDRESS = "kafka://node:9092";

export interface NodeWorldOptions {
  readonly seed?: number;
  readonly world?: Partial<WorldOptions>;
  readonly properties?: Readonly<Record<string, string>>;
  /** Hosts of clients: `client1` and so on. */
  readonly clients?: number;
}

/** The world. */
export class NodeWorld {
  readonly simulation: Simulation;

  constructor({ seed = 1, world = CALM_WORLD, properties = {}, clients = 3 }: NodeWorldOptions) {
    this.simulation = new Simulation({ seed, world });
    const config = parseBrokerConfig({
      "node.id": "1",
      "group.initial.rebalance.delay.ms": "0",
      "offsets.topic.num.partitions": "3",
      ...properties,
    });
    this.simulation.node("node").start((environment) =>
      bootNode({
        nodeId: 1,
        native: { host: "node", port: 9192 },
        kafka: { host: "node", port: 9092 },
        config,
        environment,
        ready: () => {},
        failed: (reason) => {
          throw new Error(reason);
        },
      })
    );
    for (let i = 1; i <= clients; i++) {
      this.simulation.node(`client${i}`).start(() => ({ crash: () => {} }));
    }
  }

  /** What a client on the host is given. */
  at(client: number): Environment {
    return this.simulation.node(`client${client}`).environment!;
  }

  get nowMs(): number {
    return this.simulation.nowMs;
  }

  /** Lets time go on until the promise has settled. */
  async settled<T>(promise: Promise<T>, forMs = 600_000): Promise<T> {
    let isSettled = false;
    const end = () => isSettled = true;
    promise.then(end, end);
    const { reason } = await this.simulation.runAsync({ forMs, until: () => isSettled });
    if (reason !== "condition") throw new Error(`The promise did not settle: ${reason}`);
    return await promise;
  }

  /** Lets time go on until that is so. */
  async until(condition: () => boolean, forMs = 120_000): Promise<void> {
    const { reason } = await this.simulation.runAsync({ forMs, until: condition });
    if (reason !== "condition") throw new Error(`It did not come to that: ${reason}`);
  }

  /** Lets so much time pass. */
  async pass(forMs: number): Promise<void> {
    await this.simulation.runAsync({ forMs });
  }
}
