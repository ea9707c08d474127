/**
 * What the checkers remember of nodes, partitions and replicas, beyond the life of any process.
 *
 * @module
 */

import type { Epoch, NodeId, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import type { PartitionImage } from "../../controller/cluster_image.ts";
import type { ReplicaView } from "../cluster_view.ts";
import { CommittedLog } from "./committed_log.ts";
import { Identities } from "./identities.ts";
import { LogTrack } from "./log_track.ts";
import { Sequences } from "./sequences.ts";
import type { Verdicts } from "./verdicts.ts";

/** What was read of the state of a replica when it was looked at last. */
export interface SeenState {
  role: "none" | "leader" | "follower";
  leaderEpoch: Epoch;
  partitionEpoch: number;
  isr: readonly NodeId[];
  maximalIsr: readonly NodeId[];
  isProposalPending: boolean;
  highWatermark: Offset;
}

/** A replica of a partition on one node. */
export interface ReplicaTrack {
  /** Topic id and number, as in the path of its actor. */
  readonly key: string;
  readonly partition: PartitionTrack;
  readonly node: NodeTrack;
  readonly log: LogTrack;
  /** Undefined while it has no actor. */
  view: ReplicaView | undefined;
  readonly seen: SeenState;
}

/** A partition of a topic: one that was deleted and made anew is another. */
export interface PartitionTrack {
  /** `orders-0`, for messages. */
  readonly name: string;
  readonly topicId: Uuid;
  readonly replicas: Map<NodeId, ReplicaTrack>;
  readonly committed: CommittedLog;
  readonly identities: Identities;
  readonly sequences: Sequences;
  /** As the controller committed it, by partition epoch; the last is in force. */
  readonly history: (PartitionImage | undefined)[];
  truth: PartitionImage | undefined;
  /**
   * By node: the partition epoch from which on it is known that it lost its data and returned, or
   * that it is a replica no more.
   */
  readonly returned: Map<NodeId, number>;
  /** Nodes on which records have rotted: they may set their logs aside while they live. */
  readonly rotten: Set<NodeId>;
  isDeleted: boolean;
  /** The leader epoch of an unclean election whose leader has not shown what it holds. */
  uncleanEpoch: Epoch | undefined;
  /** The leader epoch of the last unclean election: what leaders before it say counts no more. */
  lastUncleanEpoch: Epoch;
  /** The lowest offset that an unclean election gave up. */
  givenUpFrom: Offset;
}

/** A machine. */
export interface NodeTrack {
  readonly id: NodeId;
  readonly replicas: Map<string, ReplicaTrack>;
  /** Those that have an actor. */
  live: ReplicaTrack[];
  /** Counts the processes that were started. */
  process: number;
  /** Whether the last process has a broker and has not ended. */
  isRunning: boolean;
  /** Whether the last process that ended did so in another way than in order. */
  endedUncleanly: boolean;
  /** By process: whether the one before it ended otherwise than in order. */
  readonly startedUncleanly: boolean[];
  /** The process in which data were lost last, or after which; -1 if none ever were. */
  lostIn: number;
  /** The process of the registration that is in force; -1 before the first. */
  registeredIn: number;
}

/** Whether a node may have lost data, and has not registered since. */
export function isLossy({ lostIn, registeredIn }: NodeTrack): boolean {
  return lostIn >= 0 && registeredIn <= lostIn;
}

/** The initial state of a replica's actor. */
export function nothingSeen(): SeenState {
  return {
    role: "none",
    leaderEpoch: -1,
    partitionEpoch: -1,
    isr: [],
    maximalIsr: [],
    isProposalPending: false,
    highWatermark: 0,
  };
}

/** Which partition, by topic id and number. */
export function partitionKey(topicId: Uuid, partition: number): string {
  return `${topicId}:${partition}`;
}

/** All tracks. */
export class Tracks {
  readonly partitions = new Map<string, PartitionTrack>();
  readonly nodes = new Map<NodeId, NodeTrack>();
  readonly #names = new Set<string>();
  readonly #verdicts: Verdicts;

  constructor(verdicts: Verdicts) {
    this.#verdicts = verdicts;
  }

  node(id: NodeId): NodeTrack {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = {
        id,
        replicas: new Map(),
        live: [],
        process: 0,
        isRunning: false,
        endedUncleanly: false,
        startedUncleanly: [],
        lostIn: -1,
        registeredIn: -1,
      };
      this.nodes.set(id, node);
    }
    return node;
  }

  partition(topicId: Uuid, topic: string, number: number): PartitionTrack {
    const key = partitionKey(topicId, number);
    let partition = this.partitions.get(key);
    if (partition === undefined) {
      const name = `${topic}-${number}`;
      partition = {
        name,
        topicId,
        replicas: new Map(),
        committed: new CommittedLog(),
        identities: new Identities(name, this.#verdicts),
        sequences: new Sequences(name, this.#verdicts),
        history: [],
        truth: undefined,
        returned: new Map(),
        rotten: new Set(),
        isDeleted: false,
        uncleanEpoch: undefined,
        lastUncleanEpoch: -1,
        givenUpFrom: Infinity,
      };
      // A log knows nothing of those who sent to another of its name, and takes any sequence.
      if (this.#names.has(name)) partition.sequences.forget();
      this.#names.add(name);
      this.partitions.set(key, partition);
    }
    return partition;
  }

  replica(nodeId: NodeId, topicId: Uuid, topic: string, number: number): ReplicaTrack {
    const node = this.node(nodeId);
    const key = partitionKey(topicId, number);
    let replica = node.replicas.get(key);
    if (replica === undefined) {
      const partition = this.partition(topicId, topic, number);
      const { name, identities } = partition;
      const log = new LogTrack(
        `${name} at ${nodeId}`,
        this.#verdicts,
        (batch) => identities.has(batch),
      );
      const seen = nothingSeen();
      replica = { key: `${topicId}-${number}`, partition, node, log, view: undefined, seen };
      node.replicas.set(key, replica);
      partition.replicas.set(nodeId, replica);
    }
    return replica;
  }
}
