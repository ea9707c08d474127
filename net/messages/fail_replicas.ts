/**
 * FailReplicas: a broker that lives on tells the controller of replicas that have failed, whose
 * partitions need another leader, or a new leader epoch before the replica may serve again.
 * Strom's own: Kafka knows only whole directories that fail (KIP-858).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, struct, uuid } from "../schema.ts";

export const FAIL_REPLICAS = api({
  key: 10002,
  name: "FailReplicas",
  versions: "0",
  flexibleVersions: "none",
  request: struct({
    brokerId: int32(),
    brokerEpoch: int64(),
    topics: array(struct({
      topicId: uuid(),
      partitions: array(struct({
        partitionIndex: int32(),
        /** The epoch in which the replica failed; in a later one it is well again. */
        leaderEpoch: int32(),
      })),
    })),
  }),
  response: struct({
    errorCode: int16(),
  }),
});

export type FailReplicasRequest = Infer<typeof FAIL_REPLICAS.request>;
export type FailReplicasResponse = Infer<typeof FAIL_REPLICAS.response>;
