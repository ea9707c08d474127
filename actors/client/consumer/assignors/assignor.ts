/**
 * What an assignor is: it divides the partitions of topics among the members of a classic group.
 *
 * The member that leads the group runs it, so all members must have it, by its name. Kafka's own
 * four are in this folder, with Kafka's results on the same inputs; a user may bring another.
 *
 * @module
 */

import type { Epoch } from "../../../../storage/bytes/ids.ts";
import type { TopicPartition } from "../../topic_partition.ts";

/** A partition of a topic. */
export type AssignedPlace = TopicPartition;

/** A topic that members subscribe to. */
export interface AssignableTopic {
  /** Its name. */
  readonly name: string;
  /** For each partition, in order, the racks that hold a copy; none where brokers have none. */
  readonly racks: readonly (readonly string[])[];
}

/** What a member says of itself when it joins. */
export interface MemberSubscription {
  /** The coordinator's name for it. */
  readonly memberId: string;
  /** `group.instance.id`, of static members. */
  readonly groupInstanceId: string | null;
  /** `client.rack` */
  readonly rackId: string | null;
  /** The topics it subscribes to. */
  readonly topics: readonly string[];
  /** What it owns now; nothing under an eager protocol, which gives up all before. */
  readonly ownedPartitions: readonly AssignedPlace[];
  /** Of the generation in which it was assigned them; -1 for none. */
  readonly generationId: Epoch;
  /** What its assignor had to say. */
  readonly userData: Uint8Array | null;
}

/** What a member was assigned last. */
export interface LastAssignment {
  /** The partitions. */
  readonly partitions: readonly AssignedPlace[];
  /** -1 before the first. */
  readonly generationId: Epoch;
}

/** The partitions of each member, by its id. */
export type GroupAssignment = ReadonlyMap<string, readonly AssignedPlace[]>;

/** Divides partitions among members. It keeps nothing between calls. */
export interface Assignor {
  /** By which the members of a group agree on it. */
  readonly name: string;
  /**
   * Whether members give up all their partitions before they join again (`"eager"`), or only those
   * that the assignment takes from them (`"cooperative"`, KIP-429). A cooperative assignor must not
   * give a partition to a member before the one that owns it has given it up.
   */
  readonly protocol: "eager" | "cooperative";
  /** What a member's subscription is to carry besides; nothing when absent. */
  userData?(last: LastAssignment | undefined): Uint8Array | null;
  /** Divides the partitions of the topics; topics that do not exist are left out. */
  assign(
    topics: readonly AssignableTopic[],
    members: readonly MemberSubscription[],
  ): GroupAssignment;
}
