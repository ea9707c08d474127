/**
 * A booted cluster and its clients in a calm simulated world, for tests of what nodes do together:
 * time is virtual, and a test goes on when what it waits for is so.
 */

import { Admin } from "../../actors/client/admin/admin.ts";
import { Consumer } from "../../actors/client/consumer/consumer.ts";
import { Producer } from "../../actors/client/producer/producer.ts";
import type { AdminConfig, ProducerConfig } from "../../actors/client/configs.ts";
import type { NodeObserver, ObservedBroker } from "../../actors/broker/observer.ts";
import { parseBrokerConfig } from "../../actors/config/broker_config.ts";
import type { ObservedController } from "../../actors/controller/observer.ts";
import { type BootedNode, bootNode } from "../../actors/node.ts";
import type { ObservedReplica } from "../../actors/partition/observer.ts";
import type { Protocol } from "../../actors/protocol.ts";
import type { Environment } from "../../actors/runtime/environment.ts";
import { Simulation } from "../../actors/sim/simulation.ts";
import { CALM_WORLD, type WorldOptions } from "../../actors/sim/world_options.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";

const PORT = 9192;
const CLIENT = "client";

/** How long a test waits, in virtual time. */
const PATIENCE_MS = 120_000;

export interface ClusterWorldOptions {
  readonly seed?: number;
  /** Nodes 1 to this; 3 when absent. */
  readonly nodes?: number;
  /** Which of them vote; all when absent. */
  readonly voters?: readonly number[];
  readonly properties?: Readonly<Record<string, string>>;
  readonly propertiesOf?: (nodeId: number) => Readonly<Record<string, string>>;
  /** What a node speaks of the protocol at its next start: one of an earlier release. */
  readonly versionLimitsOf?: (nodeId: number) => VersionLimits | undefined;
  readonly world?: Partial<WorldOptions>;
  readonly protocol?: Partial<Protocol>;
  /** Asked for each message before its actor handles it: the handler throws where this is true. */
  readonly throwsAt?: (nodeId: number, path: string) => boolean;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
}

/** What is seen of one node. */
export interface ClusterNode {
  readonly id: number;
  readonly name: string;
  booted: BootedNode | undefined;
  isReady: boolean;
  readyAtMs: number;
  failure: string | undefined;
  closeFailures: readonly string[] | undefined;
  broker: ObservedBroker | undefined;
  controller: ObservedController | undefined;
  readonly replicas: Set<ObservedReplica>;
}

export class ClusterWorld {
  readonly simulation: Simulation;
  /** Lines from `info` on, with the name of the node. */
  readonly logged: string[] = [];
  readonly nodes: ClusterNode[] = [];
  readonly #options: ClusterWorldOptions;

  constructor(options: ClusterWorldOptions = {}) {
    this.#options = options;
    this.simulation = new Simulation({
      seed: options.seed ?? 1,
      world: { ...CALM_WORLD, ...options.world },
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      connectTimeoutMs: 1000,
      retransmitTimeoutMs: 5000,
      log: (node, line) => this.logged.push(`${this.simulation.nowMs} ${node}: ${line}`),
      logLevel: "info",
      exited: (node, error) => {
        this.logged.push(`${node.name} exited: ${error}`);
        const known = this.nodes.find(({ name }) => name === node.name);
        if (known !== undefined) known.failure = String(error);
      },
    });
    for (let id = 1; id <= (options.nodes ?? 3); id++) this.#add(id);
    this.simulation.node(CLIENT).start(() => ({ crash: () => {} }));
  }

  /** A world whose nodes all serve. */
  static serving(options: ClusterWorldOptions = {}): ClusterWorld {
    const world = new ClusterWorld(options);
    for (const { id } of world.nodes) world.start(id);
    world.until(() => world.nodes.every(({ isReady }) => isReady), "all nodes serve");
    return world;
  }

  get voters(): string {
    const ids = this.#options.voters ?? this.nodes.map(({ id }) => id);
    return ids.map((id) => `${id}@node-${id}:${PORT}`).join(",");
  }

  get bootstrap(): string {
    return this.nodes.map(({ name }) => `${name}:${PORT}`).join(",");
  }

  get environment(): Environment {
    return this.simulation.node(CLIENT).environment!;
  }

  node(id: number): ClusterNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`There is no node ${id}`);
    return node;
  }

  /** Boots a node, for the first time or again, without waiting. */
  start(id: number, properties: Readonly<Record<string, string>> = {}): void {
    const node = this.node(id);
    const config = parseBrokerConfig({
      "controller.quorum.voters": this.voters,
      ...this.#options.properties,
      ...this.#options.propertiesOf?.(id),
      ...properties,
      "node.id": String(id),
    });
    node.isReady = false;
    node.failure = undefined;
    node.closeFailures = undefined;
    node.replicas.clear();
    this.simulation.node(node.name).start((environment) => {
      const booted = bootNode({
        nodeId: id,
        native: { host: node.name, port: PORT },
        config,
        environment,
        probe: (actor, message) => {
          if (this.#options.throwsAt?.(id, actor.address.path) === true) {
            throw new Error("Thrown by test");
          }
          this.simulation.node(node.name).probe(actor, message);
        },
        observer: observerOf(node),
        protocol: this.#options.protocol,
        versionLimits: this.#options.versionLimitsOf?.(id),
        ready: () => {
          node.isReady = true;
          node.readyAtMs = this.simulation.nowMs;
        },
        failed: (reason) => node.failure = reason,
      });
      node.booted = booted;
      return {
        crash: () => booted.crash(),
        shutdown: (done) =>
          booted.close((failures) => {
            node.closeFailures = failures;
            done();
          }),
      };
    });
  }

  /** kill -9, or a power cut. */
  crash(id: number, powerLoss = false): void {
    this.simulation.node(this.node(id).name).crash({ powerLoss });
    this.node(id).isReady = false;
  }

  /** Ends a node in order, and waits for it. */
  stop(id: number): void {
    let isStopped = false;
    this.simulation.node(this.node(id).name).stop(() => isStopped = true);
    this.until(() => isStopped, `node ${id} has stopped`);
    this.node(id).isReady = false;
  }

  /** The node that decides, as it sees itself; undefined while there is none. */
  get active(): ClusterNode | undefined {
    return this.nodes.filter(({ name }) => this.simulation.node(name).state === "up")
      .find(({ controller }) => controller?.isActive);
  }

  /** Cuts a node off from all others, clients too. */
  isolate(id: number): void {
    const { name } = this.node(id);
    for (const other of [...this.nodes.map((node) => node.name), CLIENT]) {
      if (other === name) continue;
      this.simulation.links.partition(name, other);
      this.simulation.links.partition(other, name);
    }
  }

  /** Undoes all that was cut. */
  heal(): void {
    this.simulation.links.healAll();
  }

  /** Lets time go on until something is so. */
  until(condition: () => boolean, what: string): void {
    const { reason } = this.simulation.run({ forMs: PATIENCE_MS, until: condition });
    if (reason !== "condition") throw this.#inVain(what);
  }

  /** Lets so much time pass. */
  pass(forMs: number): void {
    this.simulation.run({ forMs });
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = () => isSettled = true;
    promise.then(end, end);
    const limits = { forMs: PATIENCE_MS, until: () => isSettled };
    const { reason } = await this.simulation.runAsync(limits);
    if (reason !== "condition") throw this.#inVain("a promise settles");
    return await promise;
  }

  admin(config: AdminConfig = {}): Promise<Admin> {
    const { environment } = this;
    return this.settled(Admin.connect(this.bootstrap, { environment, ...config }));
  }

  producer(config: ProducerConfig = {}): Promise<Producer> {
    const { environment } = this;
    return this.settled(Producer.connect(this.bootstrap, { environment, acks: "all", ...config }));
  }

  /** So many records of a topic, from the beginning, as texts by their partition. */
  async consume(topic: string, count: number): Promise<string[]> {
    const { environment } = this;
    const consumer = await this.settled(
      Consumer.connect(this.bootstrap, { environment, topics: [topic], from: "earliest" }),
    );
    const texts: string[] = [];
    const loop = async () => {
      for await (const record of consumer) {
        texts.push(record.text());
        if (texts.length === count) break;
      }
    };
    await this.settled(loop());
    await this.settled(consumer.close());
    return texts;
  }

  /** What a node believes of a partition. */
  partition(id: number, topic: string, partition = 0) {
    return this.node(id).broker?.image.topicByName(topic)?.partitions[partition];
  }

  #add(id: number): void {
    this.nodes.push({
      id,
      name: `node-${id}`,
      booted: undefined,
      isReady: false,
      readyAtMs: NaN,
      failure: undefined,
      closeFailures: undefined,
      broker: undefined,
      controller: undefined,
      replicas: new Set(),
    });
  }

  #inVain(what: string): Error {
    const states = this.nodes.map(({ id, isReady, failure }) =>
      `${id}: ${failure ?? (isReady ? "ready" : "not ready")}`
    );
    return new Error(
      `Waited in vain: ${what}; nodes ${states.join(", ")}; logged:\n` +
        this.logged.slice(-60).join("\n"),
    );
  }
}

function observerOf(node: ClusterNode): NodeObserver {
  return {
    brokerStarted: (broker) => node.broker = broker,
    brokerEnded: () => {},
    controllerStarted: (controller) => node.controller = controller,
    controllerEnded: () => {},
    replicaStarted: (replica) => void node.replicas.add(replica),
    replicaEnded: (replica) => void node.replicas.delete(replica),
  };
}
