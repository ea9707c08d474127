/**
 * What the controller has committed, folded by the checkers themselves, and what that is held to:
 * P2, P14, P15; and P16, what brokers make of it.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ClusterImage, type PartitionImage } from "../../controller/cluster_image.ts";
import type { MetadataRecord } from "../../controller/metadata_record.ts";
import type { BrokerView } from "../cluster_view.ts";
import { eligibleOf, type MembershipRules } from "./membership_rules.ts";
import type { ObservedBatch } from "./shadow_log.ts";
import { isLossy, partitionKey, type PartitionTrack, type Tracks } from "./tracks.ts";
import type { Vacuity } from "./vacuity.ts";
import type { Verdicts } from "./verdicts.ts";

export interface MetadataRulesOptions {
  readonly tracks: Tracks;
  readonly verdicts: Verdicts;
  readonly vacuity: Vacuity;
  readonly membership: MembershipRules;
  /** `min.insync.replicas` of topics that do not set it. */
  readonly minInsyncReplicas: number;
}

/** What one batch of metadata touched. */
interface Touched {
  readonly partitions: Set<PartitionTrack>;
  readonly registered: Set<NodeId>;
}

export class MetadataRules {
  /** The fold of everything committed. */
  readonly image = new ClusterImage();
  readonly #options: MetadataRulesOptions;
  #endOffset: Offset = 0;
  /** The process of each incarnation. */
  readonly #processes = new Map<Uuid, number>();
  /** Set once a record could not be folded: nothing is known of the metadata any more. */
  #broken = false;

  constructor(options: MetadataRulesOptions) {
    this.#options = options;
  }

  /** Where the committed metadata end. */
  get endOffset(): Offset {
    return this.#endOffset;
  }

  /**
   * A broker began, in this process of its node. Its registration may come when that is over, and
   * another runs already.
   */
  started(incarnationId: Uuid, process: number): void {
    this.#processes.set(incarnationId, process);
  }

  /** A batch of the metadata log was committed. */
  committed(batch: ObservedBatch, records: readonly MetadataRecord[]): void {
    this.#endOffset = batch.nextOffset;
    if (this.#broken) return;
    const touched: Touched = { partitions: new Set(), registered: new Set() };
    try {
      for (const record of records) this.#take(record, touched);
    } catch (error) {
      this.#broken = true;
      this.#options.verdicts.hold("P16 metadata-matching", false, () => {
        return `the batch at ${batch.baseOffset} contradicts what is committed: ${error}`;
      });
      return;
    }
    for (const id of touched.registered) this.#registered(id);
    for (const partition of touched.partitions) this.#changed(partition);
  }

  /** P16, in full: for now and then. */
  checkBroker(broker: BrokerView): void {
    const { verdicts } = this.#options;
    const { appliedOffset, image, nodeId } = broker;
    verdicts.hold("P16 metadata-matching", appliedOffset <= this.#endOffset, () => {
      return `broker ${nodeId} has applied metadata up to ${appliedOffset}, ` +
        `${this.#endOffset} is committed`;
    });
    if (appliedOffset !== this.#endOffset || this.#broken) return;
    const [theirs, mine] = [describeImage(image), describeImage(this.image)];
    verdicts.hold("P16 metadata-matching", theirs === mine, () => {
      return `broker ${nodeId} at offset ${appliedOffset} has ${theirs}, committed is ${mine}`;
    });
  }

  #take(record: MetadataRecord, touched: Touched): void {
    const { tracks, vacuity } = this.#options;
    const before = record.kind === "BrokerRegistrationChangeRecord"
      ? this.image.brokers.get(record.value.brokerId)
      : undefined;
    const change = this.image.replay(record);
    switch (change.kind) {
      case "partition": {
        const topic = this.image.topicById(change.topicId)!;
        const image = topic.partitions[change.partition]!;
        const partition = tracks.partition(topic.id, topic.name, change.partition);
        this.#partitionChanged(partition, image);
        touched.partitions.add(partition);
        return;
      }
      case "topic-removed":
        vacuity.count("topics deleted");
        for (let number = 0; number < change.topic.partitions.length; number++) {
          const track = tracks.partitions.get(partitionKey(change.topic.id, number));
          if (track !== undefined) track.isDeleted = true;
        }
        return;
      case "broker":
        if (record.kind === "RegisterBrokerRecord") {
          touched.registered.add(change.id);
        } else if (before?.fenced === false && this.image.brokers.get(change.id)?.fenced === true) {
          vacuity.count("brokers fenced");
        }
    }
  }

  #partitionChanged(partition: PartitionTrack, image: PartitionImage): void {
    const { verdicts } = this.#options;
    const before = partition.truth;
    if (before !== undefined) {
      const steps = image.partitionEpoch === before.partitionEpoch + 1 &&
        image.leaderEpoch >= before.leaderEpoch &&
        (image.leader === before.leader || image.leader === -1 ||
          image.leaderEpoch > before.leaderEpoch);
      verdicts.hold("P14 partition-epoch", steps, () => {
        return `${partition.name}: from leader ${before.leader}, epochs ${before.leaderEpoch} and ` +
          `${before.partitionEpoch} to ${image.leader}, ${image.leaderEpoch} and ` +
          `${image.partitionEpoch}`;
      });
      this.#count(partition, before, image);
      for (const id of before.replicas) {
        if (image.replicas.includes(id)) continue;
        partition.replicas.get(id)?.log.mayVanish();
        // Whoever believes in an older ISR, a leader that was paused, may still count on it.
        partition.returned.set(id, image.partitionEpoch);
      }
    }
    partition.history[image.partitionEpoch] = image;
    partition.truth = image;
  }

  #count(partition: PartitionTrack, before: PartitionImage, image: PartitionImage): void {
    const { vacuity } = this.#options;
    if (image.isr.some((id) => !before.isr.includes(id))) vacuity.count("ISR expansions");
    if (before.isr.some((id) => !image.isr.includes(id))) vacuity.count("ISR shrinks");
    if (image.replicas.length < before.replicas.length) vacuity.count("reassignments completed");
    if (image.leader === -1 && before.leader !== -1) vacuity.count("leaderless partitions");
    if (image.leader === -1 || image.leaderEpoch === before.leaderEpoch) return;
    if (before.isr.includes(image.leader)) {
      vacuity.count("elections from the ISR");
      if (image.leader === image.replicas[0] && before.leader !== -1) {
        vacuity.count("elections of preferred leaders");
      }
    } else if (eligibleOf(before).includes(image.leader)) {
      vacuity.count("elections from the ELR");
    } else if (before.lastKnownElr.includes(image.leader) && isComplete(partition, image.leader)) {
      // It led when everything was there, and has lost nothing since.
      vacuity.count("elections of last known leaders");
    } else {
      vacuity.count("unclean elections");
      partition.uncleanEpoch = partition.lastUncleanEpoch = image.leaderEpoch;
    }
  }

  /** P15: whoever comes back after an unclean end counts for nothing until it has caught up. */
  #registered(id: NodeId): void {
    const { tracks, vacuity } = this.#options;
    const node = tracks.node(id);
    const process = this.#processes.get(this.image.brokers.get(id)!.incarnationId) ?? node.process;
    if (process > node.registeredIn && node.startedUncleanly[process] === true) {
      vacuity.count("brokers registered after an unclean end");
      this.#checkExclusion(id);
    }
    const wasLossy = isLossy(node);
    node.registeredIn = Math.max(node.registeredIn, process);
    if (!wasLossy || isLossy(node)) return;
    for (const partition of tracks.partitions.values()) {
      partition.returned.set(id, partition.truth?.partitionEpoch ?? 0);
    }
  }

  #checkExclusion(id: NodeId): void {
    const { tracks, verdicts } = this.#options;
    for (const { truth, name, isDeleted } of tracks.partitions.values()) {
      if (truth === undefined || isDeleted) continue;
      // The last one of the ISR stays where nobody else could be elected; it must not lead.
      const isLast = truth.isr.length === 1 && truth.leader === -1;
      const counts = truth.isr.includes(id) && !isLast || eligibleOf(truth).includes(id);
      verdicts.hold("P15 unclean-exclusion", !counts, () => {
        return `${name}: ${id} registered after an unclean end and is in the ISR ` +
          `[${truth.isr}] or ELR [${eligibleOf(truth)}] with leader ${truth.leader}`;
      });
    }
  }

  #minInsync({ topicId, truth }: PartitionTrack): number {
    const topic = this.image.topicById(topicId)?.name ?? "";
    const text = this.image.configs(CONFIG_RESOURCE.topic, topic).get("min.insync.replicas");
    const asked = text === undefined ? this.#options.minInsyncReplicas : Number(text);
    return Math.min(asked, truth?.replicas.length ?? asked);
  }

  /** P2, and what follows for whoever must hold what is committed. */
  #changed(partition: PartitionTrack): void {
    const { verdicts, membership, vacuity } = this.#options;
    const { truth, name, isDeleted } = partition;
    if (truth === undefined || isDeleted) return;
    const { leader, isr, replicas } = truth;
    const elr = eligibleOf(truth);
    const fenced = isr.filter((id) => this.image.brokers.get(id)?.fenced !== false);
    const isLast = isr.length === 1 && leader === -1;
    const holds = (leader === -1 || isr.includes(leader)) &&
      isr.every((id) => replicas.includes(id)) && (fenced.length === 0 || isLast) &&
      !elr.some((id) => isr.includes(id)) && (isr.length > 0 || leader === -1) &&
      (elr.length === 0 || isr.length < this.#minInsync(partition));
    verdicts.hold("P2 leader-in-isr", holds, () => {
      return `${name}: leader ${leader}, ISR [${isr}] of replicas [${replicas}], fenced ` +
        `[${fenced}], ELR [${elr}]`;
    });
    membership.checkHolders(partition);
    for (const replica of partition.replicas.values()) {
      membership.checkLatestLeader(replica);
      const { view } = replica;
      const isZombie = view?.state.role === "leader" && view.state.leaderEpoch < truth.leaderEpoch;
      if (isZombie) vacuity.count("fenced zombies");
    }
  }
}

/** Whether a replica has been in sync since it lost data last, if it ever has. */
function isComplete({ returned, history }: PartitionTrack, id: NodeId): boolean {
  const from = returned.get(id);
  return from === undefined || history.slice(from).some((image) => image?.isr.includes(id));
}

/** Everything about topics and brokers that must be equal, as text. */
function describeImage(image: ClusterImage): string {
  const topics = [...image.topics.values()].map((topic) => ({
    id: topic.id,
    name: topic.name,
    partitions: topic.partitions,
    configs: [...image.configs(CONFIG_RESOURCE.topic, topic.name)].sort(),
  }));
  topics.sort((a, b) => a.name < b.name ? -1 : 1);
  const brokers = [...image.brokers.values()].sort((a, b) => a.id - b.id);
  return JSON.stringify({ topics, brokers, nextProducerId: image.nextProducerId });
}
