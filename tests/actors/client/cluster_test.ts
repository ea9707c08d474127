import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { AuthorizationError, BrokerNotAvailableError } from "../../../actors/client/errors.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { NATIVE_HANDSHAKE } from "../../../net/handshake.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { ClientWorld } from "./client_world.ts";
import { FakeBroker } from "./fake_broker.ts";

/** The environment of the world's client, counting attempts to connect. */
function counting(world: ClientWorld): { environment: Environment; readonly attempts: number } {
  const counted = { environment: world.environment, attempts: 0 };
  const { network } = world.environment;
  counted.environment = {
    ...world.environment,
    network: {
      listen: (options, accepted) => network.listen(options, accepted),
      connect: (options, done) => {
        counted.attempts++;
        network.connect(options, done);
      },
    },
  };
  return counted;
}

Deno.test("cluster: one broker costs one connection, by whatever name it was found", async () => {
  const world = new ClientWorld();
  world.cluster.createTopic("t", 3);
  const counted = counting(world);
  const { environment } = counted;
  const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
  for (const partition of [0, 1, 2]) {
    await world.settled(producer.send({ topic: "t", value: "x", partition }));
  }
  assertEquals(counted.attempts, 1);
  await world.settled(producer.close());
});

Deno.test("cluster: while no broker is there, attempts keep their distance", async () => {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 2);
  const counted = counting(world);
  const { environment } = counted;
  const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
  for (const partition of [0, 1]) {
    await world.settled(producer.send({ topic: "t", value: "x", partition }));
  }
  const before = counted.attempts;
  for (const name of ["broker-1", "broker-2"]) world.simulation.node(name).crash();
  const sent = [0, 1].map((partition) => producer.send({ topic: "t", value: "y", partition }));
  await world.pass(60_000);
  // Two brokers, each under its own and its bootstrap address, at most once a second in the end.
  const attempts = counted.attempts - before;
  assert(attempts > 60 && attempts < 300, `${attempts} attempts`);
  for (const name of ["broker-1", "broker-2"]) world.simulation.node(name).restart();
  await world.settled(Promise.all(sent));
  await world.settled(producer.close());
});

Deno.test("cluster: a broker that moved is found by the others", async () => {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 2);
  const { environment } = world;
  const producer = await world.settled(Producer.connect("broker-1", { environment }));
  world.simulation.node("broker-1").crash();
  world.cluster.partition("t", 0)!.leader = 2;
  world.cluster.partition("t", 0)!.leaderEpoch++;
  // It knows of broker 2 only by the metadata of broker 1.
  await world.settled(producer.send({ topic: "t", value: "x", partition: 0 }));
  await world.settled(producer.close());
});

Deno.test("cluster: a broker that lets nobody in is an error that says why", async () => {
  const world = new ClientWorld();
  const { environment } = world;
  world.cluster.intercept = (api) =>
    api === NATIVE_HANDSHAKE
      ? { kind: "reply", response: { errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED } }
      : undefined;
  let error: unknown;
  try {
    await world.settled(Producer.connect(world.bootstrap, { environment, secret: "wrong" }));
  } catch (thrown) {
    error = thrown;
  }
  assert(
    error instanceof AuthorizationError || error instanceof BrokerNotAvailableError,
    String(error),
  );
  assert((error as Error).message.includes("SASL_AUTHENTICATION_FAILED"), String(error));
});

Deno.test("cluster: metadata are asked for anew when they are old", async () => {
  const world = new ClientWorld();
  world.cluster.createTopic("t", 1);
  const { environment } = world;
  const producer = await world.settled(
    Producer.connect(world.bootstrap, { environment, metadataMaxAgeMs: 1000 }),
  );
  await world.settled(producer.send({ topic: "t", value: "x" }));
  const before = world.cluster.count(METADATA);
  await world.pass(10_500);
  const asked = world.cluster.count(METADATA) - before;
  assert(asked >= 9 && asked <= 11, `${asked} times`);
  await world.settled(producer.close());
});

Deno.test("cluster: an older leader epoch does not undo a newer one (KIP-320)", async () => {
  const world = new ClientWorld({ brokers: 2 });
  const topic = world.cluster.createTopic("t", 1);
  const { environment } = world;
  const producer = await world.settled(
    Producer.connect(world.bootstrap, { environment, metadataMaxAgeMs: 100 }),
  );
  topic.partitions[0]!.leader = 2;
  topic.partitions[0]!.leaderEpoch = 5;
  await world.settled(producer.send({ topic: "t", value: "x" }));
  world.cluster.intercept = (api) => {
    if (api !== METADATA) return undefined;
    const partitions = [{ partitionIndex: 0, leaderId: 1, leaderEpoch: 4 }];
    const brokers = [1, 2].map((nodeId) => ({ nodeId, host: `broker-${nodeId}`, port: 9192 }));
    const topics = [{ name: "t", topicId: topic.topicId, partitions }];
    return { kind: "reply", response: { brokers, topics } };
  };
  await world.pass(1000);
  await world.settled(producer.send({ topic: "t", value: "y" }));
  const produced = world.cluster.requests.filter(({ api }) => api === "Produce");
  assertEquals(produced.map(({ broker }) => broker), [2, 2]);
  assertInstanceOf(producer, Producer);
  await world.settled(producer.close());
});

/** Has the network of the world's client say nothing of connections to these hosts. */
function swallowing(world: ClientWorld, hosts: ReadonlySet<string>): Environment {
  const { network } = world.environment;
  return {
    ...world.environment,
    network: {
      listen: (options, accepted) => network.listen(options, accepted),
      connect: (options, done) => {
        if (!hosts.has(options.host)) network.connect(options, done);
      },
    },
  };
}

Deno.test("cluster: a known leader that an older answer leaves out is asked about again soon", async () => {
  const world = new ClientWorld({ brokers: 2 });
  const topic = world.cluster.createTopic("t", 1);
  const { environment } = world;
  const metadataMaxAgeMs = 10_000;
  const producer = await world.settled(
    Producer.connect(world.bootstrap, { environment, metadataMaxAgeMs }),
  );
  topic.partitions[0]!.leader = 2;
  topic.partitions[0]!.leaderEpoch = 5;
  await world.settled(producer.send({ topic: "t", value: "x" }));
  world.cluster.intercept = (api) => {
    if (api !== METADATA) return undefined;
    world.cluster.intercept = () => undefined;
    const partitions = [{ partitionIndex: 0, leaderId: 1, leaderEpoch: 4 }];
    const brokers = [{ nodeId: 1, host: "broker-1", port: 9192 }];
    const topics = [{ name: "t", topicId: topic.topicId, partitions }];
    return { kind: "reply", response: { brokers, topics } };
  };
  const asked = () => world.cluster.requests.filter(({ api }) => api === "Metadata").length;
  const before = asked();
  await world.pass(metadataMaxAgeMs + 1000);
  assertEquals(asked() - before, 2, "once when it was old, and once more");
  await world.settled(producer.close());
});

Deno.test("cluster: an address that does not answer is not waited for when there is another", async () => {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 1);
  const environment = swallowing(world, new Set(["nowhere"]));
  const bootstrap = `nowhere:1,${world.bootstrap}`;
  const producer = await world.settled(Producer.connect(bootstrap, { environment }));
  assert(world.nowMs < 2_000, `${world.nowMs} ms`);
  await world.settled(producer.close());
});

Deno.test("cluster: a broker that vanished without a word holds up nobody who can ask another", async () => {
  const world = new ClientWorld({ brokers: 3 });
  world.cluster.createTopic("t", 1);
  const silent = new Set<string>();
  const environment = swallowing(world, silent);
  const producer = await world.settled(Producer.connect("broker-1:9192", { environment }));
  await world.settled(producer.send({ topic: "t", value: "a" }));
  silent.add("broker-1");
  world.cluster.brokers.get(1)!.hangUp();
  const partition = world.cluster.partition("t", 0)!;
  partition.leader = 3;
  partition.leaderEpoch++;
  const before = world.nowMs;
  await world.settled(producer.send({ topic: "t", value: "b" }));
  assert(world.nowMs - before < 3_000, `${world.nowMs - before} ms`);
  await world.settled(producer.close());
});

Deno.test("cluster: when all known brokers are gone the bootstrap addresses are tried again (KIP-899)", async () => {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 1);
  const { environment } = world;
  const bootstrap = "broker-1:9192,spare:9192";
  const producer = await world.settled(Producer.connect(bootstrap, { environment }));
  await world.settled(producer.send({ topic: "t", value: "a" }));
  for (const name of ["broker-1", "broker-2"]) world.simulation.node(name).crash();
  world.cluster.brokers.clear();
  world.simulation.node("spare").start((spare) => {
    new FakeBroker(world.cluster, 7, "spare", spare);
    return { crash: () => {} };
  });
  world.cluster.partition("t", 0)!.leader = 7;
  world.cluster.partition("t", 0)!.leaderEpoch++;
  const { offset } = await world.settled(producer.send({ topic: "t", value: "b" }));
  assertEquals(offset, 1);
  await world.settled(producer.close());
});

Deno.test("cluster: a leader that a produce response names is gone to without asking (KIP-951)", async () => {
  const world = new ClientWorld({ brokers: 2 });
  world.cluster.createTopic("t", 1);
  world.cluster.namesLeaders = true;
  const { environment } = world;
  const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
  await world.settled(producer.send({ topic: "t", value: "a" }));
  world.cluster.intercept = (api) => api === METADATA ? { kind: "silence" } : undefined;
  world.cluster.partition("t", 0)!.move(2, Infinity);
  const before = world.nowMs;
  await world.settled(producer.send({ topic: "t", value: "b" }));
  assert(world.nowMs - before < 50, `${world.nowMs - before} ms`);
  world.cluster.intercept = () => undefined;
  await world.settled(producer.close());
});

Deno.test("cluster: whoever leads after a loss is found soon after it is known", async () => {
  for (const electedAfterMs of [700, 1_000, 1_500, 9_400]) {
    const world = new ClientWorld({ brokers: 2 });
    world.cluster.createTopic("t", 1);
    const { environment } = world;
    const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
    await world.settled(producer.send({ topic: "t", value: "a" }));
    world.simulation.node("broker-1").crash();
    const sent = producer.send({ topic: "t", value: "b" });
    await world.pass(electedAfterMs);
    world.cluster.partition("t", 0)!.move(2, Infinity);
    const before = world.nowMs;
    await world.settled(sent);
    assert(world.nowMs - before < 200, `${world.nowMs - before} ms after ${electedAfterMs} ms`);
    await world.settled(producer.close());
  }
});

Deno.test("cluster: a broker that closed a connection nobody uses is not missed for long", async () => {
  const world = new ClientWorld({ brokers: 3 });
  world.cluster.createTopic("t", 3);
  const { environment } = world;
  const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
  for (const partition of [0, 1, 2]) {
    await world.settled(producer.send({ topic: "t", value: "x", partition }));
  }
  await world.pass(1000);
  world.cluster.brokers.get(3)!.hangUp();
  // For so long somebody else may come to lead what it led.
  await world.pass(20_000);
  const before = world.cluster.count(METADATA);
  await world.pass(60_000);
  assertEquals(world.cluster.count(METADATA) - before, 0);
  await world.settled(producer.send({ topic: "t", value: "y", partition: 2 }));
  await world.settled(producer.close());
});
