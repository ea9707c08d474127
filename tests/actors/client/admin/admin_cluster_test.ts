import { assert, assertEquals } from "@std/assert";
import { Admin } from "../../../../actors/client/admin/admin.ts";
import type { ClientError } from "../../../../actors/client/errors.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../../net/messages/alter_partition_reassignments.ts";
import { DESCRIBE_LOG_DIRS } from "../../../../net/messages/describe_log_dirs.ts";
import { DESCRIBE_QUORUM } from "../../../../net/messages/describe_quorum.ts";
import { ELECT_LEADERS } from "../../../../net/messages/elect_leaders.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { LIST_OFFSETS } from "../../../../net/messages/list_offsets.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../../../../net/messages/list_partition_reassignments.ts";
import { UPDATE_FEATURES } from "../../../../net/messages/update_features.ts";
import type { Api } from "../../../../net/schema.ts";
import { ClientWorld } from "../client_world.ts";

async function setUp() {
  const world = new ClientWorld({ brokers: 1 });
  const { environment } = world;
  const admin = await world.settled(Admin.connect(world.bootstrap, { environment }));
  const asked: unknown[] = [];
  const answer = <Request>(
    api: Api<Request, unknown>,
    respond: (request: Request) => Record<string, unknown>,
  ) => {
    world.cluster.handlers.set(api as Api, (request, _broker, reply) => {
      asked.push(request);
      reply(respond(request));
    });
  };
  return { world, admin, asked, answer };
}

async function failure(world: ClientWorld, promise: Promise<unknown>): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}

const ID = "AAAAAAAAAAAAAAAAAAAAAA";

Deno.test("admin: the metadata quorum is described", async () => {
  const { world, admin, answer } = await setUp();
  const replica = (replicaId: number) => ({
    replicaId,
    replicaDirectoryId: ID,
    logEndOffset: 7,
    lastFetchTimestamp: 5,
    lastCaughtUpTimestamp: 4,
  });
  answer(DESCRIBE_QUORUM, ({ topics }) => ({
    topics: topics.map(({ topicName }) => ({
      topicName,
      partitions: [{
        partitionIndex: 0,
        leaderId: 1,
        leaderEpoch: 3,
        highWatermark: 6,
        currentVoters: [replica(1), replica(2)],
        observers: [replica(3)],
      }],
    })),
  }));
  const quorum = await world.settled(admin.describeQuorum());
  assertEquals({ ...quorum, voters: quorum.voters.length }, {
    leaderId: 1,
    leaderEpoch: 3,
    highWatermark: 6,
    voters: 2,
    observers: [{
      nodeId: 3,
      directoryId: ID,
      logEndOffset: 7,
      lastFetchTimestamp: 5,
      lastCaughtUpTimestamp: 4,
    }],
  });
  await world.settled(admin.close());
});

Deno.test("admin: an election that is not needed is none that failed; another error is", async () => {
  const { world, admin, asked, answer } = await setUp();
  let errorCode: number = ErrorCode.ELECTION_NOT_NEEDED;
  answer(ELECT_LEADERS, () => ({
    replicaElectionResults: [{ topic: "t", partitionResult: [{ partitionId: 1, errorCode }] }],
  }));
  await world.settled(admin.electLeaders("unclean", [{ topic: "t", partition: 1 }]));
  assertEquals(asked[0], {
    electionType: 1,
    topicPartitions: [{ topic: "t", partitions: [1] }],
    timeoutMs: 27_000,
  });
  errorCode = ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE;
  const error = await failure(world, admin.electLeaders("preferred"));
  assert(error.message.includes("t-1"), error.message);
  await world.settled(admin.close());
});

Deno.test("admin: replicas are reassigned, taken back, and listed while that goes on", async () => {
  const { world, admin, asked, answer } = await setUp();
  answer(ALTER_PARTITION_REASSIGNMENTS, ({ topics }) => ({
    responses: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, replicas }) => ({
        partitionIndex,
        errorCode: replicas === null ? ErrorCode.NO_REASSIGNMENT_IN_PROGRESS : 0,
      })),
    })),
  }));
  await world.settled(
    admin.alterPartitionReassignments([{ topic: "t", partition: 0, replicas: [1, 2] }]),
  );
  assertEquals(asked[0], {
    timeoutMs: 27_000,
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, replicas: [1, 2] }] }],
  });
  const cancelled = admin.alterPartitionReassignments([
    { topic: "t", partition: 2, replicas: null },
  ]);
  const error = await failure(world, cancelled);
  assert(error.message.includes("t-2"), error.message);
  answer(LIST_PARTITION_REASSIGNMENTS, () => ({
    topics: [{
      name: "t",
      partitions: [{ partitionIndex: 0, replicas: [1, 2], addingReplicas: [2] }],
    }],
  }));
  assertEquals(await world.settled(admin.listPartitionReassignments()), [
    { topic: "t", partition: 0, replicas: [1, 2], adding: [2], removing: [] },
  ]);
  await world.settled(admin.close());
});

Deno.test("admin: a feature that cannot be updated is named", async () => {
  const { world, admin, answer } = await setUp();
  answer(UPDATE_FEATURES, ({ featureUpdates }) => ({
    results: featureUpdates.map(({ feature }) => ({
      feature,
      errorCode: ErrorCode.INVALID_UPDATE_VERSION,
    })),
  }));
  const error = await failure(world, admin.updateFeatures({ "metadata.version": 99 }));
  assert(error.message.includes("metadata.version"), error.message);
  await world.settled(admin.close());
});

Deno.test("admin: offsets tell the log's end from what readers see", async () => {
  const { world, admin, answer } = await setUp();
  world.cluster.createTopic("t", 1);
  answer(LIST_OFFSETS, ({ replicaId, topics }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => ({
        partitionIndex,
        offset: timestamp === -2 ? 1 : replicaId === -2 ? 9 : 8,
      })),
    })),
  }));
  assertEquals(await world.settled(admin.describeOffsets([{ topic: "t", partition: 0 }])), [
    { topic: "t", partition: 0, logStartOffset: 1, highWatermark: 8, logEndOffset: 9 },
  ]);
  await world.settled(admin.close());
});

Deno.test("admin: the data folders of brokers are told with their logs, or why not", async () => {
  const { world, admin, answer } = await setUp();
  const log = { partitionIndex: 2, partitionSize: 70, offsetLag: 1, isFutureKey: false };
  const result = { errorCode: 0, logDir: "/data", totalBytes: 9, usableBytes: 4 };
  answer(DESCRIBE_LOG_DIRS, () => ({
    results: [{ ...result, topics: [{ name: "t", partitions: [log] }] }],
  }));
  assertEquals(await world.settled(admin.describeLogDirs([1])), [{
    nodeId: 1,
    path: "/data",
    totalBytes: 9,
    usableBytes: 4,
    logs: [{ topic: "t", partition: 2, sizeInBytes: 70, offsetLag: 1 }],
  }]);
  answer(DESCRIBE_LOG_DIRS, () => ({
    results: [{ ...result, errorCode: ErrorCode.KAFKA_STORAGE_ERROR, topics: [] }],
  }));
  const error = await failure(world, admin.describeLogDirs([1]));
  assertEquals(error.message.includes("/data"), true);
});
