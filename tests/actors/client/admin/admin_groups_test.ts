/** What the admin client tells of groups and transactions, and changes in them, on a node. */

import { assert, assertEquals } from "@std/assert";
import type { Admin } from "../../../../actors/client/admin/admin.ts";
import { type ClientError, ProducerFencedError } from "../../../../actors/client/errors.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { GroupWorld } from "../consumer/group_setup.ts";
import { ADDRESS } from "../node_world.ts";

async function failure(world: GroupWorld, promise: Promise<unknown>): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}

/** A group "g" with two members that have read ten records of a topic with two partitions. */
async function busyGroup(): Promise<{ world: GroupWorld; admin: Admin }> {
  const world = new GroupWorld();
  const admin = await world.admin();
  await world.createTopic("t", 2);
  await world.produce("t", 2, Array.from({ length: 10 }, (_, i) => `${i}`));
  const config = { group: "g", topics: ["t"], assignors: ["roundrobin"] as const };
  const readers = [await world.reader(config), await world.reader(config)];
  for (const reader of readers) reader.read();
  await world.shared(readers, "t", 2);
  await world.until(() => readers.every(({ values }) => values.length === 5));
  return { world, admin };
}

Deno.test("admin: groups are listed and described with their members", async () => {
  const { world, admin } = await busyGroup();
  const [listed] = await world.settled(admin.listGroups());
  assertEquals(listed, {
    groupId: "g",
    type: "classic",
    state: "Stable",
    protocolType: "consumer",
  });
  const [group] = await world.settled(admin.describeGroups(["g"]));
  assertEquals(group!.state, "Stable");
  assertEquals(group!.assignor, "roundrobin");
  assertEquals(group!.members.map(({ clientId }) => clientId).sort(), ["reader-1", "reader-2"]);
  assertEquals(group!.members.map(({ topics }) => topics), [["t"], ["t"]]);
  const assigned = group!.members.flatMap(({ assignment }) => assignment);
  assertEquals(assigned.map(({ partition }) => partition).sort(), [0, 1]);
  const missing = await failure(world, admin.describeGroups(["none"]));
  assertEquals(missing.code, ErrorCode.GROUP_ID_NOT_FOUND);
  await world.close();
});

Deno.test("admin: offsets of a group are told, altered while it is empty, and forgotten", async () => {
  const { world, admin } = await busyGroup();
  const busy = await failure(
    world,
    admin.alterConsumerGroupOffsets("g", [{ topic: "t", partition: 0, offset: 1 }]),
  );
  assertEquals(busy.code, ErrorCode.UNKNOWN_MEMBER_ID);
  assert(busy.message.includes("The group has members"));
  const undeletable = await failure(world, admin.deleteGroups(["g"]));
  assertEquals(undeletable.code, ErrorCode.NON_EMPTY_GROUP);
  for (const reader of world.readers) await world.settled(reader.close());
  const offsets = await world.settled(admin.listConsumerGroupOffsets("g"));
  assertEquals(offsets.map(({ offset }) => offset), [5, 5]);
  await world.settled(
    admin.alterConsumerGroupOffsets("g", [{ topic: "t", partition: 1, offset: 2, metadata: "m" }]),
  );
  const [altered] = await world.settled(
    admin.listConsumerGroupOffsets("g", [{ topic: "t", partition: 1 }]),
  );
  assertEquals([altered!.offset, altered!.metadata], [2, "m"]);
  await world.settled(admin.deleteConsumerGroupOffsets("g", [{ topic: "t", partition: 1 }]));
  const left = await world.settled(
    admin.listConsumerGroupOffsets("g", [{ topic: "t", partition: 0 }, {
      topic: "t",
      partition: 1,
    }]),
  );
  assertEquals(left.map(({ offset }) => offset), [5, null]);
  await world.settled(admin.deleteGroups(["g"]));
  assertEquals(await world.settled(admin.listGroups()), []);
  await world.close();
});

Deno.test("admin: transactions are listed and described, and whoever has an id can be put out", async () => {
  const world = new GroupWorld({ properties: { "transaction.state.log.num.partitions": "3" } });
  const admin = await world.admin();
  await world.createTopic("t", 1);
  const producer = await world.settled(Producer.connect(ADDRESS, {
    transactionalId: "x",
    transactionTimeoutMs: 50_000,
    environment: world.at(2),
  }));
  let goOn = () => {};
  const held = producer.transaction(async (tx) => {
    await tx.send({ topic: "t", value: "a" });
    await new Promise<void>((resolve) => goOn = resolve);
  });
  held.catch(() => {});
  await world.pass(3000);
  const [listed] = await world.settled(admin.listTransactions({ states: ["Ongoing"] }));
  assertEquals([listed!.transactionalId, listed!.state, listed!.coordinator], ["x", "Ongoing", 1]);
  const [described] = await world.settled(admin.describeTransactions(["x"]));
  assertEquals(described!.state, "Ongoing");
  assertEquals(described!.timeoutMs, 50_000);
  assertEquals(described!.partitions, [{ topic: "t", partition: 0 }]);
  assert(described!.startTime !== null);
  const place = { topic: "t", partition: 0 };
  const [producers] = await world.settled(admin.describeProducers([place]));
  assertEquals(producers!.producers.map((one) => one.currentTransactionStartOffset), [0]);
  assertEquals(producers!.producers[0]!.producerId, described!.producerId);
  await world.settled(admin.fenceProducers(["x"]));
  goOn();
  assert((await failure(world, held)) instanceof ProducerFencedError);
  const [after] = await world.settled(admin.describeProducers([place]));
  assertEquals(after!.producers.map((one) => one.currentTransactionStartOffset), [null]);
  const missing = await failure(world, admin.describeTransactions(["none"]));
  assertEquals(missing.code, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
  await world.settled(producer.close());
  await world.close();
});

Deno.test("admin: a transaction of one partition can be ended without its coordinator", async () => {
  const world = new GroupWorld({ properties: { "transaction.state.log.num.partitions": "3" } });
  const admin = await world.admin();
  await world.createTopic("t", 1);
  const producer = await world.settled(Producer.connect(ADDRESS, {
    transactionalId: "x",
    environment: world.at(2),
  }));
  let goOn = () => {};
  const held = producer.transaction(async (tx) => {
    await tx.send({ topic: "t", value: "a" });
    await new Promise<void>((resolve) => goOn = resolve);
  });
  held.catch(() => {});
  await world.pass(3000);
  const place = { topic: "t", partition: 0 };
  const [{ producers }] = await world.settled(admin.describeProducers([place])) as [
    Awaited<ReturnType<Admin["describeProducers"]>>[number],
  ];
  const { producerId, producerEpoch } = producers[0]!;
  await world.settled(
    admin.abortTransaction({ ...place, producerId, producerEpoch, coordinatorEpoch: 0 }),
  );
  const [after] = await world.settled(admin.describeProducers([place]));
  assertEquals(after!.producers.map((one) => one.currentTransactionStartOffset), [null]);
  goOn();
  await world.settled(held.catch(() => {}));
  await world.settled(producer.close());
  await world.close();
});
