/**
 * The offsets that a group has committed: stores and fetches them.
 *
 * Owns the repetition of commits. Does not own what is committed nor when, nor the order in which
 * that is done (commit_queue.ts).
 *
 * Invariant: a commit bears the generation in which it was asked for, and a later epoch only for
 * partitions that the member has all the while.
 *
 * @module
 */

import { type Epoch, NONE, type Offset } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { OFFSET_COMMIT, type OffsetCommitResponse } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH, type OffsetFetchResponse } from "../../../net/messages/offset_fetch.ts";
import { make } from "../../../net/schema/make.ts";
import { backoffMs } from "../../link/backoff.ts";
import type { Cluster } from "../cluster.ts";
import { type Commit, type CommitEnd, CommitQueue } from "./commit_queue.ts";
import type { CoordinatorLink } from "../coordinator_link.ts";
import { ClientError, CommitFailedError, errorForCode } from "../errors.ts";
import { type GroupMetadata, losesCoordinator } from "./membership/membership.ts";

/** An offset to be committed: that of the next record to be processed. */
export interface OffsetToCommit {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Of the next record to be processed. */
  readonly offset: Offset;
  /** Of the record before it, where that is known. */
  readonly leaderEpoch?: Epoch | undefined;
  /** The user's, at most 4,096 bytes. */
  readonly metadata?: string | null | undefined;
}

/** What a group has committed of a partition. */
export interface CommittedOffset {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Of the next record to be processed; null where nothing was committed. */
  readonly offset: Offset | null;
  /** Of the record before it; -1 where that is not known. */
  readonly leaderEpoch: Epoch;
  /** The user's. */
  readonly metadata: string;
}

export interface GroupOffsetsOptions {
  readonly cluster: Cluster;
  readonly coordinator: CoordinatorLink;
  /** Who commits now. */
  identity(): GroupMetadata;
  /** Whether the member still has the partitions. */
  has(offsets: readonly OffsetToCommit[]): boolean;
  /** A commit was refused because of who the member is. */
  refused(code: number, generationId: Epoch): void;
}

/** Refusals that put the member out. */
const EXPULSIONS: ReadonlySet<number> = new Set([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_MEMBER_EPOCH,
]);

/** Commits and fetches. */
export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;
  readonly #commits: CommitQueue;
  #isClosed = false;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
    this.#commits = new CommitQueue(options.cluster.environment, (commit) => this.#send(commit));
  }

  /** Commits after what was asked for before. `done` is called later, once. */
  commit(
    offsets: readonly OffsetToCommit[],
    options: { readonly timeoutMs: number; readonly mayRetry: boolean },
    done: CommitEnd,
  ): void {
    this.#commits.add(offsets, options, this.#options.identity(), done);
  }

  /** Runs `run` once all commits that were asked for so far have ended. */
  afterCommits(run: () => void): void {
    this.#commits.afterwards(run);
  }

  /** What was committed of these partitions, in their order; of all that there are when null. */
  fetch(
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
    timeoutMs: number,
    done: (result: readonly CommittedOffset[] | ClientError) => void,
  ): void {
    const { cluster: { environment } } = this.#options;
    const deadline = environment.clock.monotonic() + timeoutMs;
    this.#fetch(partitions, deadline, 0, done);
  }

  /** Ends it: what waits fails. */
  close(): void {
    this.#isClosed = true;
    this.#commits.close();
  }

  #send(commit: Commit): void {
    const { cluster, coordinator } = this.#options;
    const { groupId, generationId, memberId, groupInstanceId } = commit.identity;
    const byTopic = Map.groupBy(commit.offsets, ({ topic }) => topic);
    const request = make(OFFSET_COMMIT.request, {
      groupId,
      generationIdOrMemberEpoch: generationId,
      memberId,
      groupInstanceId,
      topics: Array.from(byTopic, ([name, offsets]) => ({
        name,
        topicId: cluster.metadata.topic(name)?.topicId,
        partitions: offsets.map(({ partition, offset, leaderEpoch, metadata }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch ?? NONE,
          committedMetadata: metadata ?? "",
        })),
      })),
    });
    const leftMs = commit.deadline - cluster.environment.clock.monotonic();
    const timeoutMs = Math.max(1, Math.min(leftMs, cluster.settings.requestTimeoutMs));
    commit.isAsked = true;
    coordinator.ask(OFFSET_COMMIT, request, timeoutMs, (result) => {
      commit.isAsked = false;
      if (this.#commits.current === commit) this.#answered(commit, result);
    });
  }

  #answered(commit: Commit, result: OffsetCommitResponse | ClientError): void {
    const error = result instanceof ClientError ? result : refusalOf(result);
    if (error === undefined) return this.#commits.end(undefined);
    const { code } = error;
    const { coordinator, refused, identity, has } = this.#options;
    if (losesCoordinator(code)) coordinator.forget();
    if (code === ErrorCode.STALE_MEMBER_EPOCH) {
      refused(code, commit.identity.generationId);
      if (has(commit.offsets)) {
        commit.identity = identity();
        return this.#again(commit, error);
      }
    }
    const isExpelled = EXPULSIONS.has(code) || code === ErrorCode.STALE_MEMBER_EPOCH;
    const isRebalance = code === ErrorCode.REBALANCE_IN_PROGRESS;
    if (isExpelled || isRebalance || code === ErrorCode.FENCED_INSTANCE_ID) {
      refused(code, commit.identity.generationId);
      return this.#commits.end(isExpelled ? new CommitFailedError(code, error.message) : error);
    }
    if (!error.retriable || !commit.mayRetry) return this.#commits.end(error);
    this.#again(commit, error);
  }

  #again(commit: Commit, error: ClientError): void {
    const { environment, settings } = this.#options.cluster;
    const random = environment.random.stream("coordinator");
    const waitMs = backoffMs(settings.retryBackoff, ++commit.failures, random);
    const now = environment.clock.monotonic();
    if (now + waitMs >= commit.deadline) return this.#commits.end(error);
    environment.timers.schedule(waitMs, () => {
      if (this.#commits.current === commit) this.#send(commit);
    });
  }

  #fetch(
    partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
    deadline: number,
    failures: number,
    done: (result: readonly CommittedOffset[] | ClientError) => void,
  ): void {
    const { cluster, coordinator, identity } = this.#options;
    const { environment, settings } = cluster;
    const leftMs = deadline - environment.clock.monotonic();
    const timeoutMs = Math.max(1, Math.min(leftMs, settings.requestTimeoutMs));
    const request = fetchRequest(identity().groupId, partitions);
    coordinator.ask(OFFSET_FETCH, request, timeoutMs, (result) => {
      const answer = result instanceof ClientError ? result : committedOf(result, partitions);
      if (!(answer instanceof ClientError)) return done(answer);
      if (losesCoordinator(answer.code)) coordinator.forget();
      const random = environment.random.stream("coordinator");
      const waitMs = backoffMs(settings.retryBackoff, failures + 1, random);
      const isLate = environment.clock.monotonic() + waitMs >= deadline;
      if (!answer.retriable || isLate || this.#isClosed) return done(answer);
      cluster.later(waitMs, () => {
        this.#fetch(partitions, deadline, failures + 1, done);
      });
    });
  }
}

function refusalOf({ topics }: OffsetCommitResponse): ClientError | undefined {
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      if (errorCode === ErrorCode.NONE) continue;
      return errorForCode(errorCode, `Cannot commit an offset of ${name}-${partitionIndex}`);
    }
  }
  return undefined;
}

/** Offsets of open transactions are waited for, as in Kafka (KIP-447). */
export function fetchRequest(
  groupId: string,
  partitions: readonly { readonly topic: string; readonly partition: number }[] | null,
) {
  const byTopic = partitions && Map.groupBy(partitions, ({ topic }) => topic);
  const topics = byTopic && Array.from(byTopic, ([name, partitions]) => ({
    name,
    partitionIndexes: partitions.map(({ partition }) => partition),
  }));
  return make(OFFSET_FETCH.request, { groups: [{ groupId, topics }], requireStable: true });
}

export function committedOf(
  response: OffsetFetchResponse,
  wanted: readonly { readonly topic: string; readonly partition: number }[] | null,
): CommittedOffset[] | ClientError {
  const [group] = response.groups;
  const groupError = group?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
  if (group === undefined || groupError !== ErrorCode.NONE) {
    return errorForCode(groupError, `Cannot fetch the offsets of group ${group?.groupId ?? ""}`);
  }
  const found = new Map<string, CommittedOffset>();
  for (const { name, partitions } of group.topics) {
    for (const { partitionIndex: partition, errorCode, ...committed } of partitions) {
      const where = `${name}-${partition}`;
      if (errorCode !== ErrorCode.NONE) {
        return errorForCode(errorCode, `Cannot fetch the committed offset of ${where}`);
      }
      const { committedOffset, committedLeaderEpoch: leaderEpoch, metadata } = committed;
      const offset = committedOffset < 0 ? null : committedOffset;
      found.set(where, { topic: name, partition, offset, leaderEpoch, metadata: metadata ?? "" });
    }
  }
  if (wanted === null) return [...found.values()].filter(({ offset }) => offset !== null);
  return wanted.map(({ topic, partition }) =>
    found.get(`${topic}-${partition}`) ??
      { topic, partition, offset: null, leaderEpoch: NONE, metadata: "" }
  );
}
