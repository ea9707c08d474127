/**
 * One node: wires config, environment, data folder, controller and broker together, and ends them
 * in order.
 *
 * Plain and with callbacks, so that a node runs in the simulated world too; start_node.ts is its
 * promise-based face.
 *
 * @module
 */

import { type NodeId, NONE, type Offset } from "../storage/bytes/ids.ts";
import { LogDirectory } from "../storage/log_directory.ts";
import { readMetaProperties } from "../storage/meta_properties.ts";
import { LogResources } from "../storage/log_resources.ts";
import { BufferPool } from "../net/buffer_pool.ts";
import { BoundListener } from "../net/bound_listener.ts";
import type { VersionLimits } from "../net/messages/version_limits.ts";
import type { SocketAddress } from "../net/network.ts";
import type { BrokerConfig } from "./config/broker_config.ts";
import { SessionBudgets } from "./broker/budget.ts";
import { brokerActor, type BrokerClosed, type BrokerEvent } from "./broker/broker_actor.ts";
import type { BrokerRequest } from "./broker/broker_actor.ts";
import { controllerChannelActor } from "./broker/controller_channel.ts";
import { NodeQuorumTransport } from "./broker/quorum_transport.ts";
import { controllerActor } from "./controller/controller_actor.ts";
import type { ControllerFailed } from "./controller/controller_options.ts";
import type { ControllerClosed, ControllerRequest } from "./controller/messages.ts";
import type { Actor, ActorContext, AskResult } from "./runtime/actor.ts";
import type { Environment } from "./runtime/environment.ts";
import type { Ref } from "./runtime/ref.ts";
import { ActorSystem, type Probe } from "./runtime/system.ts";
import type { NodeObserver } from "./broker/observer.ts";
import { type ClusterPlan, clusterPlanOf, NATIVE_LISTENER } from "./cluster_plan.ts";
import { type ClusterSearch, findCluster } from "./join_cluster.ts";
import { JoiningNode } from "./joining_node.ts";
import type { Protocol } from "./protocol.ts";

/** What a node is booted with, in a world of its own whose disk's root is the data folder. */
export interface BootOptions {
  readonly nodeId: NodeId;
  readonly native: SocketAddress;
  /** Bound to `native` already; the node's from now on. */
  readonly listener?: BoundListener | undefined;
  /** With the node's roles, and the voters of the metadata quorum. */
  readonly config: BrokerConfig;
  readonly environment: Environment;
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
  /** Sees each message before its actor does; the simulated world's. */
  readonly probe?: Probe | undefined;
  /** Looks on at what the node's actors hold; the simulated world's. */
  readonly observer?: NodeObserver | undefined;
  /** Stand in for the classes of the same names. */
  readonly protocol?: Partial<Protocol> | undefined;
  /** The node serves. */
  ready(): void;
  /** The node can serve no longer; it has let go of everything. */
  failed(reason: string): void;
}

/** What a node holds for its sessions: nothing when none has a request or a reply under way. */
export interface NodeUsage {
  /** Bytes of pooled buffers that somebody has. */
  readonly lentBytes: number;
  /** Bytes of requests that are worked on. */
  readonly requestBytes: number;
  /** Bytes of records that were read and not sent. */
  readonly fetchedBytes: number;
  /** Bytes of buffers for large requests that have come in part. */
  readonly receivedBytes: number;
  /** Partitions that fetches wait for. */
  readonly waitingPlaces: number;
}

/** A node that was booted. */
export interface BootedNode {
  readonly address: SocketAddress;
  /** Empty while it is not known: before a node that joins a cluster has found it. */
  readonly clusterId: string;
  /** What it holds for its sessions now. */
  readonly usage: NodeUsage;
  /** Flushes and closes everything; `done` gets what could not be closed in order. */
  close(done: (failures: readonly string[]) => void): void;
  /** Ends at once, as if the process died. */
  crash(): void;
}

/**
 * Boots a node. One that is to join a cluster, and whose folder is new, first learns which cluster
 * that is: until then it holds its address and nothing else.
 *
 * @throws {ConfigError} when roles, voters or addresses cannot be read, or contradict each other
 * @throws {DiskError} of kind `locked` when another process uses the data folder
 * @throws {WrongNodeError} when the folder belongs to another node or cluster
 * @throws {NetworkError} when the address cannot be listened on
 */
export function bootNode(options: BootOptions): BootedNode {
  const { environment, config, native } = options;
  const plan = clusterPlanOf(config, options.nodeId);
  const isNew = readMetaProperties(environment.disk, "") === undefined;
  if (!isNew || plan.bootstrapServers.length === 0) return openNode(options, plan, plan.clusterId);
  return new JoiningNode(
    environment,
    options.listener ?? new BoundListener(environment.network, native),
    plan.bootstrapServers,
    (clusterId, listener) => openNode({ ...options, listener }, plan, clusterId),
    options.failed,
  );
}

/** Opens the data folder, and sets the node up in it. */
function openNode(
  options: BootOptions,
  plan: ClusterPlan,
  clusterId: string | undefined,
): WiredNode {
  const { environment, nodeId, native } = options;
  const random = environment.random.stream("data folder");
  let listener = options.listener;
  let directory: LogDirectory | undefined;
  try {
    directory = new LogDirectory(environment.disk, {
      nodeId,
      holder: environment.process,
      newId: () => random.uuid(),
      clusterId,
    });
    listener ??= new BoundListener(environment.network, native);
    return new WiredNode(options, plan, directory, listener);
  } catch (error) {
    listener?.close();
    directory?.release();
    throw error;
  }
}

type NodeMessage =
  | BrokerEvent
  | ControllerFailed
  | { readonly kind: "begin" }
  | { readonly kind: "broker-ended" }
  | { readonly kind: "close"; readonly done: (failures: readonly string[]) => void }
  | { readonly kind: "broker-closed"; readonly result: AskResult<BrokerClosed> }
  | { readonly kind: "controller-closed"; readonly result: AskResult<ControllerClosed> };

/** A controlled end may take this long before it counts as failed. */
const CLOSE_TIMEOUT_MS = 60_000;

/** The node is being closed. */
interface Closing {
  done(failures: readonly string[]): void;
  readonly failures: string[];
  /** Whether every log is all there. */
  clean: boolean;
  brokerEpoch: Offset;
}

class WiredNode implements BootedNode {
  readonly address: SocketAddress;
  readonly clusterId: string;
  readonly #options: BootOptions;
  readonly #directory: LogDirectory;
  readonly #buffers = new BufferPool();
  readonly #budgets: SessionBudgets;
  readonly #system: ActorSystem;
  readonly #listener: BoundListener;
  readonly #transport: NodeQuorumTransport;
  /** Sees to it that the nodes that it was told of are of its cluster. */
  readonly #search: ClusterSearch | undefined;
  readonly #controller: Ref<ControllerRequest>;
  readonly #broker: Ref<BrokerRequest>;
  readonly #supervisor: Ref<NodeMessage>;
  /** Why it has failed, if it has. */
  #failure: string | undefined;
  #closing: Closing | undefined;

  constructor(
    options: BootOptions,
    plan: ClusterPlan,
    directory: LogDirectory,
    listener: BoundListener,
  ) {
    const { environment, nodeId, config } = options;
    this.#options = options;
    this.#directory = directory;
    this.#listener = listener;
    this.address = listener.address;
    this.clusterId = directory.clusterId;
    this.#budgets = new SessionBudgets(config);
    this.#system = new ActorSystem({ environment, node: nodeId, probe: options.probe });
    this.#supervisor = this.#system.spawn<NodeMessage>(
      "node",
      (context) => this.#supervise(context),
    );
    const resources = new LogResources(environment.disk);
    this.#transport = new NodeQuorumTransport({
      environment,
      nodeId,
      clusterId: this.clusterId,
      pool: this.#buffers,
      config,
      versionLimits: options.versionLimits,
    });
    const { roles, voters, bootstrapServers } = plan;
    const address = plan.advertised ?? this.address;
    const endPoint = { name: NATIVE_LISTENER, ...address, securityProtocol: 0 };
    try {
      this.#controller = this.#system.spawn(
        "controller",
        controllerActor({
          nodeId,
          directory,
          resources,
          config,
          voters,
          bootstrapServers,
          address,
          isController: roles.controller,
          transport: this.#transport,
          failed: this.#supervisor,
          observer: options.observer,
          QuorumRules: options.protocol?.QuorumRules,
          ControllerDecisions: options.protocol?.ControllerDecisions,
        }),
      );
      const channel = this.#system.spawn(
        "controller-channel",
        controllerChannelActor({
          nodeId,
          clusterId: this.clusterId,
          controller: this.#controller,
          buffers: this.#buffers,
          config,
          versionLimits: options.versionLimits,
        }),
        { mailboxLimit: Number.MAX_SAFE_INTEGER },
      );
      this.#broker = this.#system.spawn(
        "broker",
        brokerActor({
          nodeId,
          config,
          isBroker: roles.broker,
          directory,
          resources,
          buffers: this.#buffers,
          budgets: this.#budgets,
          endPoints: [endPoint],
          versionLimits: options.versionLimits,
          controller: channel,
          quorum: this.#controller,
          events: this.#supervisor,
          observer: options.observer,
          Replica: options.protocol?.Replica,
        }),
        { mailboxLimit: Number.MAX_SAFE_INTEGER },
      );
    } catch (error) {
      this.#transport.close();
      this.#system.crash();
      throw error;
    }
    listener.serve((connection) => {
      this.#broker.tell({ kind: "accepted", connection, listener: NATIVE_LISTENER });
    });
    this.#search = this.#checkCluster(bootstrapServers);
    this.#supervisor.tell({ kind: "begin" });
  }

  /** A folder from elsewhere, or an address of elsewhere: said as soon as somebody answers. */
  #checkCluster(servers: readonly SocketAddress[]): ClusterSearch | undefined {
    if (servers.length === 0) return undefined;
    return findCluster(this.#options.environment, servers, (clusterId, { host, port }) => {
      if (clusterId === this.clusterId || this.#closing !== undefined) return;
      this.#fail(
        `the folder is of cluster ${this.clusterId}, and ${host}:${port} is of ${clusterId}`,
      );
    });
  }

  /** Ends what the actors' own end does not. */
  #disconnect(): void {
    this.#search?.stop();
    this.#transport.close();
  }

  get usage(): NodeUsage {
    const { requestBytes, fetchedBytes, receivedBytes, waitingPlaces } = this.#budgets;
    return {
      lentBytes: this.#buffers.statistics.lentBytes,
      requestBytes: requestBytes.held,
      fetchedBytes: fetchedBytes.held,
      receivedBytes: receivedBytes.held,
      waitingPlaces: waitingPlaces.held,
    };
  }

  close(done: (failures: readonly string[]) => void): void {
    if (this.#supervisor.tell({ kind: "close", done })) return;
    const failure = `it had ended: ${this.#failure ?? "it was closed"}`;
    this.#options.environment.dispatcher.atEndOfTurn(() => done([failure]));
  }

  crash(): void {
    this.#listener.close();
    this.#disconnect();
    this.#system.crash();
    this.#directory.release();
  }

  /** Stops at once, flushing nothing: what is in doubt is for the next start to find out. */
  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#listener.close();
    this.#disconnect();
    this.#system.shutdown(() => {
      this.#directory.release();
      this.#closing?.done([reason]);
      this.#options.failed(reason);
    });
  }

  #supervise(context: ActorContext<NodeMessage>): Actor<NodeMessage> {
    return {
      receive: (message) => {
        switch (message.kind) {
          case "begin":
            return context.watch(this.#broker, { kind: "broker-ended" });
          case "broker-ready":
            return this.#options.ready();
          case "broker-failed":
          case "controller-failed":
            return this.#fail(message.reason);
          case "broker-ended":
            return this.#closing === undefined ? this.#fail("The broker has failed") : undefined;
          case "close":
            if (this.#closing !== undefined) return;
            this.#closing = { done: message.done, failures: [], clean: false, brokerEpoch: NONE };
            this.#listener.close();
            return context.ask<BrokerRequest, BrokerClosed>(
              this.#broker,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", replyTo }),
              (result) => ({ kind: "broker-closed", result }),
            );
          case "broker-closed":
            this.#noteBroker(message.result);
            return context.ask<ControllerRequest, ControllerClosed>(
              this.#controller,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", replyTo }),
              (result) => ({ kind: "controller-closed", result }),
            );
          case "controller-closed":
            this.#closing?.failures.push(...failuresOf(message.result));
            return this.#end();
        }
      },
    };
  }

  #noteBroker(result: AskResult<BrokerClosed>): void {
    const closing = this.#closing as Closing;
    if (result.kind !== "reply") {
      closing.failures.push(`broker: ${result.kind}`);
      return;
    }
    closing.failures.push(...result.reply.failures);
    closing.clean = result.reply.clean;
    closing.brokerEpoch = result.reply.brokerEpoch;
  }

  /** Lets go of the folder when nobody of this process writes to it any more. */
  #end(): void {
    const { done, failures, clean, brokerEpoch } = this.#closing as Closing;
    this.#disconnect();
    this.#system.shutdown(() => {
      if (!clean || failures.length > 0) {
        this.#directory.release();
        return done(failures);
      }
      try {
        this.#directory.closeClean(brokerEpoch);
        done([]);
      } catch (error) {
        done([`data folder: ${error instanceof Error ? error.message : String(error)}`]);
      }
    });
  }
}

function failuresOf(result: AskResult<ControllerClosed>): string[] {
  if (result.kind !== "reply") return [`controller: ${result.kind}`];
  return result.reply.failure === undefined ? [] : [`controller: ${result.reply.failure}`];
}
