/**
 * Finds where to go on in partitions that a group has committed offsets of.
 *
 * Invariant: an answer counts only if nothing was sought meanwhile.
 *
 * @module
 */

import type { Environment, Timer } from "../../runtime/environment.ts";
import type { ConsumerSettings } from "../configs.ts";
import { ClientError, NoOffsetForPartitionError } from "../errors.ts";
import type { CommittedOffset, GroupOffsets } from "./group_offsets.ts";
import type { AssignedState, Subscription } from "./subscription.ts";

export interface CommittedPositionsOptions {
  readonly offsets: GroupOffsets;
  readonly environment: Environment;
  readonly settings: ConsumerSettings;
  readonly groupId: string;
  readonly subscription: Subscription;
  /** Positions were found, are to be looked up otherwise, or cannot be: see the states. */
  found(): void;
}

/** Sees to positions that were committed. */
export class CommittedPositions {
  readonly #options: CommittedPositionsOptions;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: CommittedPositionsOptions) {
    this.#options = options;
  }

  /** Asks for those that wait for it and are not being asked for. */
  look(): void {
    if (this.#isClosed) return;
    const { subscription, offsets, settings } = this.#options;
    const asked = subscription.partitions
      .filter((state) => state.awaitsCommitted && !state.isAsked && state.error === undefined)
      .map((state) => {
        state.isAsked = true;
        const { topic, partition, generation } = state;
        return { state, topic, partition, generation };
      });
    if (asked.length === 0) return;
    offsets.fetch(asked, settings.defaultApiTimeoutMs, (result) => {
      if (this.#isClosed) return;
      for (const [index, { state, generation }] of asked.entries()) {
        if (state.generation !== generation) continue;
        state.isAsked = false;
        if (!(result instanceof ClientError)) this.#take(state, result[index]!);
        else if (!result.retriable) state.error = result;
      }
      if (result instanceof ClientError) this.#lookLater();
      this.#options.found();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #take(state: AssignedState, { offset, leaderEpoch }: CommittedOffset): void {
    const { settings, groupId } = this.#options;
    const { topic, partition } = state;
    if (offset !== null) {
      state.seek(offset, leaderEpoch);
      state.committed = offset;
    } else if (settings.hasStart) {
      state.awaitsCommitted = false;
    } else {
      state.error = new NoOffsetForPartitionError(topic, partition, groupId);
    }
  }

  #lookLater(): void {
    const { environment, settings } = this.#options;
    this.#timer?.cancel();
    this.#timer = environment.timers.schedule(
      Math.max(1, settings.retryBackoff.maxMs),
      () => this.look(),
    );
  }
}
