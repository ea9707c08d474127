/**
 * Holds positions against the logs of new leaders (KIP-320).
 *
 * Owns the question where a new leader's log ends in the epoch of the last record that was fetched,
 * and what follows from the answer. Until then the partition is not fetched from: see
 * `AssignedState.needsValidation`.
 *
 * A log that ends before the position has lost records that were read: with an `autoOffsetReset`
 * the consumer goes on where the logs part, and is not told, as in Kafka; without one that is a
 * `LogTruncationError`. What was fetched and not given to the user yet goes first, unseen.
 *
 * Invariants: one question of a partition at a time; an answer counts only if nothing was sought
 * and the leader epoch has not changed meanwhile.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type EpochEndOffset,
  OFFSET_FOR_LEADER_EPOCH,
  type OffsetForLeaderEpochResponse,
} from "../../../net/messages/offset_for_leader_epoch.ts";
import { make } from "../../../net/schema/make.ts";
import { backoffMs } from "../../link/backoff.ts";
import type { RandomStream, Timer } from "../../runtime/environment.ts";
import type { Cluster } from "../cluster.ts";
import type { ConsumerSettings } from "../configs.ts";
import { type ClientError, errorForCode, LogTruncationError } from "../errors.ts";
import type { AssignedState, Subscription } from "./subscription.ts";

export interface PositionValidationOptions {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly subscription: Subscription;
  /** Partitions may be fetched from again, or bear an error for the user. */
  validated(states: readonly AssignedState[]): void;
  /** A position must be looked up. */
  positionLost(): void;
}

/** A partition that was asked for, and what was true then. */
interface Asked {
  readonly state: AssignedState;
  readonly generation: number;
  readonly leaderEpoch: Epoch;
}

/** Kafka's replica id of a consumer. */
const CONSUMER = -1;

/** Sees to the validity of positions. */
export class PositionValidation {
  readonly #options: PositionValidationOptions;
  readonly #random: RandomStream;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: PositionValidationOptions) {
    this.#options = options;
    this.#random = options.cluster.environment.random.stream("consumer validation");
  }

  /** Asks for what is to be validated and not being asked for. */
  wake(): void {
    if (this.#isClosed) return;
    const { subscription, cluster } = this.#options;
    const now = cluster.environment.clock.monotonic();
    const byLeader = new Map<NodeId, AssignedState[]>();
    let next = Infinity;
    for (const state of subscription.partitions) {
      if (!state.needsValidation || state.isAsked || state.error !== undefined) continue;
      if (state.notBefore > now) {
        next = Math.min(next, state.notBefore);
        continue;
      }
      const states = byLeader.get(state.leader);
      if (states === undefined) byLeader.set(state.leader, [state]);
      else states.push(state);
    }
    for (const [leader, states] of byLeader) this.#ask(leader, states);
    if (next !== Infinity) this.#arm(next - now);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #ask(leader: NodeId, states: readonly AssignedState[]): void {
    const { cluster, settings } = this.#options;
    const link = leader === NONE ? undefined : cluster.link(leader);
    if (link === undefined || !link.isReady) return;
    const asked = states.map((state): Asked => {
      state.isAsked = true;
      const { generation, leaderEpoch } = state;
      return { state, generation, leaderEpoch };
    });
    const byTopic = Map.groupBy(states, ({ topic }) => topic);
    const request = make(OFFSET_FOR_LEADER_EPOCH.request, {
      replicaId: CONSUMER,
      topics: Array.from(byTopic, ([topic, states]) => ({
        topic,
        partitions: states.map(({ partition, leaderEpoch, fetchEpoch }) => ({
          partition,
          currentLeaderEpoch: leaderEpoch,
          leaderEpoch: fetchEpoch,
        })),
      })),
    });
    link.send(OFFSET_FOR_LEADER_EPOCH, request, settings.requestTimeoutMs, (result) => {
      if (this.#isClosed) return;
      const current = asked.filter(({ state, generation }) => state.generation === generation);
      for (const { state } of current) state.isAsked = false;
      this.#answered(current, result);
      this.#options.validated(current.map(({ state }) => state));
      this.wake();
    });
  }

  #answered(
    asked: readonly Asked[],
    result: OffsetForLeaderEpochResponse | ClientError,
  ): void {
    if (result instanceof Error) {
      for (const { state, leaderEpoch } of asked) this.#failed(state, leaderEpoch, result);
      return;
    }
    const open = new Map(asked.map((one) => [`${one.state.topic}-${one.state.partition}`, one]));
    for (const { topic, partitions } of result.topics) {
      for (const answer of partitions) {
        const key = `${topic}-${answer.partition}`;
        const one = open.get(key);
        if (one === undefined) continue;
        open.delete(key);
        this.#take(one, answer);
      }
    }
    for (const { state } of open.values()) this.#backOff(state);
  }

  #take({ state, leaderEpoch }: Asked, answer: EpochEndOffset): void {
    if (answer.errorCode !== ErrorCode.NONE) {
      const action = `Cannot validate the position in ${state.topic}-${state.partition}`;
      return this.#failed(state, leaderEpoch, errorForCode(answer.errorCode, action));
    }
    if (state.leaderEpoch !== leaderEpoch) return;
    state.failures = 0;
    const isUnknown = answer.endOffset < 0 || answer.leaderEpoch < 0;
    if (!isUnknown && answer.endOffset >= state.fetchOffset) state.validatedIn = leaderEpoch;
    // What waits is of a log that is no more; where the user stands is another question.
    else if (state.fetchOffset > state.position) state.rewind();
    else this.#truncated(state, isUnknown ? undefined : answer);
  }

  #truncated(state: AssignedState, divergence: EpochEndOffset | undefined): void {
    const { topic, partition, position } = state;
    const { cluster, settings } = this.#options;
    const divergentOffset = divergence?.endOffset;
    cluster.environment.logger.log("warn", "log truncated", {
      partition: `${topic}-${partition}`,
      position,
      divergentOffset: divergentOffset ?? NONE,
    });
    if (settings.autoOffsetReset === "none") {
      state.error = new LogTruncationError(topic, partition, position, divergentOffset);
    } else if (divergence === undefined) {
      state.reset(settings.autoOffsetReset);
      this.#options.positionLost();
    } else {
      state.seek(divergence.endOffset, divergence.leaderEpoch);
      state.validatedIn = state.leaderEpoch;
    }
  }

  #failed(state: AssignedState, leaderEpoch: Epoch, error: ClientError): void {
    // A broker that cannot be asked is trusted, as before KIP-320.
    if (error.code === ErrorCode.UNSUPPORTED_VERSION) state.validatedIn = leaderEpoch;
    else if (error.retriable) this.#backOff(state);
    else state.error = error;
  }

  #backOff(state: AssignedState): void {
    const { cluster, settings } = this.#options;
    state.failures++;
    const waitMs = backoffMs(settings.retryBackoff, state.failures, this.#random);
    state.notBefore = cluster.environment.clock.monotonic() + waitMs;
    cluster.metadata.requestUpdate();
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.cluster.environment.timers.schedule(delayMs, () => this.wake());
  }
}
