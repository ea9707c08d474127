/**
 * The assignors held against Kafka's own: kafka_assignments.jsonl has what the assignors of
 * kafka-clients 4.1.0 gave for groups drawn by chance, with and without racks, static members,
 * earlier generations and members that claim the same partition. Left out are the few groups in
 * which Kafka gives a partition to a member that no longer subscribes to its topic.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type {
  AssignedPlace,
  Assignor,
  MemberSubscription,
} from "../../../../../actors/client/consumer/assignors/assignor.ts";
import { RANGE } from "../../../../../actors/client/consumer/assignors/range.ts";
import { ROUND_ROBIN } from "../../../../../actors/client/consumer/assignors/round_robin.ts";
import {
  COOPERATIVE_STICKY,
  STICKY,
} from "../../../../../actors/client/consumer/assignors/sticky.ts";

type ByTopic = Readonly<Record<string, readonly number[]>>;

interface GoldenMember {
  readonly id: string;
  readonly instance?: string;
  readonly rack?: string;
  readonly topics: readonly string[];
  readonly owned?: ByTopic;
  readonly generation?: number;
}

interface Golden {
  /** For each partition the racks of its replicas, by commas; empty for none. */
  readonly topics: Readonly<Record<string, readonly string[]>>;
  readonly members: readonly GoldenMember[];
  readonly range: readonly ByTopic[];
  readonly roundrobin: readonly ByTopic[];
  readonly sticky: readonly ByTopic[];
  readonly "cooperative-sticky": readonly ByTopic[];
}

const path = join(import.meta.dirname!, "kafka_assignments.jsonl");
const CASES: readonly Golden[] = Deno.readTextFileSync(path).trim().split("\n").map((line) =>
  JSON.parse(line)
);

function placesOf(byTopic: ByTopic): AssignedPlace[] {
  return Object.entries(byTopic).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition }))
  );
}

function subscriptionOf(member: GoldenMember, assignor: Assignor): MemberSubscription {
  const owned = placesOf(member.owned ?? {});
  const generationId = member.generation ?? -1;
  const last = generationId >= 0 ? { partitions: owned, generationId } : undefined;
  const isCooperative = assignor.protocol === "cooperative";
  return {
    memberId: member.id,
    groupInstanceId: member.instance ?? null,
    rackId: member.rack ?? null,
    topics: member.topics,
    ownedPartitions: isCooperative ? owned : [],
    generationId,
    userData: isCooperative ? null : assignor.userData?.(last) ?? null,
  };
}

for (const assignor of [RANGE, ROUND_ROBIN, STICKY, COOPERATIVE_STICKY]) {
  Deno.test(`assignors: ${assignor.name} gives what Kafka's gives`, () => {
    for (const [index, golden] of CASES.entries()) {
      const topics = Object.entries(golden.topics).map(([name, racks]) => ({
        name,
        racks: racks.map((text) => text.split(",").filter((rack) => rack !== "")),
      }));
      const members = golden.members.map((member) => subscriptionOf(member, assignor));
      const assignment = assignor.assign(topics, members);
      const given = golden.members.map(({ id }) => {
        const byTopic = Map.groupBy(assignment.get(id)!, ({ topic }) => topic);
        return Object.fromEntries(
          Array.from(byTopic, ([topic, places]) => [topic, places.map((one) => one.partition)]),
        );
      });
      const wanted = golden[assignor.name as keyof Golden];
      assertEquals<unknown>(given, wanted, `case ${index + 1}`);
    }
  });
}
