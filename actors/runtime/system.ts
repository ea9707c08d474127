/**
 * An actor system: the actors of one event loop of a node, from the top ones down.
 *
 * It owns the tree's root and its end; cells own what lies between. What it promises is in
 * docs/semantics.md.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { Behaviour, SpawnOptions } from "./actor.ts";
import { Cell, LocalRef } from "./cell.ts";
import type { Environment } from "./environment.ts";
import { Kernel, type Probe } from "./kernel.ts";
import { Life } from "./life.ts";
import type { Ref } from "./ref.ts";

export type { Probe } from "./kernel.ts";

/** What an actor system is made of. */
export interface ActorSystemOptions {
  /** The world that its actors live in. */
  readonly environment: Environment;
  /** The id of the node. */
  readonly node: NodeId;
  /** The event loop within the node. */
  readonly shard?: number;
  /** Sees each message before it is handled; what it throws counts as thrown by the actor. */
  readonly probe?: Probe | undefined;
}

/** The actors of one event loop. */
export class ActorSystem {
  /** The world that its actors live in. */
  readonly environment: Environment;
  /** The id of the node. */
  readonly node: NodeId;
  /** The event loop within the node. */
  readonly shard: number;
  readonly #kernel: Kernel;

  /** Makes a system without actors. */
  constructor(options: ActorSystemOptions) {
    this.environment = options.environment;
    this.node = options.node;
    this.shard = options.shard ?? 0;
    this.#kernel = new Kernel({
      environment: this.environment,
      node: this.node,
      shard: this.shard,
      probe: options.probe,
      begin: (cell) => new Life(cell),
    });
  }

  /**
   * Starts a top actor; its behaviour is called at once.
   * @throws {Error} when the name is taken or not a name, or the system is shut down.
   */
  spawn<Message>(
    name: string,
    behaviour: Behaviour<Message>,
    options?: SpawnOptions,
  ): Ref<Message> {
    return Cell.spawn(this.#kernel, undefined, name, behaviour as Behaviour<unknown>, options).ref;
  }

  /** Stops an actor of this system, at once unless it or one below it is in a call. */
  stop(ref: Ref<never>): void {
    if (!(ref instanceof LocalRef) || ref.target.kernel !== this.#kernel) {
      throw new Error(`Cannot stop ${ref.address.path}: not an actor of this system`);
    }
    ref.target.stop();
  }

  /** The living actor of that path, e.g. `/broker/partition/orders-0`. */
  find(path: string): Ref<never> | undefined {
    const [empty, top, ...below] = path.split("/");
    if (empty !== "" || top === undefined) return undefined;
    let cell = this.#kernel.roots.get(top);
    for (const name of below) cell = cell?.child(name);
    return cell?.ref;
  }

  /** Stops every actor, the last spawned first, then calls `done`, later. */
  shutdown(done: () => void): void {
    const kernel = this.#kernel;
    kernel.closing = true;
    for (const cell of [...kernel.roots.values()].reverse()) cell.stop();
    this.environment.dispatcher.atEndOfTurn(done);
  }

  /** Ends everything at once, as if the process died: no actor and no watcher is told. */
  crash(): void {
    const kernel = this.#kernel;
    kernel.closing = kernel.crashed = true;
    kernel.deferred.length = 0;
    kernel.timers.close();
    for (const cell of kernel.roots.values()) cell.crash();
    kernel.roots.clear();
  }
}
