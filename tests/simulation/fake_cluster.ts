/**
 * A cluster made by hand for tests of the checkers: three nodes, one partition, and states that the
 * test sets as it likes, right or wrong.
 *
 * @module
 */

import { make } from "../../net/schema/make.ts";
import { BROKER_REGISTRATION_CHANGE_RECORD } from "../../net/messages/records/broker_registration_change_record.ts";
import { PARTITION_CHANGE_RECORD } from "../../net/messages/records/partition_change_record.ts";
import { PARTITION_RECORD } from "../../net/messages/records/partition_record.ts";
import { REGISTER_BROKER_RECORD } from "../../net/messages/records/register_broker_record.ts";
import { ClusterImage } from "../../actors/controller/cluster_image.ts";
import type { MetadataRecord } from "../../actors/controller/metadata_record.ts";
import type { ObservedController } from "../../actors/controller/observer.ts";
import type { ReplicaState } from "../../actors/partition/observer.ts";
import {
  ClusterChecker,
  type ClusterCheckerOptions,
} from "../../actors/sim/checkers/cluster_checker.ts";
import type { ObservedBatch } from "../../actors/sim/checkers/shadow_log.ts";
import type {
  BrokerView,
  ControllerView,
  LogView,
  ReplicaView,
} from "../../actors/sim/cluster_view.ts";

export const NODES = [1, 2, 3];
export const TOPIC_ID = "VVVVVVVVVVVVVVVVVVVVVA";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A log whose every field the test may set. */
export class FakeLog implements LogView {
  isOpen = true;
  logStartOffset = 0;
  flushedOffset = 0;
  truncations = 0;
  /** Whether what is appended is durable at once. */
  flushes = true;
  batches: ObservedBatch[] = [];
  /** Instead of what the batches say. */
  epochCache: { epoch: number; startOffset: number }[] | undefined;
  /** Instead of what the batches say. */
  claimedEnd: number | undefined;

  get logEndOffset(): number {
    return this.claimedEnd ?? this.batches.at(-1)?.nextOffset ?? this.logStartOffset;
  }

  epochs() {
    if (this.epochCache !== undefined) return this.epochCache;
    const entries: { epoch: number; startOffset: number }[] = [];
    for (const { epoch, baseOffset, nextOffset } of this.batches) {
      if (nextOffset <= this.logStartOffset || entries.at(-1)?.epoch === epoch) continue;
      entries.push({ epoch, startOffset: Math.max(baseOffset, this.logStartOffset) });
    }
    return entries;
  }

  batchesFrom(offset = 0): readonly ObservedBatch[] {
    return this.batches.filter(({ baseOffset }) => baseOffset >= offset);
  }

  append(epoch: number, hash: number, more: Partial<ObservedBatch> = {}): ObservedBatch {
    const baseOffset = this.batches.at(-1)?.nextOffset ?? this.logStartOffset;
    const batch = {
      baseOffset,
      nextOffset: baseOffset + 1,
      epoch,
      hash,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      isControl: false,
      ...more,
    };
    this.batches.push(batch);
    if (this.flushes) this.flushedOffset = batch.nextOffset;
    return batch;
  }

  truncateTo(offset: number): void {
    this.batches = this.batches.filter(({ nextOffset }) => nextOffset <= offset);
    this.truncations++;
    this.flushedOffset = Math.min(this.flushedOffset, offset);
  }
}

export class FakeReplica implements ReplicaView {
  readonly topicId = TOPIC_ID;
  readonly topic = "orders";
  readonly partition = 0;
  readonly log: FakeLog;
  readonly state: Mutable<ReplicaState> = {
    role: "none",
    leaderEpoch: -1,
    partitionEpoch: -1,
    leader: -1,
    replicas: [],
    isr: [],
    maximalIsr: [],
    isProposalPending: false,
    highWatermark: 0,
    lastStableOffset: 0,
    leaderEpochStartOffset: 0,
    minInsyncReplicas: 2,
  };

  constructor(readonly nodeId: number, log = new FakeLog()) {
    this.log = log;
  }
}

export class FakeController implements ControllerView {
  readonly log: FakeLog;
  readonly state: Mutable<ObservedController>;
  readonly #records: Map<number, readonly MetadataRecord[]>;

  constructor(
    readonly nodeId: number,
    records: Map<number, readonly MetadataRecord[]>,
    log = new FakeLog(),
  ) {
    this.#records = records;
    this.log = log;
    this.state = {
      nodeId,
      role: nodeId === 1 ? "leader" : "follower",
      epoch: 1,
      leaderId: 1,
      votedId: nodeId === 1 ? 1 : -1,
      voters: NODES,
      isActive: nodeId === 1,
      logStartOffset: 0,
      logEndOffset: 0,
      flushedOffset: 0,
      truncations: 0,
      highWatermark: -1,
      epochEntries: [],
      snapshotId: undefined,
      image: new ClusterImage(),
    };
  }

  records({ hash }: ObservedBatch): readonly MetadataRecord[] {
    return this.#records.get(hash) ?? [];
  }
}

/** Node 1 leads the quorum and the partition; ISR 1, 2, 3. */
export class FakeCluster {
  readonly checker: ClusterChecker;
  readonly replicas: readonly FakeReplica[];
  readonly controllers: readonly FakeController[];
  readonly brokers: readonly Mutable<BrokerView>[];
  readonly records = new Map<number, readonly MetadataRecord[]>();
  #nextHash = 1000;

  constructor(options: Partial<ClusterCheckerOptions> = {}) {
    this.checker = new ClusterChecker({
      flushBeforeAck: false,
      minInsyncReplicas: 2,
      ...options,
    });
    this.controllers = NODES.map((id) => new FakeController(id, this.records));
    this.replicas = NODES.map((id) => new FakeReplica(id));
    this.brokers = NODES.map((nodeId) => ({
      nodeId,
      incarnationId: incarnationOf(nodeId),
      brokerEpoch: nodeId,
      image: new ClusterImage(),
      appliedOffset: 0,
    }));
    for (const view of this.controllers) this.checker.controllerStarted(view);
    for (const view of this.brokers) this.checker.brokerStarted(view);
    this.commit(...NODES.map((id) => registered(id)));
    this.commit({ kind: "TopicRecord", value: { name: "orders", topicId: TOPIC_ID } }, {
      kind: "PartitionRecord",
      value: make(PARTITION_RECORD, {
        partitionId: 0,
        topicId: TOPIC_ID,
        replicas: NODES,
        isr: NODES,
        leader: 1,
        leaderEpoch: 0,
        partitionEpoch: 0,
      }),
    });
    for (const view of this.replicas) this.checker.replicaStarted(view);
    this.assign();
    this.look();
  }

  /** Another process of a node begins, to be registered with this broker epoch. */
  start(id: number, epoch = 50): void {
    this.brokers[id - 1]!.incarnationId = incarnationOf(id, epoch);
    this.checker.brokerStarted(this.brokers[id - 1]!);
  }

  /** Node `id` is back, as it was, but for what the others have committed since. */
  restart(id: number): void {
    this.start(id);
    this.checker.controllerStarted(this.controller(id));
    this.checker.replicaStarted(this.replica(id));
    this.look();
    const { log, state } = this.controller(id);
    log.batches = [...this.controller(id === 1 ? 2 : 1).log.batches];
    log.flushedOffset = log.logEndOffset;
    this.look();
    state.highWatermark = log.logEndOffset;
    this.look();
  }

  replica(id: number): FakeReplica {
    return this.replicas[id - 1]!;
  }

  controller(id: number): FakeController {
    return this.controllers[id - 1]!;
  }

  /** Gives every replica, or those named, the controller's committed word. */
  assign(...ids: number[]): void {
    const truth = this.checker.metadata.image.topicById(TOPIC_ID)!.partitions[0]!;
    for (const { nodeId, state } of this.replicas) {
      if (ids.length > 0 && !ids.includes(nodeId)) continue;
      const { leader, leaderEpoch, partitionEpoch, isr, replicas } = truth;
      const role = leader === nodeId ? "leader" as const : "follower" as const;
      Object.assign(state, { role, leader, leaderEpoch, partitionEpoch, isr, replicas });
      state.maximalIsr = isr;
    }
  }

  /** Appends one batch of metadata to every controller and commits it. */
  commit(...records: MetadataRecord[]): void {
    const hash = this.#nextHash++;
    this.records.set(hash, records);
    for (const controller of this.controllers) {
      if (this.checker.quorum.controller(controller.nodeId).view === undefined) continue;
      controller.log.append(controller.state.epoch, hash);
    }
    this.look();
    for (const { state, log } of this.controllers) state.highWatermark = log.logEndOffset;
    this.look();
    for (const broker of this.brokers) {
      for (const record of records) broker.image.replay(record);
      broker.appliedOffset = this.controller(1).log.logEndOffset;
    }
  }

  /** Commits a change of the partition. */
  change(change: {
    isr?: number[];
    leader?: number;
    eligibleLeaderReplicas?: number[];
    replicas?: number[];
  }): void {
    this.commit({
      kind: "PartitionChangeRecord",
      value: make(PARTITION_CHANGE_RECORD, {
        partitionId: 0,
        topicId: TOPIC_ID,
        ...change,
      }),
    });
  }

  fence(id: number, fenced = true): MetadataRecord {
    const { epoch } = this.checker.metadata.image.brokers.get(id)!;
    return {
      kind: "BrokerRegistrationChangeRecord",
      value: make(BROKER_REGISTRATION_CHANGE_RECORD, {
        brokerId: id,
        brokerEpoch: epoch,
        fenced: fenced ? 1 : -1,
      }),
    };
  }

  /** Appends a batch to these replicas' logs. */
  append(hash: number, ids = NODES, more: Partial<ObservedBatch> = {}): void {
    for (const id of ids) {
      const { log, state } = this.replica(id);
      log.append(state.leaderEpoch, hash, more);
    }
    this.look();
  }

  /** Sets a leader's high watermark. */
  advance(highWatermark: number, id = 1): void {
    const { state } = this.replica(id);
    state.highWatermark = highWatermark;
    state.lastStableOffset = highWatermark;
    this.look();
  }

  /** An event of each node. */
  look(): void {
    for (const id of NODES) this.checker.afterEvent(id);
  }

  /** The rules that were broken, by number: `P3`. */
  get broken(): string[] {
    const rules = this.checker.violations.map(({ rule }) => rule.split(" ")[0]!);
    return [...new Set(rules)].sort();
  }
}

/** A broker's registration. */
export function registered(id: number, epoch = id): MetadataRecord {
  return {
    kind: "RegisterBrokerRecord",
    value: make(REGISTER_BROKER_RECORD, {
      brokerId: id,
      brokerEpoch: epoch,
      fenced: false,
      incarnationId: incarnationOf(id, epoch),
    }),
  };
}

function incarnationOf(id: number, epoch = id): string {
  return `${id}-${epoch}`.padEnd(22, "A");
}
