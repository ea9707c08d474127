/** What an admin client asks of the leaders of partitions, while others come to lead. */

import { assertEquals } from "@std/assert";
import { Admin } from "../../../../actors/client/admin/admin.ts";
import {
  DELETE_RECORDS,
  type DeleteRecordsRequest,
} from "../../../../net/messages/delete_records.ts";
import {
  DESCRIBE_PRODUCERS,
  type DescribeProducersRequest,
} from "../../../../net/messages/describe_producers.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { ClientWorld } from "../client_world.ts";
import type { FakeBroker } from "../fake_broker.ts";

/** A topic of four partitions on two brokers, of which the first will not answer as leader. */
async function setUp() {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 4);
  const { environment } = world;
  const admin = await world.settled(Admin.connect(world.bootstrap, { environment }));
  /** The error of a partition at a broker; one that is asked in vain is replaced. */
  const errorAt = (broker: FakeBroker, index: number): number => {
    const partition = world.cluster.partition("t", index)!;
    if (broker.nodeId === 2 && partition.leader === 2) return ErrorCode.NONE;
    partition.leader = 2;
    partition.leaderEpoch++;
    return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  };
  return { world, admin, errorAt };
}

const PARTITIONS = [0, 1, 2, 3].map((partition) => ({ topic: "t", partition }));

Deno.test("admin: records are deleted by whoever leads meanwhile, in the order asked for", async () => {
  const { world, admin, errorAt } = await setUp();
  world.cluster.handlers.set(DELETE_RECORDS, ({ topics }: DeleteRecordsRequest, broker, reply) => {
    reply({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, offset: lowWatermark }) => ({
          partitionIndex,
          lowWatermark,
          errorCode: errorAt(broker, partitionIndex),
        })),
      })),
    });
  });
  const asked = PARTITIONS.map((place) => ({ ...place, beforeOffset: 10 + place.partition }));
  assertEquals(
    await world.settled(admin.deleteRecords(asked)),
    PARTITIONS.map((place) => ({ ...place, lowWatermark: 10 + place.partition })),
  );
  await world.settled(admin.close());
});

Deno.test("admin: producers are described by whoever leads when a leader is gone", async () => {
  const { world, admin, errorAt } = await setUp();
  world.cluster.intercept = (api, request, broker) => {
    if (api !== DESCRIBE_PRODUCERS || broker.nodeId === 2) return undefined;
    const { topics } = request as DescribeProducersRequest;
    for (const index of topics[0]!.partitionIndexes) errorAt(broker, index);
    return { kind: "close" };
  };
  world.cluster.handlers.set(
    DESCRIBE_PRODUCERS,
    ({ topics }: DescribeProducersRequest, broker, reply) => {
      reply({
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            errorCode: errorAt(broker, partitionIndex),
          })),
        })),
      });
    },
  );
  const start = world.nowMs;
  const described = await world.settled(admin.describeProducers(PARTITIONS));
  assertEquals(described.map(({ partition }) => partition), [0, 1, 2, 3]);
  assertEquals(world.nowMs - start < 5_000, true, `it took ${world.nowMs - start} ms`);
  await world.settled(admin.close());
});
