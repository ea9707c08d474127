/** How transactions are done, as the cluster has agreed: a client asks, and goes by the answer. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TimeoutError, TransactionAbortedError } from "../../../../actors/client/errors.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import { API_VERSIONS, type ApiVersionsRequest } from "../../../../net/messages/api_versions.ts";
import { END_TXN, type EndTxnRequest } from "../../../../net/messages/end_txn.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../../net/messages/find_coordinator.ts";
import { INIT_PRODUCER_ID } from "../../../../net/messages/init_producer_id.ts";
import { PORT } from "../fake_broker.ts";
import { ClientWorld } from "../client_world.ts";

/** What Kafka takes for a name, and for a version, of a client's software. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const INVALID_REQUEST = 42;

function world(level: number): ClientWorld {
  const world = new ClientWorld();
  const { handlers } = world.cluster;
  world.cluster.createTopic("t", 1);
  handlers.set(API_VERSIONS, (request: ApiVersionsRequest, _broker, reply) => {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    if (![clientSoftwareName, clientSoftwareVersion].every((text) => SOFTWARE.test(text))) {
      return reply({ errorCode: INVALID_REQUEST });
    }
    const name = "transaction.version";
    reply({ finalizedFeatures: [{ name, minVersionLevel: level, maxVersionLevel: level }] });
  });
  handlers.set(FIND_COORDINATOR, ({ coordinatorKeys: [key] }, { nodeId, host }, reply) => {
    reply({ coordinators: [{ key, nodeId, host, port: PORT }] });
  });
  handlers.set(ADD_PARTITIONS_TO_TXN, ({ v3AndBelowTopics: [{ name }] }, _broker, reply) => {
    const resultsByPartition = [{ partitionIndex: 0, partitionErrorCode: 0 }];
    reply({ resultsByTopicV3AndBelow: [{ name, resultsByPartition }] });
  });
  handlers.set(END_TXN, ({ producerId, producerEpoch }, _broker, reply) => {
    reply({ producerId, producerEpoch: producerEpoch + 1 });
  });
  return world;
}

async function commitTwice(world: ClientWorld): Promise<void> {
  const { environment } = world;
  const config = { transactionalId: "x", environment };
  const producer = await world.settled(Producer.connect(world.bootstrap, config));
  for (const value of ["1", "2"]) {
    await world.settled(producer.transaction((tx) => void tx.send({ topic: "t", value })));
  }
  await world.settled(producer.close());
}

const epochsOf = (world: ClientWorld) =>
  world.cluster.partition("t", 0)!.batches.map((batch) =>
    new DataView(batch.buffer, batch.byteOffset).getInt16(51)
  );

Deno.test("transaction version: from 2 on each transaction has an epoch of its own", async () => {
  const two = world(2);
  await commitTwice(two);
  assertEquals(two.cluster.count(ADD_PARTITIONS_TO_TXN), 0);
  assertEquals(epochsOf(two), [0, 1]);
});

Deno.test("transaction version: before 2 partitions are added, and the epoch stays", async () => {
  const one = world(1);
  await commitTwice(one);
  assertEquals(one.cluster.count(ADD_PARTITIONS_TO_TXN), 2);
  assertEquals(epochsOf(one), [0, 0]);
});

Deno.test("transaction version: a broker that will not say it is not taken for an old one", async () => {
  const silent = world(2);
  silent.cluster.handlers.set(
    API_VERSIONS,
    (_request, _broker, reply) => reply({ errorCode: INVALID_REQUEST }),
  );
  const { environment } = silent;
  const config = { transactionalId: "x", environment };
  const reason = await silent.settled(
    Producer.connect(silent.bootstrap, config).then(String, String),
  );
  assertMatch(reason, /INVALID_REQUEST/);
});

for (const level of [1, 2]) {
  Deno.test(`transaction version: one that can only be aborted is aborted (version ${level})`, async () => {
    const setup = world(level);
    const ends: boolean[] = [];
    setup.cluster.handlers.set(END_TXN, (request: EndTxnRequest, _broker, reply) => {
      const { producerId, producerEpoch, committed } = request;
      ends.push(committed);
      const errorCode = ends.length === 1 ? ErrorCode.TRANSACTION_ABORTABLE : ErrorCode.NONE;
      reply({ errorCode, producerId, producerEpoch: producerEpoch + 1 });
    });
    const { environment } = setup;
    const config = { transactionalId: "x", environment };
    const producer = await setup.settled(Producer.connect(setup.bootstrap, config));
    const send = () => producer.transaction((tx) => void tx.send({ topic: "t", value: "v" }));
    await assertRejects(() => setup.settled(send()), TransactionAbortedError);
    assertEquals(ends, [true, false]);
    await setup.settled(send());
    assertEquals(ends, [true, false, true]);
    await setup.settled(producer.close());
  });
}

for (const level of [1, 2]) {
  Deno.test(`transaction version: one whose commit fails while its producer closes is aborted (version ${level})`, async () => {
    const setup = world(level);
    const ends: boolean[] = [];
    setup.cluster.handlers.set(END_TXN, (request: EndTxnRequest, broker, reply) => {
      const { producerId, producerEpoch, committed } = request;
      ends.push(committed);
      const errorCode = committed ? ErrorCode.TRANSACTION_ABORTABLE : ErrorCode.NONE;
      const answer = { errorCode, producerId, producerEpoch: producerEpoch + 1 };
      broker.environment.timers.schedule(1000, () => reply(answer));
    });
    const { environment } = setup;
    const config = { transactionalId: "x", environment };
    const producer = await setup.settled(Producer.connect(setup.bootstrap, config));
    const sent = producer.transaction((tx) => void tx.send({ topic: "t", value: "v" }));
    const refused = assertRejects(() => sent, TransactionAbortedError);
    await setup.pass(500);
    assertEquals(ends, [true]);
    await setup.settled(producer.close());
    assertEquals(ends, [true, false]);
    await refused;
    assertEquals(setup.logged.filter((line) => line.includes("not aborted")), []);
  });
}

Deno.test("transaction version: nothing is produced before the id is taken anew, though its epoch is known", async () => {
  const setup = world(2);
  const { cluster, environment } = setup;
  const config = { transactionalId: "x", environment, maxBlockMs: 2000, requestTimeoutMs: 500 };
  const producer = await setup.settled(Producer.connect(setup.bootstrap, config));
  const send = () => producer.transaction((tx) => void tx.send({ topic: "t", value: "v" }));
  cluster.intercept = (api) => api === END_TXN ? { kind: "silence" } : undefined;
  await assertRejects(() => setup.settled(send()), TimeoutError);
  cluster.intercept = (api) => api === INIT_PRODUCER_ID ? { kind: "silence" } : undefined;
  await assertRejects(() => setup.settled(send()), TimeoutError);
  cluster.intercept = () => undefined;
  const asked = cluster.count(INIT_PRODUCER_ID);
  await setup.settled(send());
  assertEquals(cluster.count(INIT_PRODUCER_ID), asked + 1);
  await setup.settled(producer.close());
});
