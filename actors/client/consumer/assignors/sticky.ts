/**
 * The sticky assignors: as balanced as can be, and of the balanced assignments one that moves few
 * partitions (KIP-54).
 *
 * Under the eager protocol a member tells in its user data what it had before it gave everything
 * up. The cooperative one (KIP-429) lets members keep what they own while they join: a partition
 * that is to move is first taken from its owner, and given to the other in the next rebalance.
 *
 * @module
 */

import { ByteReader } from "../../../../storage/bytes/byte_reader.ts";
import type {
  AssignedPlace,
  Assignor,
  GroupAssignment,
  LastAssignment,
  MemberSubscription,
} from "./assignor.ts";
import { assignMixed } from "./mixed_sticky.ts";
import { type Claims, NO_GENERATION, stickyGroup } from "./owned_places.ts";
import { type Place, Places, settled } from "./places.ts";
import { assignUniformly, type StickyAssignment } from "./uniform_sticky.ts";

/** Keeps assignments as they are; members give up all partitions while they join. */
export const STICKY: Assignor = {
  name: "sticky",
  protocol: "eager",
  userData: (last) => last === undefined ? null : encodeLast(last),
  assign(topics, members) {
    const places = new Places(topics, members);
    return settled(stickily(places, members, claimsOfUserData).assignment);
  },
};

/** Keeps assignments as they are, and members their partitions while they join. */
export const COOPERATIVE_STICKY: Assignor = {
  name: "cooperative-sticky",
  protocol: "cooperative",
  userData(last) {
    const data = new DataView(new ArrayBuffer(4));
    data.setInt32(0, last?.generationId ?? NO_GENERATION);
    return new Uint8Array(data.buffer);
  },
  assign: (topics, members) => assignCooperatively(topics, members),
};

function assignCooperatively(
  topics: Parameters<Assignor["assign"]>[0],
  members: readonly MemberSubscription[],
): GroupAssignment {
  const places = new Places(topics, members);
  const { assignment, transferring } = stickily(places, members, claimsOfFields);
  const moving = transferring ?? transfers(places, members, assignment);
  return settled(
    new Map(
      Array.from(assignment, ([memberId, given]) => [
        memberId,
        given.filter((place) => moving.get(place) !== memberId),
      ]),
    ),
  );
}

function stickily(
  places: Places,
  members: readonly MemberSubscription[],
  claimsOf: (member: MemberSubscription) => Claims,
): StickyAssignment {
  const group = stickyGroup(members, places, claimsOf);
  return group.isUniform ? assignUniformly(places, group) : assignMixed(places, group);
}

/** Partitions that somebody owns who does not get them again, and who gets them. */
function transfers(
  places: Places,
  members: readonly MemberSubscription[],
  assignment: ReadonlyMap<string, readonly Place[]>,
): Map<Place, string> {
  const added = new Map<Place, string>();
  const revoked = new Set<Place>();
  for (const { memberId, ownedPartitions } of members) {
    const owned = new Set(ownedPartitions.map((place) => places.at(place)));
    const assigned = new Set(assignment.get(memberId));
    for (const place of assigned) if (!owned.has(place)) added.set(place, memberId);
    for (const place of owned) {
      if (place !== undefined && !assigned.has(place)) revoked.add(place);
    }
  }
  return new Map([...added].filter(([place]) => revoked.has(place)));
}

function claimsOfUserData({ userData }: MemberSubscription): Claims {
  if (userData === null || userData.length === 0) {
    return { partitions: [], generationId: undefined };
  }
  return decodeLast(userData) ?? { partitions: [], generationId: NO_GENERATION };
}

function claimsOfFields({ ownedPartitions, generationId, userData }: MemberSubscription): Claims {
  if (generationId >= 0) return { partitions: ownedPartitions, generationId };
  // Members older than the field told it in their user data.
  const told = userData !== null && userData.length >= 4
    ? new DataView(userData.buffer, userData.byteOffset).getInt32(0)
    : undefined;
  return { partitions: ownedPartitions, generationId: told };
}

/** Kafka's user data of the sticky assignor, version 1: topics with partitions, and generation. */
function encodeLast({ partitions, generationId }: LastAssignment): Uint8Array {
  const encoder = new TextEncoder();
  const byTopic = Array.from(
    Map.groupBy(partitions, ({ topic }) => topic),
    ([topic, places]) => ({ name: encoder.encode(topic), places }),
  );
  const size = byTopic.reduce(
    (sum, { name, places }) => sum + 6 + name.length + 4 * places.length,
    8,
  );
  const bytes = new Uint8Array(size);
  const data = new DataView(bytes.buffer);
  data.setInt32(0, byTopic.length);
  let at = 4;
  for (const { name, places } of byTopic) {
    data.setInt16(at, name.length);
    bytes.set(name, at + 2);
    at += 2 + name.length;
    data.setInt32(at, places.length);
    at += 4;
    for (const { partition } of places) {
      data.setInt32(at, partition);
      at += 4;
    }
  }
  data.setInt32(at, generationId);
  return bytes;
}

/** What such user data say, also of version 0, without generation; undefined if they are none. */
function decodeLast(bytes: Uint8Array): Claims | undefined {
  try {
    const reader = new ByteReader(bytes);
    const partitions: AssignedPlace[] = [];
    for (let topics = reader.int32(); topics > 0; topics--) {
      const topic = new TextDecoder().decode(reader.bytes(reader.int16()));
      for (let count = reader.int32(); count > 0; count--) {
        partitions.push({ topic, partition: reader.int32() });
      }
    }
    return { partitions, generationId: reader.remaining >= 4 ? reader.int32() : undefined };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}
