/**
 * A node that runs: its controller, its broker and what they share, and how they end in order.
 *
 * @module
 */

import { NONE, type Offset } from "../storage/bytes/ids.ts";
import type { LogDirectory } from "../storage/log_directory.ts";
import { LogResources } from "../storage/log_resources.ts";
import { BufferPool } from "../net/buffer_pool.ts";
import { formatAddress, type SocketAddress } from "../net/network.ts";
import type { BootedNode, BootOptions, CloseOptions, NodeUsage } from "./booted_node.ts";
import {
  brokerActor,
  type BrokerClosed,
  type BrokerEvent,
  type BrokerRequest,
} from "./broker/broker_actor.ts";
import { SessionBudgets } from "./broker/sessions/budget.ts";
import { controllerChannelActor } from "./broker/controller_channel.ts";
import { NodeQuorumTransport } from "./broker/quorum_transport.ts";
import type { ClusterPlan } from "./cluster_plan.ts";
import { KAFKA_LISTENER, NATIVE_LISTENER } from "./config/listeners.ts";
import type { BrokerEndPoint } from "./controller/cluster_image.ts";
import { controllerActor } from "./controller/controller_actor.ts";
import type { ControllerFailed } from "./controller/controller_options.ts";
import type { ControllerClosed, ControllerRequest, Decide } from "./controller/messages.ts";
import { type ClusterSearch, findCluster } from "./join_cluster.ts";
import type { NodeListeners } from "./node_listeners.ts";
import type { Actor, ActorContext, AskResult } from "./runtime/actor.ts";
import type { Ref } from "./runtime/ref.ts";
import { ActorSystem } from "./runtime/system.ts";

type NodeMessage =
  | BrokerEvent
  | ControllerFailed
  | { readonly kind: "begin" }
  | { readonly kind: "broker-ended" }
  | {
    readonly kind: "close";
    readonly handOver: boolean;
    readonly done: (failures: readonly string[]) => void;
  }
  | { readonly kind: "broker-closed"; readonly result: AskResult<BrokerClosed> }
  | { readonly kind: "controller-closed"; readonly result: AskResult<ControllerClosed> };

/** A controlled end may take this long before it counts as failed. */
const CLOSE_TIMEOUT_MS = 60_000;

/** The node is being closed. */
interface Closing {
  done(failures: readonly string[]): void;
  readonly handOver: boolean;
  readonly failures: string[];
  /** Whether every log is all there. */
  clean: boolean;
  brokerEpoch: Offset;
}

/** The actors of a node, and what they share. */
export class WiredNode implements BootedNode {
  readonly address: SocketAddress;
  readonly kafka: SocketAddress | undefined;
  readonly clusterId: string;
  readonly #options: BootOptions;
  readonly #directory: LogDirectory;
  readonly #buffers = new BufferPool();
  readonly #budgets: SessionBudgets;
  readonly #system: ActorSystem;
  readonly #listeners: NodeListeners;
  readonly #transport: NodeQuorumTransport;
  /** Sees to it that the nodes that it was told of are of its cluster. */
  readonly #search: ClusterSearch | undefined;
  readonly #controller: Ref<ControllerRequest>;
  readonly #broker: Ref<BrokerRequest>;
  readonly #supervisor: Ref<NodeMessage>;
  /** Why it has failed, if it has. */
  #failure: string | undefined;
  #closing: Closing | undefined;
  /** It ends, in order or not: the end of its own actor is no failure any more. */
  #isEnding = false;

  constructor(
    options: BootOptions,
    plan: ClusterPlan,
    directory: LogDirectory,
    listeners: NodeListeners,
  ) {
    const { environment, nodeId, config } = options;
    this.#options = options;
    this.#directory = directory;
    this.#listeners = listeners;
    this.address = listeners.native.address;
    this.kafka = listeners.kafka?.address;
    this.clusterId = directory.clusterId;
    this.#budgets = new SessionBudgets(config);
    this.#system = new ActorSystem({ environment, node: nodeId, probe: options.probe });
    this.#supervisor = this.#system.spawn<NodeMessage>(
      "node",
      (context) => this.#supervise(context),
    );
    this.#transport = new NodeQuorumTransport({
      ...this.#identity,
      environment,
      pool: this.#buffers,
    });
    try {
      const resources = new LogResources(environment.disk);
      this.#controller = this.#spawnController(plan, resources);
      this.#broker = this.#spawnBroker(plan, resources, this.#spawnChannel());
    } catch (error) {
      this.#transport.close();
      this.#system.crash();
      throw error;
    }
    listeners.serve((connection, listener) => {
      this.#broker.tell({ kind: "accepted", connection, listener });
    });
    this.#search = this.#checkCluster(plan.bootstrapServers);
    this.#supervisor.tell({ kind: "begin" });
  }

  /** What every part of the node goes by. */
  get #identity() {
    const { nodeId, config, versionLimits } = this.#options;
    return { nodeId, clusterId: this.clusterId, config, versionLimits };
  }

  /** Where fellow nodes reach the node. */
  #addressOf({ advertised }: ClusterPlan): SocketAddress {
    return advertised.native ?? this.address;
  }

  /** Where each listener is reached. Fellow nodes go by the first. */
  #endPointsOf(plan: ClusterPlan): BrokerEndPoint[] {
    const native = { name: NATIVE_LISTENER, ...this.#addressOf(plan), securityProtocol: 0 };
    const kafka = plan.advertised.kafka ?? this.kafka;
    if (this.kafka === undefined || kafka === undefined) return [native];
    return [native, { name: KAFKA_LISTENER, ...kafka, securityProtocol: 0 }];
  }

  #spawnController(plan: ClusterPlan, resources: LogResources): Ref<ControllerRequest> {
    const { nodeId, config, observer, protocol } = this.#options;
    const { roles, voters, bootstrapServers } = plan;
    return this.#system.spawn(
      "controller",
      controllerActor({
        nodeId,
        directory: this.#directory,
        resources,
        config,
        voters,
        bootstrapServers,
        address: this.#addressOf(plan),
        isController: roles.controller,
        transport: this.#transport,
        failed: this.#supervisor,
        observer,
        QuorumRules: protocol?.QuorumRules,
        ControllerDecisions: protocol?.ControllerDecisions,
      }),
    );
  }

  /** The way to whoever leads the quorum. */
  #spawnChannel(): Ref<Decide> {
    return this.#system.spawn(
      "controller-channel",
      controllerChannelActor({
        ...this.#identity,
        controller: this.#controller,
        buffers: this.#buffers,
      }),
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
  }

  #spawnBroker(
    plan: ClusterPlan,
    resources: LogResources,
    controller: Ref<Decide>,
  ): Ref<BrokerRequest> {
    const { nodeId, config, versionLimits, authorizer, observer, protocol } = this.#options;
    return this.#system.spawn(
      "broker",
      brokerActor({
        nodeId,
        config,
        isBroker: plan.roles.broker,
        directory: this.#directory,
        resources,
        buffers: this.#buffers,
        budgets: this.#budgets,
        endPoints: this.#endPointsOf(plan),
        versionLimits,
        authorizer,
        controller,
        quorum: this.#controller,
        events: this.#supervisor,
        observer,
        Replica: protocol?.Replica,
        FetchState: protocol?.FetchState,
      }),
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
  }

  /** A folder from elsewhere, or an address of elsewhere: said as soon as somebody answers. */
  #checkCluster(servers: readonly SocketAddress[]): ClusterSearch | undefined {
    if (servers.length === 0) return undefined;
    const { environment, config } = this.#options;
    const secret = config.nativeSharedSecret;
    return findCluster(environment, servers, secret, (clusterId, server) => {
      if (clusterId === this.clusterId || this.#closing !== undefined) return;
      const found = `${formatAddress(server)} is of cluster ${clusterId}`;
      this.#fail(`the folder is of cluster ${this.clusterId}, and ${found}`);
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

  close(done: (failures: readonly string[]) => void, options: CloseOptions = {}): void {
    const { handOver = true } = options;
    if (this.#supervisor.tell({ kind: "close", handOver, done })) return;
    const failure = `it had ended: ${this.#failure ?? "it was closed"}`;
    this.#options.environment.dispatcher.atEndOfTurn(() => done([failure]));
  }

  crash(): void {
    this.#listeners.close();
    this.#disconnect();
    this.#system.crash();
    this.#directory.release();
  }

  /** Stops at once, flushing nothing: what is in doubt is for the next start to find out. */
  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#isEnding = true;
    this.#listeners.close();
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
            this.#closing = {
              done: message.done,
              handOver: message.handOver,
              failures: [],
              clean: false,
              brokerEpoch: NONE,
            };
            this.#listeners.close();
            return context.ask<BrokerRequest, BrokerClosed>(
              this.#broker,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", handOver: message.handOver, replyTo }),
              (result) => ({ kind: "broker-closed", result }),
            );
          case "broker-closed":
            this.#noteBroker(message.result);
            return context.ask<ControllerRequest, ControllerClosed>(
              this.#controller,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", handOver: this.#closing?.handOver === true, replyTo }),
              (result) => ({ kind: "controller-closed", result }),
            );
          case "controller-closed":
            this.#closing?.failures.push(...failuresOf(message.result));
            return this.#end();
        }
      },
      // Without it nobody would see failures, nor answer whoever wants the node closed.
      stopped: () => this.#isEnding ? undefined : this.#fail("The actor of the node has failed"),
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
    this.#isEnding = true;
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
