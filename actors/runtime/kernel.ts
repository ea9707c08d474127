/**
 * What the cells of one system share: whose call is under way, what must wait for its end, numbers
 * for new actors, deadlines.
 *
 * It decides nothing about an actor; cells do. Invariant: `deferred` is empty whenever no call is
 * under way.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ActorContext } from "./actor.ts";
import type { Cell } from "./cell.ts";
import type { Environment } from "./environment.ts";
import type { Counter } from "./metrics.ts";
import type { Ref } from "./ref.ts";
import { TimerQueue } from "./timers.ts";

/** Called before each message is handled; what it throws counts as thrown by the actor. */
export type Probe = (actor: Ref<never>, message: unknown) => void;

/** The context of one life, and its end. */
export interface LifeContext extends ActorContext<unknown> {
  /** Forgets timers, watches and asks; from now on the context does nothing. */
  end(): void;
}

export interface KernelOptions {
  readonly environment: Environment;
  readonly node: NodeId;
  readonly shard: number;
  readonly probe: Probe | undefined;
  /** Makes the context of a life; given so that cells need not know what makes cells. */
  readonly begin: (cell: Cell) => LifeContext;
}

interface Deferred {
  readonly cell: Cell;
  /** Present when the cell failed; absent when it is to stop. */
  readonly failure?: { readonly error: unknown };
}

export class Kernel {
  readonly environment: Environment;
  readonly node: NodeId;
  readonly shard: number;
  readonly probe: Probe | undefined;
  readonly begin: (cell: Cell) => LifeContext;
  readonly timers: TimerQueue;
  /** The top actors by name. */
  readonly roots: Map<string, Cell> = new Map();
  readonly refused: Counter;
  readonly failures: Counter;
  /** The cell whose call is under way; those it is nested in hang on `Cell.outer`. */
  current: Cell | undefined = undefined;
  /** The number of `current`, 0 outside calls. */
  sender = 0;
  /** Nothing can be spawned any more. */
  closing = false;
  crashed = false;
  /** Stops and failures of cells that are in a call. */
  readonly deferred: Deferred[] = [];
  readonly #firstIncarnation: number;
  #cells = 0;
  #settling = false;

  constructor(options: KernelOptions) {
    const { environment } = options;
    this.environment = environment;
    this.node = options.node;
    this.shard = options.shard;
    this.probe = options.probe;
    this.begin = options.begin;
    this.timers = new TimerQueue(environment);
    this.refused = environment.metrics.counter("actor-messages-refused-total");
    this.failures = environment.metrics.counter("actor-failures-total");
    // A node that starts anew must not give out the incarnations of its life before.
    const epoch = environment.random.stream("actor incarnations").integer(2 ** 21);
    this.#firstIncarnation = epoch * 2 ** 32;
  }

  /** A number for a new cell, from 1: it is its sender number. */
  nextNumber(): number {
    return ++this.#cells;
  }

  incarnation(number: number): number {
    return this.#firstIncarnation + number;
  }

  /** Whether a call of the cell, or of one below it, is under way. */
  isBusy(cell: Cell): boolean {
    for (let call = this.current; call !== undefined; call = call.outer) {
      for (let at: Cell | undefined = call; at !== undefined; at = at.parent) {
        if (at === cell) return true;
      }
    }
    return false;
  }

  /** Does what had to wait for calls to end: stops first, then failures. */
  settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    for (let next = this.#takeReady(); next !== undefined; next = this.#takeReady()) {
      if (next.failure === undefined) next.cell.terminate();
      else next.cell.supervise(next.failure.error);
    }
    this.#settling = false;
  }

  #takeReady(): Deferred | undefined {
    const { deferred } = this;
    let index = deferred.findIndex((d) => d.failure === undefined && !this.isBusy(d.cell));
    if (index === -1) index = deferred.findIndex((d) => !this.isBusy(d.cell));
    return index === -1 ? undefined : deferred.splice(index, 1)[0];
  }
}
