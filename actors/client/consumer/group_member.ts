/**
 * A consumer's membership in its group: runs the state machine, gives partitions up and takes them
 * on, and commits.
 *
 * Owns when partitions change hands: only while the user waits for records, so that it has none in
 * hand of a partition that goes. Does not own the protocols (membership/), the positions
 * (subscription.ts), nor the search for the coordinator (coordinator_link.ts).
 *
 * Invariants: what the membership asks for is done in order, and what a later step replaces is not
 * begun; partitions that are given up have no position any more when that is said; offsets that are
 * committed by themselves never pass what the user has in hand.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { Environment, Timer } from "../../runtime/environment.ts";
import { GroupLeader } from "./assignors/group_leader.ts";
import { AutoCommit } from "./auto_commit.ts";
import type { Cluster } from "../cluster.ts";
import { CommittedPositions } from "./committed_positions.ts";
import type { ConsumerSettings } from "../configs.ts";
import { CoordinatorLink } from "../coordinator_link.ts";
import { ClientError, CommitFailedError } from "../errors.ts";
import type { GroupSettings } from "./group_config.ts";
import { type CommittedOffset, GroupOffsets, type OffsetToCommit } from "./group_offsets.ts";
import { ClassicMembership } from "./membership/classic_membership.ts";
import { ConsumerMembership } from "./membership/consumer_membership.ts";
import type { Effect, GroupMetadata, Membership, Step } from "./membership/membership.ts";
import type { AssignedState, Subscription } from "./subscription.ts";
import { TopicPatternWatch } from "./topic_pattern.ts";
import type { TopicPartition } from "../topic_partition.ts";

export interface GroupMemberOptions {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly group: GroupSettings;
  readonly subscription: Subscription;
  /** Partitions came or went, or positions were found. */
  changed(): void;
  /** Something waits to be done at a moment at which the user has nothing in hand. */
  attention(): void;
}

/** The member. */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #environment: Environment;
  readonly #group: GroupSettings;
  readonly #coordinator: CoordinatorLink;
  readonly #offsets: GroupOffsets;
  readonly #positions: CommittedPositions;
  readonly #leader: GroupLeader;
  readonly #autoCommit: AutoCommit;
  #membership: Membership | undefined;
  #pattern: TopicPatternWatch | undefined;
  /** The last that it was a member by. */
  #identity: GroupMetadata | undefined;
  #topics: readonly string[] = [];
  /** What is to be done next. */
  #step: Step | undefined;
  /** Why the membership ended, until another is begun. */
  #failure: ClientError | undefined;
  /** Why one ended, until the user was told. */
  #untold: ClientError | undefined;
  /** What it has is no longer its own. */
  #hasLostAll = false;
  /** What is being given up: no other moment may do so, too. */
  #leaving: ReadonlySet<AssignedState> = new Set();
  #timer: Timer | undefined;
  /** Records were taken so often, and so often when the time was looked at last. */
  #touches = 0;
  #touchesSeen = 0;
  #isUserWaiting = false;
  #isRunning = false;
  #isClosed = false;

  constructor(options: GroupMemberOptions) {
    const { cluster, group, settings, subscription } = options;
    this.#options = options;
    this.#environment = cluster.environment;
    this.#group = group;
    this.#coordinator = new CoordinatorLink(cluster, "group", group.groupId);
    this.#offsets = new GroupOffsets({
      cluster,
      coordinator: this.#coordinator,
      identity: () => this.metadata,
      has: (offsets) =>
        offsets.every(({ topic, partition }) => subscription.get(topic, partition) !== undefined),
      refused: (code, generationId) => {
        this.#membership?.commitRefused(code, generationId, this.#now());
        // The last commit, too, needs the epoch that a heartbeat brings.
        if (!this.#isClosed) this.#run();
        else if (code === ErrorCode.STALE_MEMBER_EPOCH) this.#doAll();
      },
    });
    this.#positions = new CommittedPositions({
      offsets: this.#offsets,
      environment: cluster.environment,
      settings,
      groupId: group.groupId,
      subscription,
      found: () => options.changed(),
    });
    this.#leader = new GroupLeader(cluster.metadata, group.assignors);
    this.#autoCommit = new AutoCommit({
      environment: cluster.environment,
      group,
      assigned: () => subscription.partitions,
      commit: (offsets, mayRetry, timeoutMs) => this.commit(offsets, mayRetry, timeoutMs),
      failed: (event, error) => this.#log("warn", event, error),
    });
  }

  /**
   * Who commits. One that was put out stays who it was: as nobody it could commit for partitions
   * that others have.
   */
  get metadata(): GroupMetadata {
    const { groupId, groupInstanceId } = this.#group;
    // Whoever was given its partitions otherwise is no member, and commits as none.
    const current = this.#membership?.metadata ??
      { groupId, groupInstanceId, memberId: "", generationId: -1 };
    return current.generationId >= 0 ? current : this.#identity ?? current;
  }

  /** Whether `attend` has something to do. */
  get needsAttention(): boolean {
    const hasEnded = this.#failure !== undefined || this.#untold !== undefined;
    return hasEnded || this.#hasLostAll || this.#step !== undefined;
  }

  /** The topics that it subscribes to now. */
  get topics(): readonly string[] {
    return this.#topics;
  }

  /** Joins, again if its membership has ended, or changes what it subscribes to. */
  subscribe(topics: readonly string[] | RegExp): void {
    this.#pattern?.close();
    this.#pattern = undefined;
    if (this.#failure !== undefined) {
      this.#failure = undefined;
      this.#membership = undefined;
    }
    this.#autoCommit.arm();
    if (!(topics instanceof RegExp)) return this.#subscribe(topics);
    this.#pattern = new TopicPatternWatch(this.#options.cluster, topics, (names) => {
      if (this.#membership !== undefined && isSame(names, this.#topics)) return;
      this.#subscribe(names);
    });
    this.#pattern.start();
  }

  /** Commits for partitions that the user assigns. */
  assigned(): void {
    this.#autoCommit.arm();
    this.#positions.look();
  }

  /** The user has taken records and come back for more. */
  touch(): void {
    this.#touches++;
  }

  /** The user waits for records from now on, or goes with some. */
  waits(isWaiting: boolean): void {
    this.#isUserWaiting = isWaiting;
    this.#membership?.polled(this.#now(), isWaiting);
    this.#run();
  }

  /** To be called when topics or brokers may be others than before. */
  metadataUpdated(): void {
    const membership = this.#membership;
    if (membership === undefined) return;
    const now = this.#now();
    membership.metadataChanged(now);
    if (membership instanceof ClassicMembership) this.#leadOn(membership);
    this.#run();
  }

  /**
   * Gives up and takes on what is to be. The user must have nothing in hand.
   * @throws {ClientError} where the membership is over; whatever a listener throws
   */
  async attend(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#hasLostAll) {
        this.#hasLostAll = false;
        await this.#giveUp(this.#options.subscription.partitions, true);
      }
      const error = this.#untold ?? this.#failure;
      this.#untold = undefined;
      if (error !== undefined) throw error;
      const step = this.#step;
      if (step === undefined) return;
      this.#step = undefined;
      if (step.kind === "revoke") await this.#revoke(step);
      else await this.#assign(step);
    }
  }

  /** Commits the offsets; `mayRetry` until that succeeds or its time is up. */
  commit(
    offsets: readonly OffsetToCommit[],
    mayRetry: boolean,
    timeoutMs: number = this.#options.settings.defaultApiTimeoutMs,
  ): Promise<void> {
    if (this.#membership !== undefined && this.#membership.metadata.generationId < 0) {
      const why = "the consumer is not in the group now";
      const message = `Cannot commit offsets of group ${this.#group.groupId}: ${why}`;
      return Promise.reject(new CommitFailedError(ErrorCode.UNKNOWN_MEMBER_ID, message));
    }
    return new Promise((resolve, reject) => {
      this.#offsets.commit(offsets, { timeoutMs, mayRetry }, (error) => {
        if (error !== undefined) return reject(error);
        for (const { topic, partition, offset } of offsets) {
          const state = this.#options.subscription.get(topic, partition);
          if (state !== undefined) state.committed = Math.max(state.committed, offset);
        }
        resolve();
      });
    });
  }

  /** What the group has committed of the partitions: all that was asked for before, too. */
  committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const deadline = this.#now() + this.#options.settings.defaultApiTimeoutMs;
    return new Promise((resolve, reject) => {
      this.#offsets.afterCommits(() => {
        this.#offsets.fetch(partitions, Math.max(1, deadline - this.#now()), (result) => {
          if (result instanceof ClientError) reject(result);
          else resolve([...result]);
        });
      });
    });
  }

  /**
   * Commits what was processed, tells the listener, waits for commits within the time, and leaves.
   */
  async close(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const deadline = this.#now() + timeoutMs;
    this.#pattern?.close();
    this.#timer?.cancel();
    this.#autoCommit.close();
    this.#positions.close();
    const states = this.#options.subscription.partitions
      .filter((state) => !this.#leaving.has(state));
    try {
      await this.#letGo(states, this.#isOut, timeoutMs);
    } finally {
      await this.#flush(deadline - this.#now());
      await this.#leave(Math.min(LEAVE_TIMEOUT_MS, Math.max(1, deadline - this.#now())));
      this.#offsets.close();
      this.#coordinator.close();
    }
  }

  #now(): number {
    return this.#environment.clock.monotonic();
  }

  #subscribe(topics: readonly string[]): void {
    const { metadata } = this.#options.cluster;
    for (const topic of topics) metadata.want(topic);
    for (const topic of this.#topics) if (!topics.includes(topic)) metadata.unwant(topic);
    this.#topics = topics;
    this.#membership ??= this.#join(this.#group.groupProtocol);
    const now = this.#now();
    this.#membership.subscribe(topics, now);
    this.#membership.polled(now, this.#isUserWaiting);
    this.#run();
  }

  #join(protocol: GroupSettings["groupProtocol"]): Membership {
    const { cluster, settings } = this.#options;
    const random = this.#environment.random.stream("group");
    const { retryBackoff, requestTimeoutMs } = settings;
    const common = { ...this.#group, retryBackoff, requestTimeoutMs, random };
    if (protocol === "classic") return new ClassicMembership(common, this.#group.assignors);
    const { metadata } = cluster;
    return new ConsumerMembership({
      ...common,
      memberId: random.uuid(),
      serverAssignor: this.#group.groupRemoteAssignor,
      topicId: (name) => metadata.topic(name)?.topicId,
      topicName: (topicId) =>
        this.#topics.find((name) => metadata.topic(name)?.topicId === topicId),
    });
  }

  /** Does what the membership wants done, and sees to it that it hears of the time. */
  #run(): void {
    if (this.#isRunning || this.#membership === undefined || this.#isClosed) return;
    this.#isRunning = true;
    this.#doAll();
    this.#isRunning = false;
    const { metadata } = this.#membership;
    if (metadata.generationId >= 0) this.#identity = metadata;
    this.#timer?.cancel();
    const { due } = this.#membership;
    if (due === Infinity) return;
    const delayMs = Math.max(0, due - this.#now());
    this.#timer = this.#environment.timers.schedule(delayMs, () => this.#tick());
  }

  #doAll(): void {
    for (;;) {
      const effects = this.#membership?.takeEffects() ?? [];
      if (effects.length === 0) return;
      for (const effect of effects) this.#do(effect);
    }
  }

  #tick(): void {
    const now = this.#now();
    if (this.#touches !== this.#touchesSeen) {
      this.#touchesSeen = this.#touches;
      this.#membership?.polled(now, this.#isUserWaiting);
    }
    this.#membership?.tick(now);
    this.#run();
  }

  #do(effect: Effect): void {
    const { cluster } = this.#options;
    switch (effect.kind) {
      case "ask":
        return this.#ask(effect);
      case "forget-coordinator":
        return this.#coordinator.forget();
      case "update-metadata":
        return cluster.metadata.requestUpdate();
      case "revoke":
      case "assign":
        this.#step = effect;
        return this.#options.attention();
      case "lead":
        this.#leader.lead(effect.assignor, effect.members);
        if (this.#membership instanceof ClassicMembership) this.#leadOn(this.#membership);
        return;
      case "unsupported":
        this.#log("info", "consumer protocol is not served");
        this.#membership = this.#join("classic");
        this.#membership.subscribe(this.#topics, this.#now());
        return this.#membership.polled(this.#now(), this.#isUserWaiting);
      case "fail":
        this.#failure = this.#untold = effect.error;
        this.#hasLostAll = true;
        this.#step = undefined;
        this.#log("error", "membership ended", effect.error);
        return this.#options.attention();
    }
  }

  #ask({ api, request, timeoutMs, done }: Extract<Effect, { kind: "ask" }>): void {
    this.#coordinator.ask(api, request, timeoutMs, (result) => {
      done(result, this.#now());
      this.#run();
    });
  }

  /** As leader: assigns once the topics are known, and again when they change. */
  #leadOn(membership: ClassicMembership): void {
    const result = this.#leader.maybeAssign();
    if (result.kind === "assigned") membership.led(result.assignment);
    else if (result.kind === "failed") membership.leadFailed(result.error);
    else if (result.kind === "outdated") membership.groupMetadataChanged(this.#now());
  }

  /** Whether what it has may be somebody else's by now. */
  get #isOut(): boolean {
    const membership = this.#membership;
    if (this.#hasLostAll) return true;
    return membership !== undefined && membership.metadata.generationId < 0;
  }

  async #revoke(step: Extract<Step, { kind: "revoke" }>): Promise<void> {
    const membership = this.#membership;
    const { subscription } = this.#options;
    const states = step.partitions.flatMap(({ topic, partition }) =>
      subscription.get(topic, partition) ?? []
    );
    try {
      await this.#giveUp(states, step.isLost);
    } finally {
      membership?.released(step.id, this.#now());
      this.#run();
    }
  }

  /** Has these no more. */
  async #giveUp(states: readonly AssignedState[], isLost: boolean): Promise<void> {
    this.#leaving = new Set(states);
    try {
      await this.#letGo(states, isLost);
    } finally {
      this.#leaving = new Set();
      for (const { topic, partition } of states) {
        this.#options.subscription.remove(topic, partition);
      }
      this.#log("info", isLost ? "partitions lost" : "partitions revoked", states);
    }
  }

  /** Commits what was processed of these, where it may, and tells the listener. */
  async #letGo(
    states: readonly AssignedState[],
    isLost: boolean,
    timeoutMs?: number,
  ): Promise<void> {
    const partitions = states.map(placeOf);
    const { rebalanceListener: listener } = this.#group;
    if (!isLost) await this.#autoCommit.commitLast(states, timeoutMs);
    if (partitions.length === 0) return;
    if (isLost && listener?.lost !== undefined) await listener.lost(partitions);
    else await listener?.revoked?.(partitions);
  }

  async #assign(step: Extract<Step, { kind: "assign" }>): Promise<void> {
    const membership = this.#membership;
    const { subscription, settings } = this.#options;
    const added = step.partitions.filter(({ topic, partition }) =>
      subscription.get(topic, partition) === undefined
    );
    for (const { topic, partition } of added) {
      subscription.add(topic, partition, settings.from).awaitsCommitted = true;
    }
    this.#log("info", "partitions assigned", step.partitions);
    try {
      if (added.length > 0) await this.#group.rebalanceListener?.assigned?.(added);
    } finally {
      membership?.accepted(step.id, this.#now());
      this.#run();
      this.#options.changed();
      this.#positions.look();
    }
  }

  /** Until no commit waits, or the time is up: then those that wait fail when all is closed. */
  #flush(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#environment.timers.schedule(Math.max(0, timeoutMs), () => {
        this.#log("warn", "closed before all was committed");
        resolve();
      });
      this.#offsets.afterCommits(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** The coordinator should hear of it; where it does not, the session ends by itself. */
  #leave(timeoutMs: number): Promise<void> {
    const membership = this.#membership;
    membership?.leave();
    const asks = membership?.takeEffects().filter((effect) => effect.kind === "ask") ?? [];
    const isKnown = this.#coordinator.node >= 0;
    if (!isKnown) return Promise.resolve();
    return Promise.all(asks.map(({ api, request }) =>
      new Promise<void>((resolve) => {
        this.#coordinator.ask(api, request, timeoutMs, () => resolve());
      })
    )).then(() => {});
  }

  #log(
    level: "info" | "warn" | "error",
    event: string,
    detail?: Error | readonly TopicPartition[],
  ): void {
    const { groupId } = this.#group;
    const fields = detail instanceof Error
      ? { error: detail.message }
      : { partitions: detail?.map(({ topic, partition }) => `${topic}-${partition}`).join(" ") };
    this.#environment.logger.log(level, event, { group: groupId, ...fields });
  }
}

/** How long the coordinator is waited for at the end, when all is committed. */
const LEAVE_TIMEOUT_MS = 5_000;

function placeOf({ topic, partition }: AssignedState): TopicPartition {
  return { topic, partition };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((topic, index) => topic === b[index]);
}
