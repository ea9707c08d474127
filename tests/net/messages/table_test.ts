import { assert, assertEquals } from "@std/assert";
import { METADATA_RECORDS } from "../../../net/messages/records/table.ts";
import { apiByKey, APIS, NODE_APIS } from "../../../net/messages/table.ts";
import type { FieldType, NamedField, Table } from "../../../net/schema.ts";
import { formatVersions, includes, intersect } from "../../../net/schema/versions.ts";

Deno.test("apis: each is found by its key, and listed in the order of keys", () => {
  for (const api of [...APIS, ...NODE_APIS]) assert(apiByKey(api.key) === api);
  assertEquals(apiByKey(9999), undefined);
  for (const apis of [APIS, NODE_APIS]) {
    const keys = apis.map((api) => api.key);
    assertEquals(keys, [...new Set(keys)].sort((a, b) => a - b));
  }
});

Deno.test("apis: versions are those that real clients were found to need", () => {
  const versions = APIS.map(({ name, advertisedVersions }) =>
    `${name} ${formatVersions(advertisedVersions)}`
  );
  assertEquals(versions, [
    "Produce 0-12",
    "Fetch 4-17",
    "ListOffsets 1-9",
    "Metadata 0-12",
    "OffsetCommit 2-9",
    "OffsetFetch 1-9",
    "FindCoordinator 0-5",
    "JoinGroup 0-9",
    "Heartbeat 0-4",
    "LeaveGroup 0-5",
    "SyncGroup 0-5",
    "DescribeGroups 0-6",
    "ListGroups 0-5",
    "SaslHandshake 0-1",
    "ApiVersions 0-4",
    "CreateTopics 2-7",
    "DeleteTopics 1-6",
    "DeleteRecords 0-2",
    "InitProducerId 0-5",
    "OffsetForLeaderEpoch 2-4",
    "AddPartitionsToTxn 0-3",
    "AddOffsetsToTxn 0-4",
    "EndTxn 0-5",
    "WriteTxnMarkers 1-2",
    "TxnOffsetCommit 0-5",
    "DescribeAcls 1-3",
    "CreateAcls 1-3",
    "DeleteAcls 1-3",
    "DescribeConfigs 1-4",
    "AlterConfigs 0-2",
    "DescribeLogDirs 1-4",
    "SaslAuthenticate 0-2",
    "CreatePartitions 0-3",
    "DeleteGroups 0-2",
    "ElectLeaders 0-2",
    "IncrementalAlterConfigs 0-1",
    "AlterPartitionReassignments 0",
    "ListPartitionReassignments 0",
    "OffsetDelete 0",
    "DescribeClientQuotas 0-1",
    "AlterClientQuotas 0-1",
    "DescribeUserScramCredentials 0",
    "AlterUserScramCredentials 0",
    "DescribeQuorum 0-2",
    "UpdateFeatures 0-1",
    "DescribeCluster 0-2",
    "DescribeProducers 0",
    "UnregisterBroker 0",
    "DescribeTransactions 0",
    "ListTransactions 0-1",
    "ConsumerGroupHeartbeat 0-1",
    "ConsumerGroupDescribe 0-1",
    "ListConfigResources 0-1",
    "DescribeTopicPartitions 0",
    "AddRaftVoter 0",
    "RemoveRaftVoter 0",
  ]);
});

Deno.test("tables: tagged fields are tagged in flexible versions only", () => {
  const tables: Table[] = [
    ...[...APIS, ...NODE_APIS].flatMap((api) => [api.request, api.response]),
    ...METADATA_RECORDS,
  ];
  const check = (fields: readonly NamedField[], table: Table) => {
    for (const field of fields) {
      const { min, max } = intersect(field.taggedVersions, table.versions);
      for (let version = min; version <= max; version++) {
        assert(includes(table.flexibleVersions, version), `${table.name} ${field.name}`);
      }
      within(field.type, table);
    }
  };
  const within = (type: FieldType, table: Table): void => {
    if (type.kind === "struct") check(type.fields, table);
    else if (type.kind === "array") within(type.element, table);
  };
  for (const table of tables) check(table.fields, table);
});
