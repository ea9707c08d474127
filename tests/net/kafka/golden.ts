/**
 * Bytes that Kafka's own Java code made, and the messages that they are of.
 *
 * @module
 */

import { CONTROLLER_ENVELOPE } from "../../../net/messages/controller_envelope.ts";
import { FAIL_REPLICAS } from "../../../net/messages/fail_replicas.ts";
import { APIS, NODE_APIS } from "../../../net/messages/table.ts";
import { CONSUMER_PROTOCOL_ASSIGNMENT } from "../../../net/messages/records/consumer_protocol_assignment.ts";
import { CONSUMER_PROTOCOL_SUBSCRIPTION } from "../../../net/messages/records/consumer_protocol_subscription.ts";
import {
  GROUP_RECORDS,
  TRANSACTION_RECORDS,
} from "../../../net/messages/records/coordinator_records.ts";
import { K_RAFT_VERSION_RECORD } from "../../../net/messages/records/kraft_version_record.ts";
import { LEADER_CHANGE_MESSAGE } from "../../../net/messages/records/leader_change_message.ts";
import { QUORUM_STATE_DATA } from "../../../net/messages/records/quorum_state_data.ts";
import { SNAPSHOT_FOOTER_RECORD } from "../../../net/messages/records/snapshot_footer_record.ts";
import { SNAPSHOT_HEADER_RECORD } from "../../../net/messages/records/snapshot_header_record.ts";
import { METADATA_RECORDS } from "../../../net/messages/records/table.ts";
import { VOTERS_RECORD } from "../../../net/messages/records/voters_record.ts";
import { type FieldType, make, type Table } from "../../../net/schema.ts";

/** Every table of the protocol. */
export const TABLES: readonly Table[] = [
  ...[...APIS, ...NODE_APIS].flatMap((api) => [api.request, api.response]),
  ...METADATA_RECORDS,
  LEADER_CHANGE_MESSAGE,
  VOTERS_RECORD,
  K_RAFT_VERSION_RECORD,
  SNAPSHOT_HEADER_RECORD,
  SNAPSHOT_FOOTER_RECORD,
  QUORUM_STATE_DATA,
  ...[...GROUP_RECORDS, ...TRANSACTION_RECORDS].flatMap(({ key, value }) => [key, value]),
  CONSUMER_PROTOCOL_SUBSCRIPTION,
  CONSUMER_PROTOCOL_ASSIGNMENT,
];

/**
 * Tables that Kafka has none of: its Envelope carries what clients sent, ours what a node asks; and
 * its brokers fail by directories.
 */
export const OWN_TABLES: readonly Table[] = [
  CONTROLLER_ENVELOPE.request,
  CONTROLLER_ENVELOPE.response,
  FAIL_REPLICAS.request,
  FAIL_REPLICAS.response,
];

export interface GoldenMessage {
  readonly table: Table;
  readonly version: number;
  readonly message: unknown;
  readonly bytes: Uint8Array;
}

/** The lines of a golden file after the first, which tells where they are from. */
export function goldenLines<Line>(name: string): Line[] {
  const text = Deno.readTextFileSync(new URL(`../golden/${name}.jsonl`, import.meta.url));
  return text.trimEnd().split("\n").slice(1).map((line) => JSON.parse(line));
}

export function goldenMessages(): GoldenMessage[] {
  interface Line {
    readonly table: string;
    readonly version: number;
    readonly message: unknown;
    readonly hex: string;
  }
  const tables = new Map(TABLES.map((table) => [table.name, table]));
  return goldenLines<Line>("kafka_java_messages").map((line) => {
    const table = tables.get(line.table)!;
    const draft = revived({ kind: "struct", fields: table.fields }, line.message);
    return {
      table,
      version: line.version,
      message: make(table, draft as never),
      bytes: Uint8Array.fromHex(line.hex),
    };
  });
}

/** A value out of JSON, where bytes are base64. */
function revived(type: FieldType, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  switch (type.kind) {
    case "bytes":
    case "records":
      return Uint8Array.fromBase64(value as string);
    case "array":
      return (value as unknown[]).map((element) => revived(type.element, element));
    case "struct": {
      const members = value as Record<string, unknown>;
      return Object.fromEntries(
        type.fields.map((field) => [field.name, revived(field.type, members[field.name])]),
      );
    }
    default:
      return value;
  }
}
