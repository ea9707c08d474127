/**
 * ConsumerGroupPartitionMetadataValue: the topics that a group subscribes to (KIP-848).
 *
 * @module
 */

import { array, type Infer, int32, string, struct, table, uuid } from "../../schema.ts";

export const CONSUMER_GROUP_PARTITION_METADATA_VALUE = table({
  name: "ConsumerGroupPartitionMetadataValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    topics: array(struct({
      topicId: uuid(),
      topicName: string(),
      numPartitions: int32(),
      partitionMetadata: array(struct({
        partition: int32(),
        racks: array(string()),
      })),
    })),
  }),
});

export type ConsumerGroupPartitionMetadataValue = Infer<
  typeof CONSUMER_GROUP_PARTITION_METADATA_VALUE
>;
export type TopicMetadata = ConsumerGroupPartitionMetadataValue["topics"][number];
export type PartitionMetadata = TopicMetadata["partitionMetadata"][number];
