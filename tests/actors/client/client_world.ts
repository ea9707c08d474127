/** A simulated world with fake brokers and one host for clients, for tests that use promises. */

import { Simulation } from "../../../actors/sim/simulation.ts";
import { CALM_WORLD, type WorldOptions } from "../../../actors/sim/world_options.ts";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { FakeBroker, FakeCluster, PORT } from "./fake_broker.ts";

export interface ClientWorldOptions {
  readonly seed?: number;
  readonly brokers?: number;
  readonly world?: Partial<WorldOptions>;
}

const IDLE = { crash: () => {} };

/** The world. */
export class ClientWorld {
  readonly simulation: Simulation;
  readonly cluster = new FakeCluster();
  /** The address of every broker. */
  readonly bootstrap: string;
  readonly #logged: string[] = [];

  constructor(options: ClientWorldOptions = {}) {
    this.simulation = new Simulation({
      seed: options.seed ?? 1,
      world: options.world ?? CALM_WORLD,
      log: (_node, line) => this.#logged.push(line),
    });
    const hosts: string[] = [];
    for (let nodeId = 1; nodeId <= (options.brokers ?? 1); nodeId++) {
      const host = `broker-${nodeId}`;
      hosts.push(`${host}:${PORT}`);
      this.simulation.node(host).start((environment) => {
        new FakeBroker(this.cluster, nodeId, host, environment);
        return IDLE;
      });
    }
    this.simulation.node("client").start(() => IDLE);
    this.bootstrap = hosts.join(",");
  }

  /** What clients are given. */
  get environment(): Environment {
    return this.simulation.node("client").environment!;
  }

  get nowMs(): number {
    return this.simulation.nowMs;
  }

  /** What clients logged. */
  get logged(): readonly string[] {
    return this.#logged;
  }

  /** Lets time go on until the promise has settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = () => isSettled = true;
    promise.then(end, end);
    const { reason } = await this.simulation.runAsync({ forMs: 3_600_000, until: () => isSettled });
    if (reason !== "condition") throw new Error(`The promise did not settle: ${reason}`);
    return await promise;
  }

  /** Lets so much time pass. */
  async pass(forMs: number): Promise<void> {
    await this.simulation.runAsync({ forMs });
  }

  /** Lets promises go on, without time passing. */
  async settle(): Promise<void> {
    await this.simulation.settle();
  }
}
