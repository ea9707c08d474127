/**
 * Starting a node in this process: the promise-based face of node.ts.
 *
 * @module
 */

import type { NodeId } from "../storage/bytes/ids.ts";
import { DiskError } from "../storage/disk.ts";
import { formatAddress, type SocketAddress } from "../net/network.ts";
import { ConfigError } from "./config/definition.ts";
import { parseBrokerConfig } from "./config/broker_config.ts";
import { type BootedNode, bootNode, type BootOptions } from "./node.ts";
import { denoEnvironment } from "./runtime/deno_environment.ts";
import type { Environment } from "./runtime/environment.ts";

/** What a node is started with. */
export interface NodeOptions {
  /** `node.id`; that of the properties when absent, else 1. */
  readonly nodeId?: NodeId;
  /** The data folder, made where there is none. */
  readonly data: string;
  /** Where to listen; port 0 lets the system choose. 127.0.0.1:9192 when absent. */
  readonly native?: Partial<SocketAddress>;
  /** Broker configs by Kafka's names. */
  readonly properties?: Readonly<Record<string, string>>;
  /** The world to live in; Deno's when absent. */
  readonly environment?: Environment;
}

/** A node that serves. */
export interface Node extends AsyncDisposable {
  /** `node.id` */
  readonly nodeId: NodeId;
  /** `host:port` of the native listener: what clients connect to. */
  readonly address: string;
  /** Drawn when the data folder was first used. */
  readonly clusterId: string;
  /** As it was given. */
  readonly dataFolder: string;
  /** Resolves with the reason if the node fails by itself; pending while it serves. */
  readonly failed: Promise<string>;
  /** Flushes and closes everything, so that the next start has nothing to recover. */
  close(): Promise<void>;
}

/**
 * Starts a node; resolves when it serves.
 *
 * @throws {ConfigError} naming each property that is unknown or malformed, or an address that other
 * machines could reach
 * @throws {DiskError} of kind `locked`, naming the process that uses the data folder
 * @throws {NetworkError} when the address cannot be listened on
 */
export async function startNode(options: NodeOptions): Promise<Node> {
  const config = parseBrokerConfig({
    ...options.properties,
    ...(options.nodeId === undefined ? {} : { "node.id": String(options.nodeId) }),
  });
  const { nodeId, openFilesMax } = config;
  const native = {
    host: options.native?.host ?? "127.0.0.1",
    port: options.native?.port ?? 9192,
  };
  checkLoopback(native.host);
  const environment = options.environment ??
    denoEnvironment({ dataRoot: options.data, openFilesMax });
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<string>();
  const booted = boot(options.data, {
    nodeId,
    native,
    config,
    environment,
    ready: ready.resolve,
    failed: (reason) => {
      failed.resolve(reason);
      ready.reject(new Error(`Cannot start node ${nodeId}: ${reason}`));
    },
  });
  await ready.promise;
  let closed: Promise<void> | undefined;
  const close = () =>
    closed ??= new Promise<void>((resolve, reject) => {
      booted.close((failures) => {
        if (failures.length === 0) resolve();
        else reject(new Error(`Cannot close node ${nodeId} in order: ${failures.join("; ")}`));
      });
    });
  return {
    nodeId,
    address: formatAddress(booted.address),
    clusterId: booted.clusterId,
    dataFolder: options.data,
    failed: failed.promise,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A disk knows no folder but its own root: people want to be told which one that is. */
function boot(data: string, options: BootOptions): BootedNode {
  try {
    return bootNode(options);
  } catch (error) {
    if (!(error instanceof DiskError) || error.kind === "locked") throw error;
    const message = `Cannot use data folder ${data}: ${error.message}`;
    throw new DiskError(error.kind, message, { cause: error });
  }
}

/** Nobody is asked who he is yet, so nobody from elsewhere may connect. */
function checkLoopback(host: string): void {
  if (host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)) return;
  throw new ConfigError([
    `Cannot listen on ${host}: clients are not authenticated, so only loopback is allowed`,
  ]);
}
