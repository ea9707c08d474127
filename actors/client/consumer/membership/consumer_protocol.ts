/**
 * The bytes in which members of a classic group tell each other what they subscribe to and own, and
 * the leader tells them what they are assigned: Kafka's, with a version before the fields.
 *
 * @module
 */

import { decodeMessage, encodeMessage } from "../../../../net/kafka/codec.ts";
import { CONSUMER_PROTOCOL_ASSIGNMENT } from "../../../../net/messages/records/consumer_protocol_assignment.ts";
import { CONSUMER_PROTOCOL_SUBSCRIPTION } from "../../../../net/messages/records/consumer_protocol_subscription.ts";
import { make } from "../../../../net/schema/make.ts";
import type { Table } from "../../../../net/schema.ts";
import type { AssignedPlace, MemberSubscription } from "../assignors/assignor.ts";

const VERSION = 3;
const VERSION_BYTES = 2;

/** What a member says besides its ids, which the coordinator knows. */
export type SubscriptionContent = Omit<MemberSubscription, "memberId" | "groupInstanceId">;

export function encodeSubscription(content: SubscriptionContent): Uint8Array {
  const { topics, userData, ownedPartitions, generationId, rackId } = content;
  return versioned(
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    make(CONSUMER_PROTOCOL_SUBSCRIPTION, {
      topics: topics.toSorted(),
      userData,
      ownedPartitions: byTopic(ownedPartitions),
      generationId,
      rackId,
    }),
  );
}

/** @throws {MalformedMessageError} when the bytes are no subscription */
export function decodeSubscription(bytes: Uint8Array): SubscriptionContent {
  const { topics, userData, ownedPartitions, generationId, rackId } = decoded(
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    bytes,
  );
  return {
    topics,
    userData: userData?.slice() ?? null,
    ownedPartitions: placesOf(ownedPartitions),
    generationId,
    rackId,
  };
}

export function encodeAssignment(partitions: readonly AssignedPlace[]): Uint8Array {
  return versioned(
    CONSUMER_PROTOCOL_ASSIGNMENT,
    make(CONSUMER_PROTOCOL_ASSIGNMENT, { assignedPartitions: byTopic(partitions) }),
  );
}

/** @throws {MalformedMessageError} when the bytes are no assignment; none at all is an empty one */
export function decodeAssignment(bytes: Uint8Array): AssignedPlace[] {
  if (bytes.length === 0) return [];
  return placesOf(decoded(CONSUMER_PROTOCOL_ASSIGNMENT, bytes).assignedPartitions);
}

function versioned<T>(table: Table<T>, message: T): Uint8Array {
  const fields = encodeMessage(table, VERSION, message);
  const bytes = new Uint8Array(VERSION_BYTES + fields.length);
  new DataView(bytes.buffer).setInt16(0, VERSION);
  bytes.set(fields, VERSION_BYTES);
  return bytes;
}

/** Later versions only add fields at the end. */
function decoded<T>(table: Table<T>, bytes: Uint8Array): T {
  if (bytes.length < VERSION_BYTES) throw new RangeError(`Cannot read ${table.name}: no version`);
  const version = new DataView(bytes.buffer, bytes.byteOffset).getInt16(0);
  return decodeMessage(table, Math.min(version, VERSION), bytes.subarray(VERSION_BYTES));
}

function byTopic(places: readonly AssignedPlace[]) {
  return Array.from(Map.groupBy(places, ({ topic }) => topic), ([topic, places]) => ({
    topic,
    partitions: places.map(({ partition }) => partition).sort((a, b) => a - b),
  })).sort((a, b) => a.topic < b.topic ? -1 : 1);
}

function placesOf(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): AssignedPlace[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition }))
  );
}
