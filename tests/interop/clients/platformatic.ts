/** @platformatic/kafka 2: speaks only the newest versions of requests, and no older ones. */

import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  type Consumer as ConsumerClient,
  type Message,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import { type JoinGroup, type Place, run, same, texts, type Trials, until } from "./trial.ts";

type Strings = Message<string, string, string, string>;

const START = Date.now() - 3_600_000;

function admin({ brokers }: Place): Admin {
  return new Admin({ clientId: "interop", bootstrapBrokers: [...brokers], retries: 10 });
}

function producer({ brokers }: Place, options: object = {}) {
  return new Producer({
    clientId: "interop",
    bootstrapBrokers: [...brokers],
    serializers: stringSerializers,
    autocreateTopics: true,
    retries: 10,
    ...options,
  });
}

function consumer({ brokers }: Place, groupId: string, options: object = {}) {
  return new Consumer({
    clientId: "interop",
    bootstrapBrokers: [...brokers],
    groupId,
    deserializers: stringDeserializers,
    heartbeatInterval: 100,
    sessionTimeout: 6000,
    rebalanceTimeout: 6000,
    maxWaitTime: 100,
    retries: 10,
    ...options,
  });
}

async function produce(
  place: Place,
  topic: string,
  values: readonly string[],
  options: object = {},
): Promise<void> {
  const sender = producer(place, options);
  await sender.send({ messages: values.map((value) => ({ topic, value })) });
  await sender.close();
}

async function consume(
  place: Place,
  topic: string,
  count: number,
  options: object = {},
): Promise<Strings[]> {
  const reader = consumer(place, place.fresh("reader"));
  const stream = await reader.consume({
    topics: [topic],
    mode: MessagesStreamModes.EARLIEST,
    ...options,
  });
  const found: Strings[] = [];
  for await (const message of stream) {
    found.push(message as Strings);
    if (found.length === count) break;
  }
  await reader.close(true);
  return found;
}

const valuesOf = (messages: readonly Strings[]) => messages.map(({ value }) => value);

function compressed(compression: string) {
  return async (place: Place) => {
    const topic = place.fresh("compressed");
    await produce(place, topic, texts(100), { compression });
    same(valuesOf(await consume(place, topic, 100)), texts(100));
  };
}

const trials: Trials = {
  "metadata": async (place) => {
    const client = admin(place);
    const { brokers, controllerId } = await client.metadata({});
    const found = [...brokers.values()].map(({ host, port }) => `${host}:${port}`);
    same(found.sort(), [...place.brokers].sort(), "The list of brokers");
    same(brokers.has(controllerId), true, "The controller");
    await client.close();
  },
  "produce, consume": compressed("none"),
  "gzip": compressed("gzip"),
  "snappy": compressed("snappy"),
  "lz4": compressed("lz4"),
  "zstd": compressed("zstd"),
  "headers, nulls, timestamps": async (place) => {
    const topic = place.fresh("fields");
    const sender = producer(place);
    const timestamp = (n: number) => BigInt(START + n);
    const headers = new Map([["a", "b"], ["c", "d"]]);
    await sender.send({
      messages: [
        { topic, key: "k", value: "v", headers, timestamp: timestamp(0) },
        { topic, value: "keyless", timestamp: timestamp(1) },
        { topic, key: "tombstone", timestamp: timestamp(2) },
        { topic, key: "", value: "", timestamp: timestamp(3) },
      ],
    });
    await sender.close();
    const found = await consume(place, topic, 4);
    same(found.map(({ timestamp }) => Number(timestamp) - START), [0, 1, 2, 3], "timestamps");
    same([found[0]?.key, found[0]?.value], ["k", "v"], "The first");
    same([...found[0]?.headers ?? []], [["a", "b"], ["c", "d"]], "headers");
    same(found[1]?.value, "keyless", "The second");
    same(found[2]?.key, "tombstone", "The third");
  },
  "10 MB batch": async (place) => {
    const topic = place.fresh("large");
    const client = admin(place);
    await client.createTopics({
      topics: [topic],
      partitions: 1,
      configs: [{ name: "max.message.bytes", value: "12000000" }],
    });
    await client.close();
    const value = "x".repeat(1_000_000);
    await produce(place, topic, texts(10).map(() => value));
    const found = await consume(place, topic, 10, { maxBytes: 12_000_000 });
    same(found.every((message) => message.value === value), true, "Each value");
  },
  "idempotent producer": async (place) => {
    const topic = place.fresh("idempotent");
    await produce(place, topic, texts(50), { idempotent: true });
    same(valuesOf(await consume(place, topic, 50)), texts(50));
  },
  "topics": async (place) => {
    const topic = place.fresh("admin");
    const client = admin(place);
    await client.createTopics({ topics: [topic], partitions: 2, replicas: place.nodes });
    await client.createPartitions({
      topics: [{
        name: topic,
        count: 3,
        assignments: [{ brokerIds: texts(place.nodes, "").map((n) => Number(n) + 1) }],
      }],
      validateOnly: false,
    });
    const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
    const replicas = topics.get(topic)?.partitions.map(({ replicas }) => replicas.length);
    same(replicas, [place.nodes, place.nodes, place.nodes], "The replicas");
    same((await client.listTopics()).includes(topic), true, "The topic in the list");
    await client.deleteTopics({ topics: [topic] });
    same((await client.listTopics()).includes(topic), false, "The deleted topic in the list");
    await client.close();
  },
  "configs": async (place) => {
    const topic = place.fresh("configs");
    const client = admin(place);
    await client.createTopics({ topics: [topic], partitions: 1 });
    await client.incrementalAlterConfigs({
      resources: [{
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configs: [{ name: "retention.ms", configOperation: 0, value: "123456" }],
      }],
      validateOnly: false,
    });
    const [described] = await client.describeConfigs({
      resources: [{
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configurationKeys: ["retention.ms"],
      }],
      includeSynonyms: true,
      includeDocumentation: true,
    });
    same(described?.configs.map(({ value }) => value), ["123456"]);
    await client.close();
  },
  "offsets by time": async (place) => {
    const topic = place.fresh("times");
    const sender = producer(place);
    const messages = texts(10).map((value, n) => ({ topic, value, timestamp: BigInt(START + n) }));
    // A leader alone may have them before they are committed, when times do not find them yet.
    await sender.send({ messages, acks: ProduceAcks.ALL });
    await sender.close();
    const reader = consumer(place, place.fresh("reader"));
    const timestamp = BigInt(START + 4);
    const offsets = await reader.listOffsets({ topics: [topic], timestamp });
    same(offsets.get(topic)?.map(Number), [4]);
    await reader.close(true);
  },
  "commit, resume": async (place) => {
    const topic = place.fresh("resume");
    const groupId = place.fresh("group");
    await produce(place, topic, texts(10));
    same(await readOn(place, topic, groupId, 10), texts(10));
    await produce(place, topic, texts(5, "w"));
    same(await readOn(place, topic, groupId, 5), texts(5, "w"));
    const client = admin(place);
    const [described] = await client.listConsumerGroupOffsets({ groups: [groupId] });
    const offsets = described?.topics.flatMap(({ partitions }) =>
      partitions.map(({ committedOffset }) => Number(committedOffset))
    );
    same(offsets, [15], "The committed offset");
    await client.close();
  },
  "rebalance": async (place) => {
    const topic = place.fresh("shared");
    const groupId = place.fresh("group");
    const client = admin(place);
    await client.createTopics({ topics: [topic], partitions: 6 });
    const members = await Promise.all([1, 2, 3].map(() => join(place, topic, groupId)));
    await until("two partitions each", () => members.every((member) => owned(member, topic) === 2));
    await members[0]!.client.close(true);
    const rest = members.slice(1);
    await until("three each", () => rest.every((member) => owned(member, topic) === 3));
    const sender = producer(place);
    const messages = texts(60).map((value) => ({ topic, key: value, value }));
    await sender.send({ messages });
    await sender.close();
    // Each at least once: whoever has lost a partition hands out all the same what a fetch brings
    // that was under way, and so what its new owner reads, too. It does that at Apache Kafka as
    // well.
    const found = () => [...new Set(members.flatMap((member) => member.found))].sort();
    await until("all messages", () => found().length >= 60);
    same(found(), texts(60).sort());
    const described = (await client.describeGroups({ groups: [groupId] })).get(groupId);
    same([described?.state, described?.members.size], ["Stable", 2], "The described group");
    same((await client.listGroups()).has(groupId), true, "The group in the list");
    await Promise.all(rest.map((member) => member.client.close(true)));
    await client.deleteGroups({ groups: [groupId] });
    await client.close();
  },
  "transactions": async (place) => {
    const topic = place.fresh("transactional");
    await produce(place, topic, ["before"]);
    const sender = producer(place, {
      idempotent: true,
      transactionalId: place.fresh("tx"),
    });
    const aborted = await sender.beginTransaction();
    await aborted.send({ messages: [{ topic, value: "aborted" }] });
    await aborted.abort();
    const committed = await sender.beginTransaction();
    await committed.send({ messages: [{ topic, value: "committed" }] });
    await committed.commit();
    await sender.close();
    same(valuesOf(await consume(place, topic, 2)), ["before", "committed"]);
  },
  "failover": async (place) => {
    const topic = place.fresh("failover");
    const client = admin(place);
    await client.createTopics({
      topics: [topic],
      partitions: 1,
      replicas: place.nodes,
      configs: [{ name: "min.insync.replicas", value: "2" }],
    });
    const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
    const leader = topics.get(topic)!.partitions[0]!.leader;
    const sender = producer(place, { idempotent: true, retries: 50, retryDelay: 200 });
    const send = (value: string) => sender.send({ messages: [{ topic, value }] });
    for (const value of texts(20, "a")) await send(value);
    await place.kill(leader);
    for (const value of texts(20, "b")) await send(value);
    await sender.close();
    await client.close();
    await place.restart(leader);
    same(valuesOf(await consume(place, topic, 40)), [...texts(20, "a"), ...texts(20, "b")]);
  },
};

/** Reads on where the group stands, and commits. */
async function readOn(
  place: Place,
  topic: string,
  groupId: string,
  count: number,
): Promise<string[]> {
  const reader = consumer(place, groupId);
  const stream = await reader.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: "earliest",
    autocommit: false,
  });
  const found: string[] = [];
  for await (const message of stream) {
    found.push(message.value as string);
    await message.commit();
    if (found.length === count) break;
  }
  await reader.close(true);
  return found;
}

interface Member {
  readonly client: ConsumerClient<string, string, string, string>;
  readonly found: string[];
}

async function join(place: Place, topic: string, groupId: string): Promise<Member> {
  const client = consumer(place, groupId) as Member["client"];
  const found: string[] = [];
  const stream = await client.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: "earliest",
    autocommit: 100,
  });
  stream.on("data", (message) => found.push(message.value as string));
  stream.on("error", () => {});
  return { client, found };
}

function owned({ client }: Member, topic: string): number {
  return client.assignments?.find((assignment) => assignment.topic === topic)?.partitions.length ??
    0;
}

const member: JoinGroup = async (place, topic, groupId, read) => {
  const client = consumer(place, groupId, { sessionTimeout: 6000, heartbeatInterval: 200 });
  const stream = await client.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: "earliest",
    autocommit: 100,
  });
  stream.on("data", ({ partition, offset }) => read(partition, Number(offset)));
  stream.on("error", () => {});
  return () => client.close(true);
};

if (import.meta.main) await run(trials, member);
