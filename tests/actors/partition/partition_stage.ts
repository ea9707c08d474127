/**
 * Replicas of one partition as actors on disks of their own, with a fetcher that hands what they
 * ask of their leader from one to the other, step by step.
 *
 * @module
 */

import { partitionConfig } from "../../../actors/config/partition_config.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import type { PartitionConfig } from "../../../actors/config/partition_config.ts";
import type {
  AppendReply,
  FetchedOutcome,
  FetchPosition,
  Follow,
  ListOffsetReply,
  PartitionAssignment,
  PartitionRequest,
  ProposeIsr,
  ReadReply,
  RequiredAcks,
  Unfollow,
} from "../../../actors/partition/messages.ts";
import type { ObservedReplica } from "../../../actors/partition/observer.ts";
import { partitionActor } from "../../../actors/partition/partition_actor.ts";
import type {
  DirectoryFailed,
  PartitionOptions,
} from "../../../actors/partition/partition_options.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { LogDirectory } from "../../../storage/log_directory.ts";
import { LogResources } from "../../../storage/log_resources.ts";
import { makeBatch, NOW, readValues } from "../../storage/log_fixture.ts";
import { ManualEnvironment, ManualWorld } from "../runtime/manual_environment.ts";

export const TOPIC_ID = "t".repeat(22);
export const FOLDER = "orders-0";

/** A replica that lives on a node of its own. */
export class Member {
  readonly environment: ManualEnvironment;
  readonly system: ActorSystem;
  readonly directory: LogDirectory;
  readonly buffers = new BufferPool();
  readonly proposals: ProposeIsr[] = [];
  /** What the fetcher was told last. */
  follows: Follow | Unfollow | undefined;
  position: FetchPosition | undefined;
  failures: string[] = [];
  /** Whether syncs wait. */
  holdsSyncs = false;
  observed: ObservedReplica | undefined;
  ref!: Ref<PartitionRequest>;
  #life = 0;

  constructor(readonly id: number, world: ManualWorld) {
    this.environment = new ManualEnvironment({ world });
    this.system = new ActorSystem({ environment: this.environment, node: id });
    const { disk } = this.environment;
    this.directory = new LogDirectory(disk, { nodeId: id, holder: "", newId: () => TOPIC_ID });
  }

  start(
    assignment: PartitionAssignment,
    config: PartitionConfig,
    more: Partial<PartitionOptions> = {},
  ): void {
    const life = `${this.#life++}`;
    this.ref = this.system.spawn(
      `partition-${life}`,
      partitionActor({
        topicId: TOPIC_ID,
        topic: "orders",
        partition: 0,
        nodeId: this.id,
        assignment,
        config,
        directory: this.directory,
        resources: new LogResources(this.environment.disk),
        buffers: this.buffers,
        deletedTopics: new Set(),
        directoryFailed: this.#inbox<DirectoryFailed>(`failed-${life}`, ({ reason }) => {
          this.failures.push(reason);
        }),
        follows: this.#inbox<Follow | Unfollow>(`fetcher-${life}`, (told) => this.#told(told)),
        isrChanges: this.#inbox<ProposeIsr>(`isr-${life}`, (asked) => {
          this.proposals.push(asked);
        }),
        observer: {
          replicaStarted: (observed) => void (this.observed = observed),
          replicaEnded: () => void (this.observed = undefined),
        },
        ...more,
      }),
    );
    this.ask<unknown>((replyTo) => ({ kind: "open", replyTo }));
  }

  get log() {
    return this.observed!.log!;
  }

  get state() {
    return this.observed!.state;
  }

  get values(): string[] {
    return readValues(this.log);
  }

  tell(message: PartitionRequest): void {
    this.ref.tell(message);
    this.run();
  }

  /** Runs what is to be run, syncs too unless they are held. */
  run(): void {
    do this.environment.run(); while (!this.holdsSyncs && this.environment.disk.drain() > 0);
    this.environment.run();
  }

  /** Asks, and lets everything run; undefined where there is no answer yet. */
  ask<Reply>(question: (replyTo: Ref<Reply>) => PartitionRequest): Reply | undefined {
    const replies: Reply[] = [];
    this.tell(question(this.#inbox<Reply>(`asker-${this.#life++}`, (reply) => {
      replies.push(reply);
    })));
    return replies[0];
  }

  /** Appends; the reply comes into the list that is returned. */
  append(values: readonly string[], acks: RequiredAcks = "all"): AppendReply[] {
    const replies: AppendReply[] = [];
    const replyTo = this.#inbox<AppendReply>(`producer-${this.#life++}`, (reply) => {
      replies.push(reply);
    });
    const records = makeBatch({ values });
    this.tell({ kind: "append", records, acks, replyTo, release: () => {} });
    return replies;
  }

  read(fetchOffset: number, change: Partial<PartitionRequest & { kind: "read" }> = {}): ReadReply {
    return this.ask<ReadReply>((replyTo) => ({
      kind: "read",
      fetchOffset,
      maxBytes: 1e6,
      atLeastOneBatch: true,
      currentLeaderEpoch: -1,
      readCommitted: false,
      replyTo,
      ...change,
    }))!;
  }

  latest(follower = false): ListOffsetReply {
    return this.ask<ListOffsetReply>((replyTo) => ({
      kind: "list-offset",
      timestamp: -1,
      currentLeaderEpoch: -1,
      readCommitted: false,
      follower,
      replyTo,
    }))!;
  }

  take(outcome: FetchedOutcome, position = this.position!): void {
    const { leaderEpoch, fetchOffset } = position;
    const replyTo = this.#inbox<FetchPosition>(`taker-${this.#life++}`, (told) => {
      this.position = told;
    });
    this.tell({
      kind: "take-fetched",
      leaderEpoch,
      fetchOffset,
      outcome,
      replyTo,
      release: () => {},
    });
  }

  #told(told: Follow | Unfollow): void {
    this.follows = told;
    this.position = told.kind === "follow" ? told.position : undefined;
  }

  #inbox<Message>(name: string, receive: (message: Message) => void): Ref<Message> {
    return this.system.spawn<Message>(name, () => ({ receive }));
  }
}

/** Replicas 1, 2 and so on. */
export class PartitionStage {
  readonly members: readonly Member[];
  readonly config: PartitionConfig;
  assignment: PartitionAssignment;

  constructor(count: number, overrides: Readonly<Record<string, string>> = {}) {
    const world = new ManualWorld();
    world.now = NOW;
    this.members = Array.from({ length: count }, (_, index) => new Member(index + 1, world));
    this.config = partitionConfig(
      new Map(Object.entries(overrides)),
      parseBrokerConfig({ "node.id": "1" }),
    );
    const ids = this.members.map(({ id }) => id);
    this.assignment = { leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: ids, isr: ids };
    for (const member of this.members) member.start(this.assignment, this.config);
  }

  member(id: number): Member {
    return this.members[id - 1]!;
  }

  /** Tells everybody, or these, of another leader in a new epoch, or of other changes. */
  assign(change: Partial<PartitionAssignment>, ids = this.assignment.replicas): void {
    const { leaderEpoch, partitionEpoch } = this.assignment;
    const epoch = change.leader === undefined ? leaderEpoch : leaderEpoch + 1;
    const more = { leaderEpoch: epoch, partitionEpoch: partitionEpoch + 1 };
    this.assignment = { ...this.assignment, ...more, ...change };
    for (const id of ids) this.member(id).tell({ kind: "assign", assignment: this.assignment });
  }

  /** One fetch of a follower; what the leader answered. */
  fetch(id: number, maxBytes = 1e6): ReadReply {
    const follower = this.member(id);
    const { follows, position } = follower;
    if (follows?.kind !== "follow" || position === undefined) throw new Error(`${id} is idle`);
    const { fetchOffset, lastFetchedEpoch, logStartOffset } = position;
    const reply = this.member(follows.leader).read(fetchOffset, {
      maxBytes,
      currentLeaderEpoch: position.leaderEpoch,
      follower: { replicaId: id, brokerEpoch: -1, lastFetchedEpoch, logStartOffset },
    });
    const outcome = outcomeOf(reply);
    if (outcome !== undefined) follower.take(outcome, position);
    return reply;
  }

  /** Followers fetch until nobody gets anything new. */
  replicate(): void {
    for (let round = 0; round < 50; round++) {
      const before = this.#progress();
      for (const { id, follows } of this.members) {
        if (follows?.kind === "follow") this.fetch(id);
      }
      if (before === this.#progress()) return;
    }
    throw new Error("the replicas do not come to rest");
  }

  #progress(): string {
    return this.members.map(({ observed }) =>
      `${observed?.log?.logEndOffset}/${observed?.state.highWatermark}/${observed?.log?.truncations}`
    ).join();
  }
}

/** What a fetcher makes of a leader's answer. */
function outcomeOf(reply: ReadReply): FetchedOutcome | undefined {
  const { error, diverging, records, highWatermark, logStartOffset } = reply;
  if (error === ErrorCode.OFFSET_OUT_OF_RANGE) {
    return { kind: "out-of-range", logStartOffset, logEndOffset: reply.logEndOffset ?? -1 };
  }
  if (error !== ErrorCode.NONE) return undefined;
  if (diverging !== undefined) return { kind: "diverging", ...diverging };
  return { kind: "records", records, highWatermark, logStartOffset };
}
