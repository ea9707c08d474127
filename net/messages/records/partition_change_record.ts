/**
 * PartitionChangeRecord: what changed in a partition; each field left at its default means "as
 * before".
 *
 * A leader of -1 is none and -2 no change. The partition epoch rises by one with each such record,
 * and the leader epoch with each that names a leader. Version 1 adds directories (KIP-858), 2 the
 * eligible leader replicas (KIP-966).
 *
 * @module
 */

import { array, type Infer, int32, int8, record, struct, uuid } from "../../schema.ts";

export const PARTITION_CHANGE_RECORD = record({
  type: 5,
  name: "PartitionChangeRecord",
  versions: "0-2",
  flexibleVersions: "0+",
  fields: struct({
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    isr: array(int32(), { nullableVersions: "0+", default: null, tag: 0, taggedVersions: "0+" }),
    leader: int32({ default: -2, tag: 1, taggedVersions: "0+" }),
    replicas: array(int32(), {
      nullableVersions: "0+",
      default: null,
      tag: 2,
      taggedVersions: "0+",
    }),
    removingReplicas: array(int32(), {
      nullableVersions: "0+",
      default: null,
      tag: 3,
      taggedVersions: "0+",
    }),
    addingReplicas: array(int32(), {
      nullableVersions: "0+",
      default: null,
      tag: 4,
      taggedVersions: "0+",
    }),
    leaderRecoveryState: int8({ default: -1, tag: 5, taggedVersions: "0+" }),
    directories: array(uuid(), {
      versions: "1+",
      nullableVersions: "1+",
      default: null,
      tag: 8,
      taggedVersions: "1+",
    }),
    eligibleLeaderReplicas: array(int32(), {
      versions: "2+",
      nullableVersions: "2+",
      default: null,
      tag: 6,
      taggedVersions: "2+",
    }),
    lastKnownElr: array(int32(), {
      versions: "2+",
      nullableVersions: "2+",
      default: null,
      tag: 7,
      taggedVersions: "2+",
    }),
  }),
});

export type PartitionChangeRecord = Infer<typeof PARTITION_CHANGE_RECORD>;
