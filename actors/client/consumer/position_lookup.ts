/**
 * Finds the positions of partitions that have none: at the start, and after an offset was lost.
 *
 * Invariant: one question at a time; an answer counts only if nothing was sought meanwhile.
 *
 * @module
 */

import { type Epoch, NONE } from "../../../storage/bytes/ids.ts";
import type { Cluster } from "../cluster.ts";
import type { ConsumerSettings, StartPosition } from "../configs.ts";
import type { ClientError } from "../errors.ts";
import {
  EARLIEST,
  LATEST,
  lookUpOffsets,
  type OffsetAnswer,
  type OffsetLookup,
} from "../offset_lookup.ts";
import type { AssignedState, Subscription } from "./subscription.ts";

export interface PositionLookupOptions {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly subscription: Subscription;
  /** Positions were found, or cannot be: see the states. */
  found(states: readonly AssignedState[]): void;
}

/** Sees to positions. */
export class PositionLookup {
  readonly #options: PositionLookupOptions;
  #running: OffsetLookup | undefined;

  constructor(options: PositionLookupOptions) {
    this.#options = options;
  }

  /** Begins to look up what is missing, unless that is under way. */
  wake(): void {
    if (this.#running !== undefined) return;
    const { cluster, settings, subscription } = this.#options;
    const states = subscription.partitions.filter((state) =>
      state.position === NONE && !state.isAsked && state.error === undefined &&
      state.leader !== NONE && !state.awaitsCommitted
    );
    if (states.length === 0) return;
    const asked = states.map((state) => {
      state.isAsked = true;
      const { topic, partition, generation, leaderEpoch } = state;
      const timestamp = timestampOf(state.start);
      return { state, topic, partition, generation, leaderEpoch, timestamp };
    });
    const { isReadCommitted, defaultApiTimeoutMs: timeoutMs } = settings;
    this.#running = lookUpOffsets(asked, { cluster, isReadCommitted, timeoutMs }, (result) => {
      this.#running = undefined;
      const current = asked.filter(({ state, generation }) => state.generation === generation);
      for (const { state } of current) state.isAsked = false;
      if (result instanceof Error) this.#failed(current.map(({ state }) => state), result);
      else this.#answered(asked, result);
      this.wake();
    });
  }

  close(): void {
    this.#running?.cancel();
  }

  #answered(
    asked: readonly {
      readonly state: AssignedState;
      readonly generation: number;
      readonly leaderEpoch: Epoch;
    }[],
    answers: readonly OffsetAnswer[],
  ): void {
    const found: AssignedState[] = [];
    for (const [index, { state, generation, leaderEpoch }] of asked.entries()) {
      if (state.generation !== generation) continue;
      const { offset, leaderEpoch: epoch } = answers[index]!;
      if (offset === NONE) {
        // Nothing is as late as the time asked for: what comes next will be.
        state.start = "latest";
      } else {
        state.found(offset, epoch, leaderEpoch);
        found.push(state);
      }
    }
    this.#options.found(found);
  }

  #failed(states: readonly AssignedState[], error: ClientError): void {
    if (!error.retriable) { for (const state of states) state.error = error; }
    this.#options.found(states);
  }
}

function timestampOf(start: StartPosition): number {
  if (start === "earliest") return EARLIEST;
  return start === "latest" ? LATEST : start.timestamp;
}
