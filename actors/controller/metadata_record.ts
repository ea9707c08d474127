/**
 * The records of the metadata log as one union, told apart by `kind`: the name of their table.
 *
 * @module
 */

import type { RecordTable } from "../../net/schema.ts";
import {
  BROKER_REGISTRATION_CHANGE_RECORD,
  type BrokerRegistrationChangeRecord,
} from "../../net/messages/records/broker_registration_change_record.ts";
import {
  CLIENT_QUOTA_RECORD,
  type ClientQuotaRecord,
} from "../../net/messages/records/client_quota_record.ts";
import { CONFIG_RECORD, type ConfigRecord } from "../../net/messages/records/config_record.ts";
import {
  FEATURE_LEVEL_RECORD,
  type FeatureLevelRecord,
} from "../../net/messages/records/feature_level_record.ts";
import { NO_OP_RECORD, type NoOpRecord } from "../../net/messages/records/no_op_record.ts";
import {
  PARTITION_CHANGE_RECORD,
  type PartitionChangeRecord,
} from "../../net/messages/records/partition_change_record.ts";
import {
  PARTITION_RECORD,
  type PartitionRecord,
} from "../../net/messages/records/partition_record.ts";
import {
  PRODUCER_IDS_RECORD,
  type ProducerIdsRecord,
} from "../../net/messages/records/producer_ids_record.ts";
import {
  REGISTER_BROKER_RECORD,
  type RegisterBrokerRecord,
} from "../../net/messages/records/register_broker_record.ts";
import {
  REMOVE_TOPIC_RECORD,
  type RemoveTopicRecord,
} from "../../net/messages/records/remove_topic_record.ts";
import { TOPIC_RECORD, type TopicRecord } from "../../net/messages/records/topic_record.ts";
import {
  UNREGISTER_BROKER_RECORD,
  type UnregisterBrokerRecord,
} from "../../net/messages/records/unregister_broker_record.ts";

export type MetadataRecord =
  | { readonly kind: "FeatureLevelRecord"; readonly value: FeatureLevelRecord }
  | { readonly kind: "RegisterBrokerRecord"; readonly value: RegisterBrokerRecord }
  | { readonly kind: "UnregisterBrokerRecord"; readonly value: UnregisterBrokerRecord }
  | {
    readonly kind: "BrokerRegistrationChangeRecord";
    readonly value: BrokerRegistrationChangeRecord;
  }
  | { readonly kind: "TopicRecord"; readonly value: TopicRecord }
  | { readonly kind: "PartitionRecord"; readonly value: PartitionRecord }
  | { readonly kind: "PartitionChangeRecord"; readonly value: PartitionChangeRecord }
  | { readonly kind: "RemoveTopicRecord"; readonly value: RemoveTopicRecord }
  | { readonly kind: "ConfigRecord"; readonly value: ConfigRecord }
  | { readonly kind: "ClientQuotaRecord"; readonly value: ClientQuotaRecord }
  | { readonly kind: "ProducerIdsRecord"; readonly value: ProducerIdsRecord }
  | { readonly kind: "NoOpRecord"; readonly value: NoOpRecord };

/** The table of each kind, with the newest version of it that is written. */
export const METADATA_TABLES: {
  readonly [Kind in MetadataRecord["kind"]]: {
    readonly table: RecordTable<Extract<MetadataRecord, { kind: Kind }>["value"]>;
    readonly version: number;
  };
} = {
  FeatureLevelRecord: { table: FEATURE_LEVEL_RECORD, version: 0 },
  RegisterBrokerRecord: { table: REGISTER_BROKER_RECORD, version: 3 },
  UnregisterBrokerRecord: { table: UNREGISTER_BROKER_RECORD, version: 0 },
  BrokerRegistrationChangeRecord: { table: BROKER_REGISTRATION_CHANGE_RECORD, version: 2 },
  TopicRecord: { table: TOPIC_RECORD, version: 0 },
  PartitionRecord: { table: PARTITION_RECORD, version: 2 },
  PartitionChangeRecord: { table: PARTITION_CHANGE_RECORD, version: 2 },
  RemoveTopicRecord: { table: REMOVE_TOPIC_RECORD, version: 0 },
  ConfigRecord: { table: CONFIG_RECORD, version: 0 },
  ClientQuotaRecord: { table: CLIENT_QUOTA_RECORD, version: 0 },
  ProducerIdsRecord: { table: PRODUCER_IDS_RECORD, version: 0 },
  NoOpRecord: { table: NO_OP_RECORD, version: 0 },
};

/**
 * The version in which a record is written: the newest, but for partitions the oldest that can say
 * it, so that a log whose `metadata.version` has no eligible leader replicas holds nothing that
 * older programs cannot read.
 */
export function recordVersion(record: MetadataRecord): number {
  switch (record.kind) {
    case "PartitionRecord":
    case "PartitionChangeRecord": {
      const { eligibleLeaderReplicas, lastKnownElr } = record.value;
      return eligibleLeaderReplicas === null && lastKnownElr === null ? 1 : 2;
    }
    default:
      return METADATA_TABLES[record.kind].version;
  }
}
