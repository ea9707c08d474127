/**
 * All checkers of state, held against a cluster after every event.
 *
 * Owns the order of things: first the metadata quorum, for what it commits is what the rest is held
 * against, then the replicas of the node whose event it was. Only what changed is looked at
 * closely; full scans come every so many events. Checkers see everything by reference, draw no
 * chance and change nothing.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";
import type { BrokerView, ControllerView, ReplicaView, ViewSink } from "../cluster_view.ts";
import type { Violation } from "../record_checker.ts";
import { ALL, type EventScope } from "./event_scope.ts";
import type { EndOfProcess } from "./log_track.ts";
import { MembershipRules } from "./membership_rules.ts";
import { MetadataRules } from "./metadata_rules.ts";
import { type ControllerTrack, QuorumChecks } from "./quorum_rules.ts";
import { ReplicaRules } from "./replica_rules.ts";
import { isLossy, nothingSeen, partitionKey, type PartitionTrack, Tracks } from "./tracks.ts";
import { Vacuity } from "./vacuity.ts";
import { Verdicts } from "./verdicts.ts";

export interface ClusterCheckerOptions {
  /** Put before each violation. */
  readonly when?: () => string;
  /** Whether brokers count only what is durable: then no power cut excuses anything. */
  readonly flushBeforeAck: boolean;
  /** `min.insync.replicas` of topics that do not set it; 1 when absent. */
  readonly minInsyncReplicas?: number;
  /** Whether all producers of a topic ask for acks=all. */
  readonly acksAll?: (topic: string) => boolean;
  /** Events between two full scans. */
  readonly fullScanEvery?: number;
}

const FULL_SCAN_EVERY = 5000;

export class ClusterChecker implements ViewSink {
  readonly tracks: Tracks;
  readonly vacuity = new Vacuity();
  readonly metadata: MetadataRules;
  readonly quorum: QuorumChecks;
  readonly #verdicts: Verdicts;
  readonly #replicas: ReplicaRules;
  readonly #membership: MembershipRules;
  readonly #brokers = new Map<NodeId, BrokerView>();
  readonly #controllers = new Map<NodeId, ControllerTrack>();
  readonly #fullScanEvery: number;
  readonly #flushBeforeAck: boolean;
  #events = 0;

  constructor(options: ClusterCheckerOptions) {
    const verdicts = new Verdicts(options.when);
    this.#verdicts = verdicts;
    this.tracks = new Tracks(verdicts);
    const { tracks, vacuity } = this;
    const membership = new MembershipRules(tracks, verdicts);
    this.#membership = membership;
    this.#flushBeforeAck = options.flushBeforeAck;
    const minInsyncReplicas = options.minInsyncReplicas ?? 1;
    this.metadata = new MetadataRules({
      tracks,
      verdicts,
      vacuity,
      membership,
      minInsyncReplicas,
    });
    this.quorum = new QuorumChecks({ verdicts, vacuity, metadata: this.metadata });
    this.#replicas = new ReplicaRules({
      verdicts,
      vacuity,
      membership,
      acksAll: options.acksAll ?? (() => false),
      committed: () => {},
    });
    this.#fullScanEvery = options.fullScanEvery ?? FULL_SCAN_EVERY;
  }

  get violations(): readonly Violation[] {
    return this.#verdicts.violations;
  }

  get evaluations(): Readonly<Record<string, number>> {
    return this.#verdicts.evaluations;
  }

  replicaStarted(view: ReplicaView): void {
    const { nodeId, topicId, topic, partition } = view;
    const track = this.tracks.replica(nodeId, topicId, topic, partition);
    if (track.view !== undefined) this.replicaEnded(track.view);
    track.view = view;
    track.log.attach(view.log);
    Object.assign(track.seen, nothingSeen());
    track.node.live = [...track.node.live, track];
  }

  replicaEnded(view: ReplicaView): void {
    const node = this.tracks.node(view.nodeId);
    const track = node.replicas.get(partitionKey(view.topicId, view.partition));
    if (track?.view !== view) return;
    // What it wrote in the event that ends it is there; what it meant by it does not count.
    this.#replicas.lookAtLog(track);
    track.view = undefined;
    track.log.detach("none");
    node.live = node.live.filter((other) => other !== track);
  }

  controllerStarted(view: ControllerView): void {
    this.quorum.started(view);
    this.#controllers.set(view.nodeId, this.quorum.controller(view.nodeId));
  }

  controllerEnded(view: ControllerView): void {
    const track = this.quorum.controller(view.nodeId);
    if (track.view !== view) return;
    this.quorum.lookAtEnd(track);
    track.view = undefined;
    track.log.detach("none");
    this.#controllers.delete(view.nodeId);
  }

  brokerStarted(view: BrokerView): void {
    const node = this.tracks.node(view.nodeId);
    node.isRunning = true;
    node.startedUncleanly[++node.process] = node.endedUncleanly;
    if (view.incarnationId !== undefined) {
      this.metadata.started(view.incarnationId, node.process);
    }
    this.#brokers.set(view.nodeId, view);
  }

  brokerEnded(view: BrokerView): void {
    if (this.#brokers.get(view.nodeId) === view) this.#brokers.delete(view.nodeId);
  }

  /** The broker that runs on a node. */
  broker(nodeId: NodeId): BrokerView | undefined {
    return this.#brokers.get(nodeId);
  }

  /** Who leads the metadata quorum in the latest epoch, of those that run. */
  get leaderOfQuorum(): NodeId | undefined {
    let leader: ControllerTrack | undefined;
    for (const track of this.#controllers.values()) {
      if (track.role === "leader" && track.epoch > (leader?.epoch ?? -1)) leader = track;
    }
    return leader?.nodeId;
  }

  /**
   * Nodes that have lost data and do not hold again all that they are to hold: as many more may
   * lose theirs as the budget leaves.
   */
  get recovering(): ReadonlySet<NodeId> {
    for (const id of this.#recovering) {
      const node = this.tracks.node(id);
      if (isLossy(node)) continue;
      const behind = [...this.tracks.partitions.values()].some(({ truth, isDeleted }) =>
        truth !== undefined && !isDeleted && truth.replicas.includes(id) &&
        !truth.isr.includes(id)
      );
      if (!behind) this.#recovering.delete(id);
    }
    return this.#recovering;
  }
  readonly #recovering = new Set<NodeId>();

  /** A process is about to end, or has ended: what it did before has been looked at. */
  processEnded(nodeId: NodeId, how: "clean" | EndOfProcess): void {
    const node = this.tracks.node(nodeId);
    const ended = how === "clean" ? "killed" : how;
    const controller = this.quorum.controller(nodeId);
    controller.view = undefined;
    controller.log.detach(ended);
    this.#controllers.delete(nodeId);
    this.#brokers.delete(nodeId);
    for (const replica of node.replicas.values()) {
      replica.view = undefined;
      replica.log.detach(ended);
    }
    node.live = [];
    // One that ends before it has a broker leaves everything as the one before it did.
    if (node.isRunning) node.endedUncleanly = how !== "clean";
    node.isRunning = false;
    if (how === "clean") return;
    if (how === "power-lost" || how === "damaged") {
      // Where nothing counts as held before it is durable, no power cut excuses anything.
      if (how === "damaged" || !this.#flushBeforeAck) node.lostIn = node.process;
      this.#recovering.add(nodeId);
      for (const { partition } of node.replicas.values()) this.#lost(partition);
    }
  }

  /** A log on a node that is down is not what was written: it may cut what it cannot read. */
  rotted(nodeId: NodeId, partition: PartitionTrack): void {
    const node = this.tracks.node(nodeId);
    node.lostIn = node.process;
    partition.rotten.add(nodeId);
    partition.replicas.get(nodeId)?.log.detach("damaged");
    this.lacksData(nodeId);
  }

  /** A node has lost something of what it is to hold. */
  lacksData(nodeId: NodeId): void {
    this.#recovering.add(nodeId);
  }

  /** The disk of a node that is down was emptied. */
  diskWiped(nodeId: NodeId): void {
    const node = this.tracks.node(nodeId);
    node.lostIn = node.process;
    node.endedUncleanly = true;
    this.#recovering.add(nodeId);
    this.quorum.wiped(nodeId);
    for (const replica of node.replicas.values()) {
      replica.log.wiped();
      this.#lost(replica.partition);
    }
  }

  /** Holds everything that may have changed in an event of this node against the rules. */
  afterEvent(nodeId: NodeId, scope: EventScope = ALL): void {
    switch (scope.kind) {
      case "nothing":
        break;
      case "controller":
        this.#lookAtController(nodeId);
        break;
      case "replica":
        this.#lookAtReplica(nodeId, scope.key);
        break;
      case "all":
        this.#lookAt(nodeId);
    }
    if (++this.#events % this.#fullScanEvery === 0) this.checkAll();
  }

  /** Holds everything of a node against the rules. */
  #lookAt(nodeId: NodeId): void {
    this.#lookAtController(nodeId);
    const node = this.tracks.nodes.get(nodeId);
    if (node === undefined) return;
    for (const track of node.live) this.#replicas.look(track);
  }

  #lookAtController(nodeId: NodeId): void {
    const controller = this.#controllers.get(nodeId);
    if (controller !== undefined) this.quorum.look(controller);
  }

  #lookAtReplica(nodeId: NodeId, key: string): void {
    const node = this.tracks.nodes.get(nodeId);
    const track = node?.live.find((track) => track.key === key);
    if (track !== undefined) this.#replicas.look(track);
  }

  /** A full scan. */
  checkAll(): void {
    for (const id of this.tracks.nodes.keys()) this.#lookAt(id);
    for (const partition of this.tracks.partitions.values()) {
      if (partition.isDeleted) continue;
      this.#membership.checkHolders(partition);
      for (const replica of partition.replicas.values()) {
        if (replica.view !== undefined) replica.log.checkShape();
        this.#membership.checkWeakIsr(replica);
        this.#membership.checkLatestLeader(replica);
      }
    }
    for (const broker of this.#brokers.values()) this.metadata.checkBroker(broker);
  }

  /** P13: a reader was given a batch, as its header says. */
  read(partition: PartitionTrack, baseOffset: Offset, epoch: Epoch, hash: number): void {
    const { uncleanEpoch, givenUpFrom, isDeleted } = partition;
    if (uncleanEpoch !== undefined || baseOffset >= givenUpFrom || isDeleted) return;
    const batch = partition.committed.at(baseOffset);
    const holds = batch?.hash === hash && batch.epoch === epoch;
    this.#verdicts.hold("P13 consistent-read", holds, () => {
      return `${partition.name}: a reader got the batch at ${baseOffset} of epoch ${epoch}, ` +
        `${(hash >>> 0).toString(16)}; committed there is ` +
        (batch === undefined ? "nothing" : `${batch.epoch}, ${(batch.hash >>> 0).toString(16)}`);
    });
  }

  #lost(partition: PartitionTrack): void {
    this.#membership.checkSomewhere(partition);
  }
}
