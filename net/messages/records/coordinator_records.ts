/**
 * All kinds of record that coordinators keep in their topics: `__consumer_offsets` and
 * `__transaction_state`. Key and value are framed alike: `int16 version | fields`. A key's version
 * tells its kind, so that there is one kind to each version; a tombstone has no value.
 *
 * @module
 */

import type { Table } from "../../schema.ts";
import { CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY } from "./consumer_group_current_member_assignment_key.ts";
import { CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE } from "./consumer_group_current_member_assignment_value.ts";
import { CONSUMER_GROUP_MEMBER_METADATA_KEY } from "./consumer_group_member_metadata_key.ts";
import { CONSUMER_GROUP_MEMBER_METADATA_VALUE } from "./consumer_group_member_metadata_value.ts";
import { CONSUMER_GROUP_METADATA_KEY } from "./consumer_group_metadata_key.ts";
import { CONSUMER_GROUP_METADATA_VALUE } from "./consumer_group_metadata_value.ts";
import { CONSUMER_GROUP_PARTITION_METADATA_KEY } from "./consumer_group_partition_metadata_key.ts";
import { CONSUMER_GROUP_PARTITION_METADATA_VALUE } from "./consumer_group_partition_metadata_value.ts";
import { CONSUMER_GROUP_REGULAR_EXPRESSION_KEY } from "./consumer_group_regular_expression_key.ts";
import { CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE } from "./consumer_group_regular_expression_value.ts";
import { CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY } from "./consumer_group_target_assignment_member_key.ts";
import { CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE } from "./consumer_group_target_assignment_member_value.ts";
import { CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY } from "./consumer_group_target_assignment_metadata_key.ts";
import { CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE } from "./consumer_group_target_assignment_metadata_value.ts";
import { GROUP_METADATA_KEY } from "./group_metadata_key.ts";
import { GROUP_METADATA_VALUE } from "./group_metadata_value.ts";
import { OFFSET_COMMIT_KEY } from "./offset_commit_key.ts";
import { OFFSET_COMMIT_VALUE } from "./offset_commit_value.ts";
import { TRANSACTION_LOG_KEY } from "./transaction_log_key.ts";
import { TRANSACTION_LOG_VALUE } from "./transaction_log_value.ts";

/** A kind of record: its versions of key are its alone. */
export interface CoordinatorRecordKind {
  readonly key: Table;
  readonly value: Table;
}

/** What `__consumer_offsets` holds, in the order of key versions. */
export const GROUP_RECORDS: readonly CoordinatorRecordKind[] = [
  { key: OFFSET_COMMIT_KEY, value: OFFSET_COMMIT_VALUE },
  { key: GROUP_METADATA_KEY, value: GROUP_METADATA_VALUE },
  { key: CONSUMER_GROUP_METADATA_KEY, value: CONSUMER_GROUP_METADATA_VALUE },
  { key: CONSUMER_GROUP_PARTITION_METADATA_KEY, value: CONSUMER_GROUP_PARTITION_METADATA_VALUE },
  { key: CONSUMER_GROUP_MEMBER_METADATA_KEY, value: CONSUMER_GROUP_MEMBER_METADATA_VALUE },
  {
    key: CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY,
    value: CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE,
  },
  {
    key: CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY,
    value: CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE,
  },
  {
    key: CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY,
    value: CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
  },
  {
    key: CONSUMER_GROUP_REGULAR_EXPRESSION_KEY,
    value: CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE,
  },
];

/** What `__transaction_state` holds. */
export const TRANSACTION_RECORDS: readonly CoordinatorRecordKind[] = [
  { key: TRANSACTION_LOG_KEY, value: TRANSACTION_LOG_VALUE },
];
