/** Records of `__consumer_offsets`: the very bytes of Kafka. */

import { assertEquals } from "@std/assert";
import {
  GROUP_CODEC,
  groupMetadataRecord,
  offsetCommitRecord,
} from "../../../../actors/coordinator/group/records.ts";

const hex = (bytes: Uint8Array | null) => bytes?.toHex() ?? null;

const COMMIT = {
  offset: 258,
  leaderEpoch: 7,
  metadata: "m",
  commitTimestamp: 1000,
  expireTimestamp: -1,
};

Deno.test("group records: an offset is written in version 3, one that expires in version 1", () => {
  const key = "0001" + "0001" + "67" + "0001" + "74" + "00000002";
  const plain = GROUP_CODEC.encode(offsetCommitRecord("g", "t", 2, COMMIT));
  assertEquals([hex(plain.key), hex(plain.value)], [
    key,
    "0003" + "0000000000000102" + "00000007" + "0001" + "6d" + "00000000000003e8",
  ]);
  const expiring = offsetCommitRecord("g", "t", 2, { ...COMMIT, expireTimestamp: 2000 });
  assertEquals(
    hex(GROUP_CODEC.encode(expiring).value),
    "0001" + "0000000000000102" + "0001" + "6d" + "00000000000003e8" + "00000000000007d0",
  );
});

Deno.test("group records: a group is written in version 3, a tombstone has no value", () => {
  const record = groupMetadataRecord("g", {
    protocolType: "consumer",
    generation: 1,
    protocol: "range",
    leader: "m",
    currentStateTimestamp: 5,
    members: [],
  });
  const { key, value } = GROUP_CODEC.encode(record);
  assertEquals([hex(key), hex(value)?.slice(0, 8)], ["0002" + "0001" + "67", "00030008"]);
  assertEquals(GROUP_CODEC.encode(groupMetadataRecord("g", null)).value, null);
});

Deno.test("group records: each is read as it was written, and an unknown kind is passed over", () => {
  const topics = [{ topicId: "AAAAAAAAAAAAAAAAAAAAAQ", partitions: [1, 2] }];
  const member = { groupId: "g", memberId: "m" };
  const records = [
    offsetCommitRecord("g", "t", 2, COMMIT),
    offsetCommitRecord("g", "t", 2, null),
    groupMetadataRecord("g", null),
    {
      kind: "ConsumerGroupCurrentMemberAssignment" as const,
      key: member,
      value: {
        memberEpoch: 2,
        previousMemberEpoch: 1,
        state: 1,
        assignedPartitions: topics,
        partitionsPendingRevocation: [],
      },
    },
    {
      kind: "ConsumerGroupTargetAssignmentMember" as const,
      key: member,
      value: { topicPartitions: topics },
    },
    { kind: "ConsumerGroupMemberMetadata" as const, key: member, value: null },
  ];
  for (const record of records) {
    const { key, value } = GROUP_CODEC.encode(record);
    assertEquals(GROUP_CODEC.decode(key, value), record);
  }
  assertEquals(GROUP_CODEC.decode(Uint8Array.of(0, 99, 0), null), undefined);
  assertEquals(GROUP_CODEC.decode(Uint8Array.of(0), null), undefined);
});
