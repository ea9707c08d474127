/**
 * An image as records that replay to it: what a snapshot of the metadata holds.
 *
 * @module
 */

import { NONE } from "../../storage/bytes/ids.ts";
import type { BrokerImage, ClusterImage, TopicImage } from "./cluster_image.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { partitionRecordOf } from "./partition_image.ts";

/** The records that make an empty image this one, in the order in which they must be replayed. */
export function* recordsOf(image: ClusterImage): Generator<MetadataRecord> {
  for (const [name, featureLevel] of image.features) {
    yield { kind: "FeatureLevelRecord", value: { name, featureLevel } };
  }
  for (const broker of image.brokers.values()) yield registrationOf(broker);
  for (const topic of image.topics.values()) yield* topicRecords(topic);
  for (const { resourceType, resourceName } of image.configured()) {
    for (const [name, value] of image.configs(resourceType, resourceName)) {
      yield { kind: "ConfigRecord", value: { resourceType, resourceName, name, value } };
    }
  }
  yield* image.clientQuotas.records();
  const { nextProducerId } = image;
  if (nextProducerId > 0) {
    yield {
      kind: "ProducerIdsRecord",
      value: { brokerId: NONE, brokerEpoch: NONE, nextProducerId },
    };
  }
}

function registrationOf({ id, epoch, ...registration }: BrokerImage): MetadataRecord {
  return {
    kind: "RegisterBrokerRecord",
    value: { brokerId: id, brokerEpoch: epoch, isMigratingZkBroker: false, ...registration },
  };
}

function* topicRecords({ id, name, partitions }: TopicImage): Generator<MetadataRecord> {
  yield { kind: "TopicRecord", value: { name, topicId: id } };
  for (const [index, partition] of partitions.entries()) {
    yield { kind: "PartitionRecord", value: partitionRecordOf(id, index, partition) };
  }
}
