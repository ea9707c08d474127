/**
 * What is beneath a consumer: joins the cluster's metadata, the subscription, the fetcher and the
 * feed.
 *
 * Owns what is assigned, and the errors that concern no single partition. Calls back when there may
 * be something to take.
 *
 * @module
 */

import { ErrorCode, isRetriable } from "../../../net/messages/errors.ts";
import { NONE, type Offset } from "../../../storage/bytes/ids.ts";
import type { Timer } from "../../runtime/environment.ts";
import type { Cluster } from "../cluster.ts";
import type { AssignedPartition, ConsumerConfig, ConsumerSettings } from "../configs.ts";
import { ConsumerMetrics } from "./consumer_metrics.ts";
import type { ConsumerRecord } from "./consumer_record.ts";
import { type ClientError, errorForCode, UnknownTopicError } from "../errors.ts";
import type { FetchedBatch } from "./fetched_batch.ts";
import { Fetcher } from "./fetcher.ts";
import { GroupMember } from "./group_member.ts";
import type { OffsetToCommit } from "./group_offsets.ts";
import { ConsumerInterceptors } from "../interceptors.ts";
import type { TopicInfo } from "../metadata.ts";
import { PositionLookup } from "./position_lookup.ts";
import { PositionValidation } from "./position_validation.ts";
import { RecordFeed } from "./record_feed.ts";
import { type AssignedState, Subscription } from "./subscription.ts";

/** An error in the place of records of a partition. */
interface Failure {
  readonly error: unknown;
  readonly state: AssignedState | undefined;
}

/** The engine of one consumer. */
export class ConsumerEngine<K, V> {
  readonly subscription = new Subscription();
  /** The membership in a group, or what commits for one. */
  readonly group: GroupMember | undefined;
  readonly #cluster: Cluster;
  readonly #settings: ConsumerSettings;
  /** Topics of which all partitions are read, or just the partitions that are. */
  #topics: ReadonlySet<string>;
  #assigned: readonly AssignedPartition[];
  /** What a member of a group is to subscribe to. */
  readonly #wanted: readonly string[] | RegExp | undefined;
  readonly #fetcher: Fetcher;
  readonly #feed: RecordFeed<K, V>;
  readonly #positions: PositionLookup;
  readonly #validation: PositionValidation;
  readonly #interceptors: ConsumerInterceptors<K, V> | undefined;
  /** What interceptors let through and nobody took yet. */
  #intercepted: ConsumerRecord<K, V>[] = [];
  /** What came after them, or after records that were given out together. */
  #failure: Failure | undefined;
  readonly #errors: ClientError[] = [];
  #recordsCounted = 0;
  readonly #unknownSince = new Map<string, number>();
  /** Topics whose partitions were there at the first look: later ones are read from their start. */
  readonly #seenTopics = new Set<string>();
  readonly #waiters = new Set<() => void>();
  #started: (() => void) | undefined;
  #startTimer: Timer | undefined;
  #isClosed = false;

  constructor(cluster: Cluster, config: ConsumerConfig<K, V>, settings: ConsumerSettings) {
    const { subscription } = this;
    this.#cluster = cluster;
    this.#settings = settings;
    const isMember = settings.group !== undefined;
    this.#topics = new Set(isMember || config.topics instanceof RegExp ? [] : config.topics);
    this.#wanted = config.topics;
    this.#assigned = config.assign ?? [];
    const { interceptors = [] } = config;
    this.#interceptors = interceptors.length === 0
      ? undefined
      : new ConsumerInterceptors(interceptors, cluster.environment.logger);
    const metrics = new ConsumerMetrics(cluster.environment.metrics, settings.clientId);
    this.#fetcher = new Fetcher({
      cluster,
      settings,
      subscription,
      metrics,
      fetched: (state) => {
        this.#feed.arrived(state);
        this.#changed();
      },
      positionLost: () => this.#positions.wake(),
      unvalidated: () => this.#validation.wake(),
    });
    this.#feed = new RecordFeed({
      checkCrcs: settings.checkCrcs,
      isReadCommitted: settings.isReadCommitted,
      tracksHeld: isMember,
      keyDeserializer: config.keyDeserializer,
      valueDeserializer: config.valueDeserializer,
      roomMade: () => {
        metrics.recordsConsumedTotal.add(this.#feed.recordsTaken - this.#recordsCounted);
        this.#recordsCounted = this.#feed.recordsTaken;
        this.#fetcher.wake();
      },
    });
    this.#positions = new PositionLookup({
      cluster,
      settings,
      subscription,
      found: (states) => {
        for (const state of states) if (state.error !== undefined) this.#feed.arrived(state);
        // The leader may have changed while they were looked up: then they must be validated.
        this.#validation.wake();
        this.#fetcher.wake();
        this.#maybeStarted();
        this.#changed();
      },
    });
    this.#validation = new PositionValidation({
      cluster,
      settings,
      subscription,
      validated: (states) => {
        for (const state of states) if (state.error !== undefined) this.#feed.arrived(state);
        this.#fetcher.wake();
        this.#changed();
      },
      positionLost: () => this.#positions.wake(),
    });
    this.group = this.#makeGroup();
    cluster.observe({
      linksChanged: () => {
        this.#validation.wake();
        this.#fetcher.wake();
      },
      metadataUpdated: () => this.#metadataUpdated(),
    });
  }

  /**
   * Begins, on a cluster that was connected to. `started` is called when every position was found
   * of the topics that exist, or when that takes too long.
   */
  start(started: () => void): void {
    const { metadata, environment } = this.#cluster;
    this.#started = started;
    if (this.group !== undefined) return this.#startInGroup(this.group);
    this.#startTimer = environment.timers.schedule(this.#settings.defaultApiTimeoutMs, () => {
      this.#endStart();
    });
    this.#addAssigned();
    for (const topic of this.#topics) metadata.want(topic);
    this.#maybeStarted();
  }

  /** The user comes for more; false when something else must be done before it gets it. */
  comeBack(): boolean {
    const { group } = this;
    if (group === undefined) return true;
    // What interceptors let through is not all in hand yet.
    if (this.#intercepted.length === 0) this.#feed.cameBack();
    group.touch();
    return !group.needsAttention && !this.#isClosed;
  }

  /** Where the user stands in each partition: after all that it was given. */
  get given(): OffsetToCommit[] {
    const waiting = new Map<string, Offset>();
    for (const { topic, partition, offset } of this.#intercepted) {
      const key = `${topic}-${partition}`;
      if (!waiting.has(key)) waiting.set(key, offset);
    }
    return this.subscription.partitions.filter(({ position }) => position !== NONE)
      .map(({ topic, partition, position, positionEpoch: leaderEpoch }) => {
        const offset = waiting.get(`${topic}-${partition}`) ?? position;
        return { topic, partition, offset, leaderEpoch };
      });
  }

  /** Reads these partitions from now on, and no others. */
  assign(partitions: readonly AssignedPartition[]): void {
    this.#topics = new Set();
    this.#assigned = partitions;
    this.#intercepted = [];
    this.#failure = undefined;
    this.#errors.length = 0;
    this.subscription.clear();
    this.#addAssigned();
    this.#fetcher.leadersChanged();
    this.group?.assigned();
    this.wake();
  }

  /** The next record; undefined when none has come. @throws {ClientError} */
  take(): ConsumerRecord<K, V> | undefined {
    if (this.#errors.length > 0) throw this.#errors.shift();
    if (this.#interceptors === undefined) {
      this.#throwFailure();
      return this.#feed.take();
    }
    for (;;) {
      const record = this.#intercepted.shift();
      if (record === undefined) {
        if (!this.#intercept(this.#settings.maxPollRecords)) return undefined;
      } else if (this.subscription.get(record.topic, record.partition) !== undefined) {
        // What a rebalance has taken away meanwhile is somebody else's.
        return record;
      }
    }
  }

  /** At most so many records. @throws {ClientError} when there is an error before the first. */
  takeMany(count: number): ConsumerRecord<K, V>[] {
    const records: ConsumerRecord<K, V>[] = [];
    while (records.length < count) {
      // It is for the next call.
      if (records.length > 0 && this.#isFailureNext) break;
      try {
        const record = this.take();
        if (record === undefined) break;
        records.push(record);
      } catch (error) {
        if (records.length === 0) throw error;
        this.#failure = { error, state: this.#feed.failed };
        break;
      }
    }
    return records;
  }

  /** The next batch; undefined when none has come. @throws {ClientError} */
  takeBatch(): FetchedBatch<K, V> | undefined {
    if (this.#errors.length > 0) throw this.#errors.shift();
    this.#throwFailure();
    return this.#feed.takeBatch();
  }

  get #isFailureNext(): boolean {
    return this.#failure !== undefined && this.#intercepted.length === 0;
  }

  /** @throws what came after the records before, unless its partition is not read any more */
  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    const { error, state } = failure;
    if (state === undefined || this.subscription.get(state.topic, state.partition) === state) {
      throw error;
    }
  }

  /** Goes on from an offset, or from one that is to be looked up. */
  seek(state: AssignedState, to: Offset | "earliest" | "latest"): void {
    if (typeof to === "number") state.seek(to);
    else state.reset(to);
    this.#takeBack(state);
  }

  /** Gives out nothing of the partition until it is resumed; then interceptors see it again. */
  pause(state: AssignedState): void {
    state.isPaused = true;
    const first = this.#takeBack(state);
    if (first !== undefined) state.goBackTo(first.offset);
  }

  /** Drops what was taken of a partition and not given out. Returns the first record of that. */
  #takeBack(state: AssignedState): ConsumerRecord<K, V> | undefined {
    const isOf = ({ topic, partition }: ConsumerRecord<K, V>) =>
      topic === state.topic && partition === state.partition;
    const first = this.#intercepted.find(isOf);
    this.#intercepted = this.#intercepted.filter((record) => !isOf(record));
    if (this.#failure?.state === state) this.#failure = undefined;
    return first;
  }

  /** To be called when the subscription was changed. */
  wake(): void {
    this.#positions.wake();
    this.#fetcher.wake();
    this.#changed();
  }

  /** How many wait for something to take. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Resolves when there may be something to take, or after a while. */
  changed(timeoutMs = Infinity): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer?.cancel();
        this.#waiters.delete(end);
        resolve();
      };
      const { timers } = this.#cluster.environment;
      const timer = timeoutMs === Infinity ? undefined : timers.schedule(timeoutMs, end);
      this.#waiters.add(end);
    });
  }

  /** Resolves after the event loop has turned. */
  turned(): Promise<void> {
    const { dispatcher } = this.#cluster.environment;
    // What the end of a turn asks for runs at the end of the next, from the event loop.
    return new Promise((resolve) => {
      dispatcher.atEndOfTurn(() => dispatcher.atEndOfTurn(resolve));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#fetcher.close();
    this.#positions.close();
    this.#validation.close();
    this.subscription.clear();
    this.#endStart();
    this.#changed();
  }

  #makeGroup(): GroupMember | undefined {
    const { group } = this.#settings;
    return group && new GroupMember({
      cluster: this.#cluster,
      settings: this.#settings,
      group,
      subscription: this.subscription,
      changed: () => {
        this.#fetcher.leadersChanged();
        this.#validation.wake();
        this.#reportErrors();
        this.wake();
      },
      attention: () => this.#changed(),
    });
  }

  #startInGroup(group: GroupMember): void {
    this.#addAssigned();
    if (this.#wanted !== undefined) group.subscribe(this.#wanted);
    else group.assigned();
    this.#endStart();
  }

  /** Errors that came in the place of a position are given in the place of records. */
  #reportErrors(): void {
    for (const state of this.subscription.partitions) {
      if (state.error !== undefined) this.#feed.arrived(state);
    }
  }

  #addAssigned(): void {
    for (const { topic, partition, offset } of this.#assigned) {
      const state = this.subscription.add(topic, partition, this.#settings.from);
      if (offset !== undefined) state.seek(offset);
      else state.awaitsCommitted = this.group !== undefined;
      this.#cluster.metadata.want(topic);
    }
  }

  /**
   * False when no record has come. @throws {ClientError} when there is an error before the first
   */
  #intercept(count: number): boolean {
    this.#throwFailure();
    const records: ConsumerRecord<K, V>[] = [];
    try {
      while (records.length < count) {
        const record = this.#feed.take();
        if (record === undefined) break;
        records.push(record);
      }
    } catch (error) {
      if (records.length === 0) throw error;
      this.#failure = { error, state: this.#feed.failed };
    }
    if (records.length > 0) this.#intercepted = [...this.#interceptors!.onConsume(records)];
    return records.length > 0;
  }

  #changed(): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters]) waiter();
  }

  #metadataUpdated(): void {
    if (this.#isClosed) return;
    const { metadata } = this.#cluster;
    for (const name of metadata.wanted) {
      const info = metadata.topic(name);
      if (info === undefined) continue;
      if (this.group === undefined || this.#assigned.length > 0) this.#checkTopic(info);
      else this.#checkGroupTopic(info, this.group);
      if (this.#topics.has(name)) this.#addPartitions(info);
    }
    this.#fetcher.leadersChanged();
    this.#validation.wake();
    this.#positions.wake();
    this.group?.metadataUpdated();
    this.#maybeStarted();
  }

  /** A group waits for topics that are not there; a leader asks for others' topics, too. */
  #checkGroupTopic({ name, errorCode }: TopicInfo, group: GroupMember): void {
    if (errorCode === ErrorCode.NONE || isRetriable(errorCode)) return;
    if (!group.topics.includes(name)) return;
    this.#cluster.metadata.unwant(name);
    this.#fail(errorForCode(errorCode, `Cannot consume ${name}`));
  }

  #addPartitions({ name, partitions }: TopicInfo): void {
    if (partitions.length === 0) return;
    const start = this.#seenTopics.has(name) ? "earliest" : this.#settings.from;
    this.#seenTopics.add(name);
    for (const { partition } of partitions) this.subscription.add(name, partition, start);
  }

  /** A topic that cannot be had is an error, at once or when that has lasted. */
  #checkTopic({ name, errorCode, partitions }: TopicInfo): void {
    const missing = this.#assigned.find(({ topic, partition }) =>
      topic === name && partition >= partitions.length
    );
    const isUnknown = errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ||
      (errorCode === ErrorCode.NONE && missing !== undefined);
    if (!isUnknown) {
      this.#unknownSince.delete(name);
      if (errorCode === ErrorCode.NONE || isRetriable(errorCode)) return;
      this.#cluster.metadata.unwant(name);
      this.#fail(errorForCode(errorCode, `Cannot consume ${name}`));
      return;
    }
    const now = this.#cluster.environment.clock.monotonic();
    const since = this.#unknownSince.get(name) ?? now;
    this.#unknownSince.set(name, since);
    if (missing !== undefined && errorCode === ErrorCode.NONE) {
      this.#cluster.metadata.requestUpdate();
    }
    if (now - since < this.#settings.defaultApiTimeoutMs) return;
    this.#unknownSince.set(name, now);
    const what = missing === undefined || errorCode !== ErrorCode.NONE
      ? "there is no such topic"
      : `it has no partition ${missing.partition}`;
    this.#fail(new UnknownTopicError(`Cannot consume ${name}: ${what}`));
  }

  #fail(error: ClientError): void {
    this.#errors.push(error);
    this.#changed();
  }

  #maybeStarted(): void {
    if (this.#started === undefined) return;
    const { metadata } = this.#cluster;
    for (const name of metadata.wanted) {
      if (metadata.topic(name) === undefined) return;
    }
    const isLooking = this.subscription.partitions.some((state) =>
      state.position === NONE && state.error === undefined && state.leader !== NONE
    );
    if (!isLooking) this.#endStart();
  }

  #endStart(): void {
    this.#startTimer?.cancel();
    this.#started?.();
    this.#started = undefined;
  }
}
