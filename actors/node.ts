/**
 * One node: wires config, environment, data folder, controller and broker together, and ends them
 * in order.
 *
 * Plain and with callbacks, so that a node runs in the simulated world too; start_node.ts is its
 * promise-based face.
 *
 * @module
 */

import type { NodeId } from "../storage/bytes/ids.ts";
import { LogDirectory } from "../storage/log_directory.ts";
import { LogResources } from "../storage/log_resources.ts";
import { BufferPool } from "../net/buffer_pool.ts";
import { BoundListener } from "../net/bound_listener.ts";
import type { SocketAddress } from "../net/network.ts";
import type { BrokerConfig } from "./config/broker_config.ts";
import { SessionBudgets } from "./broker/budget.ts";
import { brokerActor, type BrokerClosed, type BrokerEvent } from "./broker/broker_actor.ts";
import type { BrokerRequest } from "./broker/broker_actor.ts";
import { controllerActor, type ControllerFailed } from "./controller/controller_actor.ts";
import type { ControllerClosed, ControllerRequest } from "./controller/messages.ts";
import type { Actor, ActorContext, AskResult } from "./runtime/actor.ts";
import type { Environment } from "./runtime/environment.ts";
import type { Ref } from "./runtime/ref.ts";
import { ActorSystem, type Probe } from "./runtime/system.ts";
import { parseRoles, parseVoters } from "./config/quorum_voters.ts";
import type { NodeObserver } from "./broker/observer.ts";
import type { Protocol } from "./protocol.ts";

/** The name of the listener that speaks the native encoding. */
export const NATIVE_LISTENER = "NATIVE";

/** What a node is booted with, in a world of its own whose disk's root is the data folder. */
export interface BootOptions {
  readonly nodeId: NodeId;
  readonly native: SocketAddress;
  /** Bound to `native` already; the node's from now on. */
  readonly listener?: BoundListener | undefined;
  /** With the node's roles, and the voters of the metadata quorum. */
  readonly config: BrokerConfig;
  readonly environment: Environment;
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
  readonly clusterId: string;
  /** What it holds for its sessions now. */
  readonly usage: NodeUsage;
  /** Flushes and closes everything; `done` gets what could not be closed in order. */
  close(done: (failures: readonly string[]) => void): void;
  /** Ends at once, as if the process died. */
  crash(): void;
}

/**
 * Boots a node.
 *
 * @throws {DiskError} of kind `locked` when another process uses the data folder
 * @throws {WrongNodeError} when the folder belongs to another node
 * @throws {NetworkError} when the address cannot be listened on
 */
export function bootNode(options: BootOptions): BootedNode {
  const { environment, nodeId } = options;
  const random = environment.random.stream("data folder");
  const directory = new LogDirectory(environment.disk, {
    nodeId,
    holder: environment.process,
    newId: () => random.uuid(),
  });
  let listener = options.listener;
  try {
    listener ??= new BoundListener(environment.network, options.native);
    return new WiredNode(options, directory, listener);
  } catch (error) {
    listener?.close();
    directory.release();
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

class WiredNode implements BootedNode {
  readonly address: SocketAddress;
  readonly clusterId: string;
  readonly #options: BootOptions;
  readonly #directory: LogDirectory;
  readonly #buffers = new BufferPool();
  readonly #budgets: SessionBudgets;
  readonly #system: ActorSystem;
  readonly #listener: BoundListener;
  readonly #controller: Ref<ControllerRequest>;
  readonly #broker: Ref<BrokerRequest>;
  readonly #supervisor: Ref<NodeMessage>;
  /** Why it has failed, if it has. */
  #failure: string | undefined;

  constructor(options: BootOptions, directory: LogDirectory, listener: BoundListener) {
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
    try {
      this.#controller = this.#system.spawn(
        "controller",
        controllerActor({
          nodeId,
          directory,
          resources,
          config,
          voters: parseVoters(config.controllerQuorumVoters),
          isController: parseRoles(config.processRoles).controller,
          transport: { send: (_to, _api, _request, _timeoutMs, done) => done(undefined) },
          failed: this.#supervisor,
        }),
      );
      this.#broker = this.#system.spawn(
        "broker",
        brokerActor({
          nodeId,
          config,
          directory,
          resources,
          buffers: this.#buffers,
          budgets: this.#budgets,
          endPoints: [{ name: NATIVE_LISTENER, ...this.address }],
          controller: this.#controller,
          events: this.#supervisor,
        }),
        { mailboxLimit: Number.MAX_SAFE_INTEGER },
      );
    } catch (error) {
      this.#system.crash();
      throw error;
    }
    listener.serve((connection) => {
      this.#broker.tell({ kind: "accepted", connection, listener: NATIVE_LISTENER });
    });
    this.#supervisor.tell({ kind: "begin" });
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
    this.#system.crash();
    this.#directory.release();
  }

  /** Stops at once, flushing nothing: what is in doubt is for the next start to find out. */
  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#listener.close();
    this.#system.shutdown(() => {
      this.#directory.release();
      this.#options.failed(reason);
    });
  }

  #supervise(context: ActorContext<NodeMessage>): Actor<NodeMessage> {
    let closing: ((failures: readonly string[]) => void) | undefined;
    let failures: readonly string[] = [];
    let clean = false;
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
            return closing === undefined ? this.#fail("The broker has failed") : undefined;
          case "close": {
            if (closing !== undefined) return;
            closing = message.done;
            this.#listener.close();
            return context.ask<BrokerRequest, BrokerClosed>(
              this.#broker,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", replyTo }),
              (result) => ({ kind: "broker-closed", result }),
            );
          }
          case "broker-closed": {
            const { result } = message;
            failures = result.kind === "reply" ? result.reply.failures : [`broker: ${result.kind}`];
            clean = result.kind === "reply" && result.reply.clean;
            return context.ask<ControllerRequest, ControllerClosed>(
              this.#controller,
              CLOSE_TIMEOUT_MS,
              (replyTo) => ({ kind: "close", replyTo }),
              (result) => ({ kind: "controller-closed", result }),
            );
          }
          case "controller-closed":
            failures = [...failures, ...failuresOf(message.result)];
            return this.#end(clean, failures, (told) => closing?.(told));
        }
      },
    };
  }

  /** Lets go of the folder when nobody of this process writes to it any more. */
  #end(clean: boolean, failures: readonly string[], done: (told: readonly string[]) => void): void {
    this.#system.shutdown(() => {
      if (!clean || failures.length > 0) {
        this.#directory.release();
        return done(failures);
      }
      try {
        this.#directory.closeClean(-1);
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
