/**
 * Commits of what the user has processed, without being asked: every so often, and before
 * partitions go (`enable.auto.commit`). Does nothing where the user commits.
 *
 * Owns when. Does not own how a commit is sent and tried again (group_offsets.ts).
 *
 * @module
 */

import type { Environment, Timer } from "../../runtime/environment.ts";
import type { GroupSettings } from "./group_config.ts";
import type { OffsetToCommit } from "./group_offsets.ts";
import type { AssignedState } from "./subscription.ts";

export interface AutoCommitOptions {
  readonly environment: Environment;
  readonly group: Pick<GroupSettings, "enableAutoCommit" | "autoCommitIntervalMs">;
  /** What is assigned now. */
  assigned(): readonly AssignedState[];
  /** Commits; with `mayRetry` until that succeeds or its time is up. */
  commit(offsets: readonly OffsetToCommit[], mayRetry: boolean, timeoutMs?: number): Promise<void>;
  /** Told of a commit that did not succeed. */
  failed(event: string, error: Error): void;
}

export class AutoCommit {
  readonly #options: AutoCommitOptions;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: AutoCommitOptions) {
    this.#options = options;
  }

  /** Commits every so often from now on. */
  arm(): void {
    const { environment, group: { enableAutoCommit, autoCommitIntervalMs } } = this.#options;
    if (!enableAutoCommit || this.#timer !== undefined || this.#isClosed) return;
    this.#timer = environment.timers.schedule(Math.max(1, autoCommitIntervalMs), () => {
      this.#timer = undefined;
      const { assigned, commit, failed } = this.#options;
      const offsets = processedOf(assigned());
      if (offsets.length === 0) return this.arm();
      commit(offsets, false).catch((error) => failed("commit failed", error))
        .then(() => this.arm());
    });
  }

  /** Commits what was processed of these, the last that is done for them; does not fail. */
  async commitLast(states: readonly AssignedState[], timeoutMs?: number): Promise<void> {
    if (!this.#options.group.enableAutoCommit) return;
    const offsets = processedOf(states);
    if (offsets.length === 0) return;
    try {
      await this.#options.commit(offsets, true, timeoutMs);
    } catch (error) {
      const event = timeoutMs === undefined ? "commit failed" : "last commit failed";
      this.#options.failed(event, error as Error);
    }
  }

  /** Nothing is committed every so often any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}

/** What was processed and not committed yet. What the user has committed may be further on. */
function processedOf(states: readonly AssignedState[]): OffsetToCommit[] {
  return states.filter(({ processed, committed }) => processed > committed)
    .map(({ topic, partition, processed, positionEpoch }) => ({
      topic,
      partition,
      offset: processed,
      leaderEpoch: positionEpoch,
    }));
}
