/**
 * Starting a whole cluster in this process: for tests of what is built on one, and for trying out.
 *
 * Its nodes are real ones, with sockets and folders, that can be killed, started again, and cut off
 * from each other. Their ports are free ones, bound before the first node boots, as each must be
 * told where all are.
 *
 * @module
 */

import type { NodeId } from "../storage/bytes/ids.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../storage/deno_temporary_folder.ts";
import { MemoryDisk } from "../storage/memory_disk.ts";
import { BoundListener } from "../net/bound_listener.ts";
import { CutNetwork } from "../net/cut_network.ts";
import { formatAddress, type SocketAddress } from "../net/network.ts";
import { type BrokerConfig, parseBrokerConfig } from "./config/broker_config.ts";
import { denoEnvironment } from "./runtime/deno_environment.ts";
import type { Environment, LogLevel } from "./runtime/environment.ts";
import { launch, type LaunchedNode } from "./start_node.ts";

/** What a cluster is started with. */
export interface ClusterOptions {
  /** How many nodes, with ids from 1; 3 when absent. */
  readonly nodes?: number;
  /** How many of them, the first ones, vote in the metadata quorum; at most 3 when absent. */
  readonly voters?: number;
  /** A folder that each node gets one in; a temporary one, removed at the end, when absent. */
  readonly data?: string;
  /** Has each node keep its data in memory, for as long as the cluster lives. */
  readonly inMemory?: boolean;
  /** Broker configs by Kafka's names, for all nodes. */
  readonly properties?: Readonly<Record<string, string>>;
  /** What nodes write to stderr; nothing below errors when absent. */
  readonly logLevel?: LogLevel;
}

/** A cluster that serves. */
export interface Cluster extends AsyncDisposable {
  /** The same on all nodes. */
  readonly clusterId: string;
  /** `host:port` of each node, in the order of their ids, whether it runs or not. */
  readonly addresses: readonly string[];
  /** What clients connect to: all addresses, with commas. */
  readonly bootstrap: string;
  /** `host:port` of each node for Kafka's clients, in the order of their ids, with commas. */
  readonly kafka: string;
  /** The ids of the nodes that run. */
  readonly running: readonly NodeId[];
  /** Ends a node as if its process was killed. */
  kill(id: NodeId): void;
  /** Ends a node in order: it hands over what it leads. */
  stop(id: NodeId): Promise<void>;
  /** Starts a node again over its data; kills it first where it runs. Resolves when it serves. */
  restart(id: NodeId): Promise<void>;
  /** Cuts two nodes off from each other: connections break, none is made. Clients reach both. */
  partition(a: NodeId, b: NodeId): void;
  /** Undoes all cuts. */
  heal(): void;
  /** Ends all nodes in order, and removes a temporary folder. */
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const VOTERS_MAX = 3;

/**
 * Starts a cluster; resolves when all its nodes serve.
 *
 * @throws {ConfigError} naming each property that is unknown or malformed
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const temporary = options.data === undefined && options.inMemory !== true
    ? await makeTemporaryFolder("strom-cluster-")
    : undefined;
  const cluster = new RunningCluster(options, temporary);
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.close().catch(() => {});
    throw error;
  }
}

/** A node of the cluster: what stays of it while it comes and goes. */
interface Member {
  readonly id: NodeId;
  readonly data: string;
  readonly address: SocketAddress;
  readonly disk: MemoryDisk | undefined;
  /** For Kafka's clients. */
  readonly kafka: SocketAddress;
  /** Bound, and not handed to the node yet. */
  listener: BoundListener | undefined;
  kafkaListener: BoundListener | undefined;
  readonly network: CutNetwork;
  node: LaunchedNode | undefined;
}

class RunningCluster implements Cluster {
  readonly #options: ClusterOptions;
  readonly #temporary: TemporaryFolder | undefined;
  readonly #members: readonly Member[];
  readonly #properties: Readonly<Record<string, string>>;
  /** Pairs that are cut, as `a-b`, a being the smaller. */
  readonly #cuts = new Set<string>();

  constructor(options: ClusterOptions, temporary: TemporaryFolder | undefined) {
    this.#options = options;
    this.#temporary = temporary;
    const { nodes = 3, properties } = options;
    if (!(Number.isInteger(nodes) && nodes > 0)) {
      throw new RangeError(`Cannot start a cluster of ${nodes} nodes`);
    }
    this.#members = Array.from({ length: nodes }, (_, index) => this.#member(index + 1));
    const voters = this.#members.slice(0, options.voters ?? VOTERS_MAX);
    this.#properties = {
      ...properties,
      "controller.quorum.voters": voters
        .map(({ id, address }) => `${id}@${formatAddress(address)}`)
        .join(","),
    };
  }

  get clusterId(): string {
    return this.#members.find(({ node }) => node !== undefined)?.node?.clusterId ?? "";
  }

  get addresses(): readonly string[] {
    return this.#members.map(({ address }) => formatAddress(address));
  }

  get bootstrap(): string {
    return this.addresses.join(",");
  }

  get kafka(): string {
    return this.#members.map(({ kafka }) => formatAddress(kafka)).join(",");
  }

  get running(): readonly NodeId[] {
    return this.#members.filter(({ node }) => node !== undefined).map(({ id }) => id);
  }

  async start(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#launch(member)));
  }

  kill(id: NodeId): void {
    const member = this.#find(id);
    member.node?.crash();
    member.node = undefined;
    // A process that dies takes its sockets along.
    member.network.breakAll();
  }

  async stop(id: NodeId): Promise<void> {
    const member = this.#find(id);
    const { node } = member;
    member.node = undefined;
    await node?.close();
  }

  async restart(id: NodeId): Promise<void> {
    this.kill(id);
    await this.#launch(this.#find(id));
  }

  partition(a: NodeId, b: NodeId): void {
    const [one, other] = [this.#find(a), this.#find(b)];
    this.#cuts.add(cutOf(a, b));
    one.network.breakCut();
    other.network.breakCut();
  }

  heal(): void {
    this.#cuts.clear();
  }

  async close(): Promise<void> {
    const nodes = this.#members.flatMap(({ node }) => node === undefined ? [] : [node]);
    for (const member of this.#members) member.node = undefined;
    // All end: there is nobody to hand over to.
    const ends = await Promise.allSettled(nodes.map((node) => node.close({ handOver: false })));
    for (const { listener, kafkaListener } of this.#members) {
      listener?.close();
      kafkaListener?.close();
    }
    await this.#temporary?.remove();
    const failure = ends.find((end) => end.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #member(id: NodeId): Member {
    const root = this.#options.data ?? this.#temporary?.path ?? "";
    const { network: sockets, timers } = denoEnvironment({ dataRoot: root });
    const network = new CutNetwork(sockets, (address) => this.#isCut(id, address));
    const listener = new BoundListener(network, { host: HOST, port: 0 });
    const kafkaListener = new BoundListener(network, { host: HOST, port: 0 });
    const inMemory = this.#options.inMemory === true;
    return {
      id,
      data: inMemory ? "memory" : `${root}/${id}`,
      address: listener.address,
      kafka: kafkaListener.address,
      disk: inMemory
        ? new MemoryDisk({ complete: (_operation, run) => void timers.schedule(0, run) })
        : undefined,
      listener,
      kafkaListener,
      network,
      node: undefined,
    };
  }

  async #launch(member: Member): Promise<void> {
    const { id, data, address, listener, kafka, kafkaListener } = member;
    const config = parseBrokerConfig({ ...this.#properties, "node.id": String(id) });
    const environment = this.#environmentOf(member, config);
    member.listener = undefined;
    member.kafkaListener = undefined;
    member.node = await launch(data, {
      nodeId: id,
      native: address,
      listener,
      kafka,
      kafkaListener,
      config,
      environment,
    });
  }

  #environmentOf(member: Member, { openFilesMax }: BrokerConfig): Environment {
    const environment = denoEnvironment({
      dataRoot: member.data,
      openFilesMax,
      logLevel: this.#options.logLevel ?? "error",
      ...(member.disk === undefined ? {} : { disk: member.disk }),
    });
    const process = `node ${member.id} of process ${environment.process}`;
    return { ...environment, network: member.network, process };
  }

  #isCut(from: NodeId, { host, port }: SocketAddress): boolean {
    const to = this.#members.find(({ address }) => address.port === port && address.host === host);
    return to !== undefined && this.#cuts.has(cutOf(from, to.id));
  }

  #find(id: NodeId): Member {
    const member = this.#members[id - 1];
    if (member === undefined) throw new RangeError(`There is no node ${id}`);
    return member;
  }
}

function cutOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
