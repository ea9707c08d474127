/**
 * PartitionRecord: a partition was created, or, in a snapshot, its state.
 *
 * Version 1 adds the directory of each replica (KIP-858), 2 the eligible leader replicas (KIP-966).
 *
 * @module
 */

import { array, type Infer, int32, int8, record, struct, uuid } from "../../schema.ts";

export const PARTITION_RECORD = record({
  type: 3,
  name: "PartitionRecord",
  versions: "0-2",
  flexibleVersions: "0+",
  fields: struct({
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    replicas: array(int32()),
    isr: array(int32()),
    removingReplicas: array(int32()),
    addingReplicas: array(int32()),
    leader: int32({ default: -1 }),
    leaderRecoveryState: int8({ tag: 0, taggedVersions: "0+" }),
    leaderEpoch: int32({ default: -1 }),
    partitionEpoch: int32({ default: -1 }),
    directories: array(uuid(), { versions: "1+" }),
    eligibleLeaderReplicas: array(int32(), {
      versions: "2+",
      nullableVersions: "2+",
      default: null,
      tag: 1,
      taggedVersions: "2+",
    }),
    lastKnownElr: array(int32(), {
      versions: "2+",
      nullableVersions: "2+",
      default: null,
      tag: 2,
      taggedVersions: "2+",
    }),
  }),
});

export type PartitionRecord = Infer<typeof PARTITION_RECORD>;
