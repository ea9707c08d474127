/** kafkajs 2.2.4: what most programs for Node use. */

import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import zlib from "node:zlib";
import kafkajs, {
  type Consumer,
  type IHeaders,
  type Kafka as KafkaClient,
  type KafkaMessage,
} from "kafkajs";
import lz4 from "lz4-napi";
import snappy from "snappy";
import { type JoinGroup, type Place, run, same, texts, type Trials, until } from "./trial.ts";

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;

interface Encoder {
  readonly buffer: Buffer;
}

const codec = (
  compress: (bytes: Buffer) => Promise<Uint8Array>,
  decompress: (bytes: Buffer) => Promise<Uint8Array>,
) =>
() => ({
  compress: async ({ buffer }: Encoder) => Buffer.from(await compress(buffer)),
  decompress: async (bytes: Buffer) => Buffer.from(await decompress(bytes)),
});

CompressionCodecs[CompressionTypes.Snappy] = codec(
  (bytes) => snappy.compress(bytes),
  async (bytes) => Buffer.from(await snappy.uncompress(bytes)),
);
CompressionCodecs[CompressionTypes.LZ4] = codec(
  (bytes) => lz4.compressFrame(bytes),
  (bytes) => lz4.decompressFrame(bytes),
);
CompressionCodecs[CompressionTypes.ZSTD] = codec(
  promisify(zlib.zstdCompress),
  promisify(zlib.zstdDecompress),
);

function kafka({ brokers }: Place): KafkaClient {
  return new Kafka({
    brokers: [...brokers],
    clientId: "interop",
    logLevel: Deno.env.has("VERBOSE") ? logLevel.INFO : logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 12 },
  });
}

interface Message {
  readonly key?: string | null;
  readonly value: string | null;
  readonly headers?: IHeaders;
  readonly timestamp?: string;
}

async function produce(
  place: Place,
  topic: string,
  messages: readonly Message[],
  options: { compression?: number; idempotent?: boolean } = {},
): Promise<void> {
  const { compression = CompressionTypes.None, idempotent = false } = options;
  const producer = kafka(place).producer({ idempotent });
  await producer.connect();
  await producer.send({ topic, compression, messages: messages as { value: string }[] });
  await producer.disconnect();
}

/** Reads a topic from its start in a group of its own. */
async function consume(place: Place, topic: string, count: number): Promise<KafkaMessage[]> {
  const consumer = kafka(place).consumer({ groupId: place.fresh("reader"), maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: KafkaMessage[] = [];
  await consumer.run({
    eachMessage: ({ message }) => {
      found.push(message);
      return Promise.resolve();
    },
  });
  await until(`${count} messages`, () => found.length >= count);
  await consumer.disconnect();
  return found;
}

/** Not long ago, or retention would take what is written with it. */
const START = Date.now() - 3_600_000;
const at = (n: number) => String(START + n);

const valuesOf = (messages: readonly KafkaMessage[]) =>
  messages.map(({ value }) => value?.toString() ?? null);

function compressed(compression: number) {
  return async (place: Place) => {
    const topic = place.fresh("compressed");
    await produce(place, topic, texts(100).map((value) => ({ value })), { compression });
    same(valuesOf(await consume(place, topic, 100)), texts(100));
  };
}

const trials: Trials = {
  "metadata": async (place) => {
    const admin = kafka(place).admin();
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    same(brokers.map(({ host, port }) => `${host}:${port}`), place.brokers, "The list of brokers");
    same(brokers.some(({ nodeId }) => nodeId === controller), true, "The controller");
    await admin.disconnect();
  },
  "produce, consume": compressed(CompressionTypes.None),
  "gzip": compressed(CompressionTypes.GZIP),
  "snappy": compressed(CompressionTypes.Snappy),
  "lz4": compressed(CompressionTypes.LZ4),
  "zstd": compressed(CompressionTypes.ZSTD),
  "headers, nulls, timestamps": async (place) => {
    const topic = place.fresh("fields");
    await produce(place, topic, [
      { key: "k", value: "v", headers: { a: "b", c: ["d", "e"] }, timestamp: at(0) },
      { key: null, value: "keyless", timestamp: at(1) },
      { key: "tombstone", value: null, timestamp: at(2) },
      { key: "", value: "", timestamp: at(3) },
    ]);
    const found = await consume(place, topic, 4);
    same(found.map(({ key }) => key?.toString() ?? null), ["k", null, "tombstone", ""], "keys");
    same(valuesOf(found), ["v", "keyless", null, ""], "values");
    same(found.map(({ timestamp }) => timestamp), [0, 1, 2, 3].map(at), "timestamps");
    same(found[0]?.headers?.a?.toString(), "b", "header a");
    same(String(found[0]?.headers?.c), "d,e", "header c");
  },
  "10 MB batch": async (place) => {
    const topic = place.fresh("large");
    const admin = kafka(place).admin();
    await admin.connect();
    const configEntries = [{ name: "max.message.bytes", value: "12000000" }];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    await admin.disconnect();
    const value = "x".repeat(1_000_000);
    await produce(place, topic, texts(10).map((key) => ({ key, value })));
    const found = await consume(place, topic, 10);
    same(found.map(({ key }) => key?.toString()), texts(10));
    same(found.every((message) => message.value?.toString() === value), true, "each value");
  },
  "idempotent producer": async (place) => {
    const topic = place.fresh("idempotent");
    await produce(place, topic, texts(50).map((value) => ({ value })), { idempotent: true });
    same(valuesOf(await consume(place, topic, 50)), texts(50));
  },
  "topics": async (place) => {
    const topic = place.fresh("admin");
    const admin = kafka(place).admin();
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic, numPartitions: 2, replicationFactor: place.nodes }],
    });
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    const { topics: [described] } = await admin.fetchTopicMetadata({ topics: [topic] });
    same(described?.partitions.map(({ replicas }) => replicas.length), [
      place.nodes,
      place.nodes,
      place.nodes,
    ]);
    same((await admin.listTopics()).includes(topic), true, "The topic in the list");
    await produce(place, topic, texts(9).map((value) => ({ value })));
    const offsets = await admin.fetchTopicOffsets(topic);
    same(offsets.reduce((sum, { high }) => sum + Number(high), 0), 9, "The sum of offsets");
    await admin.deleteTopics({ topics: [topic] });
    same((await admin.listTopics()).includes(topic), false, "The deleted topic in the list");
    await admin.disconnect();
  },
  "configs": async (place) => {
    const topic = place.fresh("configs");
    const admin = kafka(place).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic }] });
    const type = kafkajs.ConfigResourceTypes.TOPIC;
    const configEntries = [{ name: "retention.ms", value: "123456" }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: topic, configEntries }],
    });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type, name: topic, configNames: ["retention.ms"] }],
    });
    same(resources[0]?.configEntries.map(({ configValue }) => configValue), ["123456"]);
    await admin.disconnect();
  },
  "offsets by time": async (place) => {
    const topic = place.fresh("times");
    await produce(place, topic, texts(10).map((value, n) => ({ value, timestamp: at(n) })));
    const admin = kafka(place).admin();
    await admin.connect();
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, Number(at(4)));
    same(found, [{ partition: 0, offset: "4" }]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "3" }] });
    same((await admin.fetchTopicOffsets(topic))[0]?.low, "3", "The first offset");
    await admin.disconnect();
  },
  "commit, resume": async (place) => {
    const topic = place.fresh("resume");
    const groupId = place.fresh("group");
    await produce(place, topic, texts(10).map((value) => ({ value })));
    const first = await join(place, topic, groupId);
    await until("10 messages", () => first.found.length === 10);
    await first.consumer.disconnect();
    await produce(place, topic, texts(5, "w").map((value) => ({ value })));
    const second = await join(place, topic, groupId);
    await until("5 messages", () => second.found.length >= 5);
    await second.consumer.disconnect();
    same(second.found, texts(5, "w"));
    const admin = kafka(place).admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
    same(offsets?.partitions.map(({ offset }) => offset), ["15"], "The committed offset");
    await admin.resetOffsets({ groupId, topic, earliest: true });
    const [reset] = await admin.fetchOffsets({ groupId, topics: [topic] });
    same(reset?.partitions.map(({ offset }) => offset), ["-2"], "The offset that was reset");
    await admin.disconnect();
  },
  "rebalance": async (place) => {
    const topic = place.fresh("shared");
    const groupId = place.fresh("group");
    const admin = kafka(place).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 6 }] });
    const members = await Promise.all([1, 2, 3].map(() => join(place, topic, groupId)));
    await until("two partitions each", () => members.every(({ owned }) => owned().length === 2));
    await members[0]!.consumer.disconnect();
    await until("three each", () => members.slice(1).every(({ owned }) => owned().length === 3));
    await produce(place, topic, texts(60).map((value) => ({ key: value, value })));
    const found = () => members.flatMap((member) => member.found).sort();
    await until("all messages", () => found().length >= 60);
    same(found(), texts(60).sort());
    const { groups: [described] } = await admin.describeGroups([groupId]);
    same([described?.state, described?.members.length], ["Stable", 2], "The described group");
    await Promise.all(members.slice(1).map(({ consumer }) => consumer.disconnect()));
    const { groups } = await admin.listGroups();
    same(groups.some((group) => group.groupId === groupId), true, "The group in the list");
    await admin.deleteGroups([groupId]);
    await admin.disconnect();
  },
  "transactions": async (place) => {
    const topic = place.fresh("transactional");
    const source = place.fresh("source");
    const groupId = place.fresh("group");
    await produce(place, topic, [{ value: "before" }]);
    await produce(place, source, texts(5).map((value) => ({ value })));
    const producer = kafka(place).producer({
      idempotent: true,
      transactionalId: place.fresh("tx"),
      maxInFlightRequests: 1,
    });
    await producer.connect();
    const aborted = await producer.transaction();
    await aborted.send({ topic, messages: [{ value: "aborted" }] });
    await aborted.abort();
    const committed = await producer.transaction();
    await committed.send({ topic, messages: [{ value: "committed" }] });
    const topics = [{ topic: source, partitions: [{ partition: 0, offset: "5" }] }];
    await committed.sendOffsets({ consumerGroupId: groupId, topics });
    await committed.commit();
    await producer.disconnect();
    same(valuesOf(await consume(place, topic, 2)), ["before", "committed"]);
    const admin = kafka(place).admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [source] });
    same(offsets?.partitions.map(({ offset }) => offset), ["5"], "The committed offset");
    await admin.disconnect();
  },
  "failover": async (place) => {
    const topic = place.fresh("failover");
    const admin = kafka(place).admin();
    await admin.connect();
    const configEntries = [{ name: "min.insync.replicas", value: "2" }];
    const replicationFactor = place.nodes;
    await admin.createTopics({
      topics: [{ topic, numPartitions: 1, replicationFactor, configEntries }],
    });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.disconnect();
    const { leader } = topics[0]!.partitions[0]!;
    const producer = kafka(place).producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const send = (value: string) => producer.send({ topic, messages: [{ value }] });
    for (const value of texts(20, "a")) await send(value);
    await place.kill(leader);
    for (const value of texts(20, "b")) await send(value);
    await producer.disconnect();
    await place.restart(leader);
    same(valuesOf(await consume(place, topic, 40)), [...texts(20, "a"), ...texts(20, "b")]);
  },
};

interface Member {
  readonly consumer: Consumer;
  readonly found: (string | null)[];
  owned(): readonly number[];
}

async function join(place: Place, topic: string, groupId: string): Promise<Member> {
  const consumer = kafka(place).consumer({
    groupId,
    maxWaitTimeInMs: 100,
    heartbeatInterval: 100,
    rebalanceTimeout: 5000,
  });
  const found: (string | null)[] = [];
  let owned: readonly number[] = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 100,
    eachMessage: ({ message }) => {
      found.push(message.value?.toString() ?? null);
      return Promise.resolve();
    },
  });
  return { consumer, found, owned: () => owned };
}

const member: JoinGroup = async (place, topic, groupId, read) => {
  const consumer = kafka(place).consumer({
    groupId,
    maxWaitTimeInMs: 100,
    heartbeatInterval: 200,
    sessionTimeout: 6000,
    rebalanceTimeout: 5000,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 100,
    eachMessage: ({ partition, message }) => {
      read(partition, Number(message.offset));
      return Promise.resolve();
    },
  });
  return () => consumer.disconnect();
};

if (import.meta.main) await run(trials, member);
