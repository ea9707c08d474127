/**
 * All kinds of metadata record, by type.
 *
 * @module
 */

import type { RecordTable } from "../../schema.ts";
import { BROKER_REGISTRATION_CHANGE_RECORD } from "./broker_registration_change_record.ts";
import { CLIENT_QUOTA_RECORD } from "./client_quota_record.ts";
import { CONFIG_RECORD } from "./config_record.ts";
import { FEATURE_LEVEL_RECORD } from "./feature_level_record.ts";
import { NO_OP_RECORD } from "./no_op_record.ts";
import { PARTITION_CHANGE_RECORD } from "./partition_change_record.ts";
import { PARTITION_RECORD } from "./partition_record.ts";
import { PRODUCER_IDS_RECORD } from "./producer_ids_record.ts";
import { REGISTER_BROKER_RECORD } from "./register_broker_record.ts";
import { REMOVE_TOPIC_RECORD } from "./remove_topic_record.ts";
import { TOPIC_RECORD } from "./topic_record.ts";
import { UNREGISTER_BROKER_RECORD } from "./unregister_broker_record.ts";

/** Every kind of record of the metadata log, in the order of types. */
export const METADATA_RECORDS: readonly RecordTable[] = [
  REGISTER_BROKER_RECORD,
  UNREGISTER_BROKER_RECORD,
  TOPIC_RECORD,
  PARTITION_RECORD,
  CONFIG_RECORD,
  PARTITION_CHANGE_RECORD,
  REMOVE_TOPIC_RECORD,
  FEATURE_LEVEL_RECORD,
  CLIENT_QUOTA_RECORD,
  PRODUCER_IDS_RECORD,
  BROKER_REGISTRATION_CHANGE_RECORD,
  NO_OP_RECORD,
];
