/**
 * Starting a node in this process: the promise-based face of node.ts.
 *
 * @module
 */

import type { NodeId } from "../storage/bytes/ids.ts";
import { DiskError } from "../storage/disk.ts";
import { formatAddress, type SocketAddress } from "../net/network.ts";
import { ConfigError } from "./config/definition.ts";
import {
  KAFKA_LISTENER,
  NATIVE_LISTENER,
  parseAdvertised,
  parseListeners,
} from "./config/listeners.ts";
import { parseRoles, parseVoters } from "./config/quorum_voters.ts";
import { type BrokerConfig, parseBrokerConfig } from "./config/broker_config.ts";
import type { BootedNode, BootOptions, CloseOptions } from "./booted_node.ts";
import { bootNode } from "./node.ts";
import { denoEnvironment } from "./runtime/deno_environment.ts";
import type { Environment } from "./runtime/environment.ts";

const LOOPBACK = "127.0.0.1";
const NATIVE_PORT = 9192;
const KAFKA_PORT = 9092;

/** What a node is started with. */
export interface NodeOptions {
  /** `node.id`; that of the properties when absent, else 1. */
  readonly nodeId?: NodeId;
  /** The data folder, made where there is none. */
  readonly data: string;
  /**
   * Where to listen; port 0 lets the system choose. Where the voters say that the node is when
   * absent, else 127.0.0.1:9192.
   */
  readonly native?: Partial<SocketAddress>;
  /** Where others reach it, if not where it listens: through a proxy, say. */
  readonly advertisedNative?: SocketAddress;
  /**
   * Where to listen for Kafka's clients. 127.0.0.1:9092 when absent, where the native listener has
   * its usual port 9192 too; else any free port, so that nodes do not meet.
   */
  readonly kafka?: Partial<SocketAddress>;
  /** Where Kafka's clients reach it, if not where it listens. */
  readonly advertisedKafka?: SocketAddress;
  /**
   * The first voters of the cluster's metadata quorum, as `id@host:port`. A node whose folder is
   * new and that is told of none is a cluster of its own, or joins that of `controllers`.
   */
  readonly voters?: readonly string[];
  /** Nodes of the cluster to join, as `host:port`, where `voters` are not known. */
  readonly controllers?: readonly string[];
  /** What the node is; broker and controller when absent. */
  readonly roles?: readonly ("broker" | "controller")[];
  /** Where it stands: the replicas of a partition are spread over racks. */
  readonly rack?: string;
  /** Broker configs by Kafka's names; the options above count before them. */
  readonly properties?: Readonly<Record<string, string>>;
  /** The world to live in; Deno's when absent. */
  readonly environment?: Environment;
  /**
   * Gives up, in order, a start that has not led to a serving node yet, as where the cluster has no
   * controller; the start is then rejected with the signal's reason.
   */
  readonly signal?: AbortSignal;
}

/** A node that serves. */
export interface Node extends AsyncDisposable {
  /** `node.id` */
  readonly nodeId: NodeId;
  /** `host:port` of the native listener: what clients connect to. */
  readonly address: string;
  /** `host:port` of the listener for Kafka's clients; undefined where it is no broker. */
  readonly kafka: string | undefined;
  /** Derived from the voters, learned from the cluster joined, or drawn: for ever in the folder. */
  readonly clusterId: string;
  /** As it was given. */
  readonly dataFolder: string;
  /** Resolves with the reason if the node fails by itself; pending while it serves. */
  readonly failed: Promise<string>;
  /**
   * Hands over what it leads, flushes and closes everything, so that the next start has nothing to
   * recover.
   */
  close(): Promise<void>;
}

/**
 * A node that serves, and can be ended as if its process died.
 * @internal
 */
export interface LaunchedNode extends Node {
  close(options?: CloseOptions): Promise<void>;
  crash(): void;
}

/**
 * Starts a node; resolves when it serves: when it is registered with its cluster's controller.
 *
 * @throws {ConfigError} naming each property that is unknown or malformed, or an address that other
 * machines could reach
 * @throws {DiskError} of kind `locked`, naming the process that uses the data folder
 * @throws {WrongNodeError} when the data folder is that of another node, or of another cluster
 * @throws {NetworkError} when the address cannot be listened on
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const config = parseBrokerConfig(propertiesOf(options));
  const { openFilesMax } = config;
  const own = parseVoters(config.controllerQuorumVoters).find(({ id }) => id === config.nodeId);
  const listeners = parseListeners(config.listeners);
  const native = {
    host: options.native?.host ?? listeners.native?.host ?? own?.address.host ?? LOOPBACK,
    port: options.native?.port ?? listeners.native?.port ?? own?.address.port ?? NATIVE_PORT,
  };
  const kafka = kafkaAddress(options, config, native);
  checkReach(native.host, config);
  if (kafka !== undefined) {
    checkReach(kafka.host, config);
    checkAdvertised(kafka.host, config);
  }
  const environment = options.environment ??
    denoEnvironment({ dataRoot: options.data, openFilesMax });
  if (kafka !== undefined && !isLoopback(kafka.host)) {
    const reason = "Kafka's clients are asked for no secret: whoever reaches it may do everything";
    environment.logger.log("warn", "open listener", { address: formatAddress(kafka), reason });
  }
  const { data, signal } = options;
  return await launch(data, { nodeId: config.nodeId, native, kafka, config, environment }, signal);
}

/**
 * Boots a node and waits until it serves.
 * @internal
 */
export async function launch(
  data: string,
  options: Omit<BootOptions, "ready" | "failed">,
  signal?: AbortSignal,
): Promise<LaunchedNode> {
  signal?.throwIfAborted();
  const { nodeId } = options;
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<string>();
  const booted = boot(data, {
    ...options,
    ready: ready.resolve,
    failed: (reason) => {
      failed.resolve(reason);
      ready.reject(new Error(`Cannot start node ${nodeId}: ${reason}`));
    },
  });
  const giveUp = () => booted.close(() => ready.reject(signal?.reason));
  signal?.addEventListener("abort", giveUp, { once: true });
  await ready.promise.finally(() => signal?.removeEventListener("abort", giveUp));
  let closed: Promise<void> | undefined;
  const close = (options?: CloseOptions) =>
    closed ??= new Promise<void>((resolve, reject) => {
      booted.close((failures) => {
        if (failures.length === 0) resolve();
        else reject(new Error(`Cannot close node ${nodeId} in order: ${failures.join("; ")}`));
      }, options);
    });
  return {
    nodeId,
    address: formatAddress(booted.address),
    kafka: booted.kafka && formatAddress(booted.kafka),
    clusterId: booted.clusterId,
    dataFolder: data,
    failed: failed.promise,
    crash: () => booted.crash(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** The options of a node as broker configs. */
function propertiesOf(options: NodeOptions): Record<string, string> {
  const { nodeId, voters, controllers, roles, rack } = options;
  const advertised = [
    [NATIVE_LISTENER, options.advertisedNative] as const,
    [KAFKA_LISTENER, options.advertisedKafka] as const,
  ].flatMap(([name, at]) => at === undefined ? [] : [`${name}://${formatAddress(at)}`]);
  const named: Record<string, string | undefined> = {
    "node.id": nodeId === undefined ? undefined : String(nodeId),
    "controller.quorum.voters": voters?.join(","),
    "controller.quorum.bootstrap.servers": controllers?.join(","),
    "process.roles": roles?.join(","),
    "broker.rack": rack,
    "advertised.listeners": advertised.length === 0 ? undefined : advertised.join(","),
  };
  const properties: Record<string, string> = { ...options.properties };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined) properties[name] = value;
  }
  return properties;
}

/** A disk knows no folder but its own root: people want to be told which one that is. */
function boot(data: string, options: BootOptions): BootedNode {
  try {
    return bootNode(options);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new DiskError(error.kind, folderProblem(data, error), { cause: error });
  }
}

function folderProblem(data: string, { kind, message }: DiskError): string {
  if (kind === "locked") {
    const holder = /held by (.*)$/.exec(message)?.[1] ?? "another process";
    return `Data folder ${data} is in use by ${/^\d+$/.test(holder) ? "process " : ""}${holder}`;
  }
  // What failed with the root failed with the folder itself.
  const [, reason] = /^Cannot [a-z ]+ \/: (.*)$/.exec(message) ?? [];
  const problem = kind === "exists" ? "it is no folder" : reason ?? message;
  return `Cannot use data folder ${data}: ${problem}`;
}

/** Where Kafka's clients are served; nowhere where the node is no broker. */
function kafkaAddress(
  { kafka }: NodeOptions,
  config: BrokerConfig,
  native: SocketAddress,
): SocketAddress | undefined {
  if (!parseRoles(config.processRoles).broker) return undefined;
  const listed = parseListeners(config.listeners).kafka;
  // A list of listeners is the whole list.
  if (config.listeners !== "" && listed === undefined && kafka === undefined) return undefined;
  return {
    host: kafka?.host ?? listed?.host ?? LOOPBACK,
    port: kafka?.port ?? listed?.port ?? (native.port === NATIVE_PORT ? KAFKA_PORT : 0),
  };
}

/** Clients are sent to the address that is advertised. */
function checkAdvertised(host: string, config: BrokerConfig): void {
  const isEveryInterface = host === "0.0.0.0" || host === "::";
  if (!isEveryInterface || parseAdvertised(config.advertisedListeners).kafka !== undefined) return;
  throw new ConfigError([
    `Cannot advertise ${host}: advertised.listeners must say where ${KAFKA_LISTENER} is reached`,
  ]);
}

/** Where nobody is asked for a secret, nobody from elsewhere may connect. */
function checkReach(host: string, { nativeSharedSecret }: BrokerConfig): void {
  if (nativeSharedSecret !== "") return;
  if (isLoopback(host)) return;
  throw new ConfigError([
    `Cannot listen on ${host}: without native.shared.secret only loopback is allowed`,
  ]);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
