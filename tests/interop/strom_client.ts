/** Our own client, by Kafka's protocol. */

import { Admin, type Compression, Consumer, type ConsumerRecord, Producer } from "../../mod.ts";
import {
  type JoinGroup,
  type Place,
  run,
  same,
  texts,
  type Trials,
  until,
} from "./clients/trial.ts";

const START = Date.now() - 3_600_000;
const kafka = ({ bootstrap }: Place) => `kafka://${bootstrap}`;

async function produce(
  place: Place,
  topic: string,
  values: readonly string[],
  config: { compression?: Compression } = {},
): Promise<void> {
  await using producer = await Producer.connect(kafka(place), config);
  await Promise.all(values.map((value) => producer.send({ topic, value })));
}

async function consume(place: Place, topic: string, count: number): Promise<ConsumerRecord[]> {
  await using consumer = await Consumer.connect(kafka(place), {
    topics: [topic],
    from: "earliest",
    isolationLevel: "read_committed",
  });
  const found: ConsumerRecord[] = [];
  for await (const record of consumer) {
    found.push(record);
    if (found.length === count) break;
  }
  return found;
}

const valuesOf = (records: readonly ConsumerRecord[]) => records.map((record) => record.text());

function compressed(compression: Compression) {
  return async (place: Place) => {
    const topic = place.fresh("compressed");
    await produce(place, topic, texts(100), { compression });
    same(valuesOf(await consume(place, topic, 100)), texts(100));
  };
}

const trials: Trials = {
  "metadata": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const { brokers, controllerId } = await admin.describeCluster();
    const found = brokers.map(({ host, port }) => `${host}:${port}`);
    same(found.sort(), [...place.brokers].sort(), "The list of brokers");
    same(brokers.some(({ nodeId }) => nodeId === controllerId), true, "The controller");
  },
  "produce, consume": compressed("none"),
  "gzip": compressed("gzip"),
  "snappy": compressed("snappy"),
  "lz4": compressed("lz4"),
  "zstd": compressed("zstd"),
  "headers, nulls, timestamps": async (place) => {
    const topic = place.fresh("fields");
    await using producer = await Producer.connect(kafka(place));
    const headers = [
      { key: "a", value: new Uint8Array([1]) },
      { key: "a", value: null },
    ];
    await producer.sendBatch(topic, [
      { key: "k", value: "v", headers, timestamp: START },
      { key: null, value: "keyless", timestamp: START + 1 },
      { key: "tombstone", value: null, timestamp: START + 2 },
      { key: "", value: "", timestamp: START + 3 },
    ]);
    const found = await consume(place, topic, 4);
    const decoder = new TextDecoder();
    same(found.map(({ key }) => key && decoder.decode(key)), ["k", null, "tombstone", ""], "keys");
    same(found.map(({ value }) => value && decoder.decode(value)), ["v", "keyless", null, ""]);
    same(found.map(({ timestamp }) => timestamp - START), [0, 1, 2, 3], "timestamps");
    same(found[0]!.headers.map(({ key, value }) => [key, value && [...value]]), [
      ["a", [1]],
      ["a", null],
    ], "headers");
  },
  "10 MB batch": async (place) => {
    const topic = place.fresh("large");
    await using admin = await Admin.connect(kafka(place));
    const configs = { "max.message.bytes": "12000000" };
    await admin.createTopics([{ name: topic, partitions: 1, configs }]);
    await using producer = await Producer.connect(kafka(place), {
      maxRequestSize: 12_000_000,
      batchSize: 11_000_000,
    });
    const value = "x".repeat(1_000_000);
    await producer.sendBatch(topic, texts(10).map((key) => ({ key, value })));
    const found = await consume(place, topic, 10);
    same(found.every((record) => record.text() === value), true, "Each value");
  },
  // Every producer is, unless it is told not to be.
  "idempotent producer": compressed("none"),
  "topics": async (place) => {
    const topic = place.fresh("admin");
    await using admin = await Admin.connect(kafka(place));
    await admin.createTopics([{ name: topic, partitions: 2, replicationFactor: place.nodes }]);
    await admin.createPartitions([{ name: topic, count: 3 }]);
    const replicas = [place.nodes, place.nodes, place.nodes];
    await until("three partitions with all replicas", async () => {
      const [described] = await admin.describeTopics([topic]).catch(() => []);
      return String(described?.partitions.map(({ replicas }) => replicas.length)) ===
        String(replicas);
    });
    await admin.deleteTopics([topic]);
    await until("the topic is gone", async () => !(await admin.listTopics()).includes(topic));
  },
  "configs": async (place) => {
    const topic = place.fresh("configs");
    await using admin = await Admin.connect(kafka(place));
    await admin.createTopics([{ name: topic, partitions: 1 }]);
    await admin.alterConfigs([{ type: "topic", name: topic, set: { "retention.ms": "123456" } }]);
    // The broker that is asked hears of it a little later, at Apache Kafka even of the topic.
    await until("the value is there", async () => {
      const [described] = await admin.describeConfigs([
        { type: "topic", name: topic, keys: ["retention.ms"] },
      ]).catch(() => []);
      return described?.configs[0]?.value === "123456";
    });
  },
  "offsets by time": async (place) => {
    const topic = place.fresh("times");
    await using producer = await Producer.connect(kafka(place));
    await producer.sendBatch(
      topic,
      texts(10).map((value, n) => ({ value, timestamp: START + n, partition: 0 })),
    );
    await using admin = await Admin.connect(kafka(place));
    const [found] = await admin.listOffsets([
      { topic, partition: 0, at: { timestamp: START + 4 } },
    ]);
    same(found?.offset, 4);
    await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 3 }]);
    const [first] = await admin.listOffsets([{ topic, partition: 0, at: "earliest" }]);
    same(first?.offset, 3, "The first offset");
  },
  "commit, resume": async (place) => {
    const topic = place.fresh("resume");
    await produce(place, topic, texts(10));
    for (const groupProtocol of ["classic", "consumer"] as const) {
      const group = place.fresh("group");
      const first = await readOn(place, topic, group, groupProtocol, 10);
      same(first.slice(0, 10), texts(10));
      await produce(place, topic, texts(5, "w"));
      same(await readOn(place, topic, group, groupProtocol, 5), texts(5, "w"));
      await using admin = await Admin.connect(kafka(place));
      const [committed] = await admin.listConsumerGroupOffsets(group);
      same(committed?.offset, first.length + 5, "The committed offset");
    }
  },
  "rebalance": async (place) => {
    for (const groupProtocol of ["classic", "consumer"] as const) {
      await rebalance(place, groupProtocol);
    }
  },
  "transactions": async (place) => {
    const topic = place.fresh("transactional");
    const source = place.fresh("source");
    const group = place.fresh("group");
    await produce(place, topic, ["before"]);
    await produce(place, source, texts(5));
    await using producer = await Producer.connect(kafka(place), {
      transactionalId: place.fresh("tx"),
    });
    await producer.transaction((tx) => {
      void tx.send({ topic, value: "aborted" }).catch(() => {});
      throw new Error("changed my mind");
    }).catch(() => {});
    await using consumer = await Consumer.connect(kafka(place), { group, topics: [source] });
    await consumer.poll(2000);
    await producer.transaction(async (tx) => {
      await tx.send({ topic, value: "committed" });
      const offsets = [{ topic: source, partition: 0, offset: 5 }];
      await tx.sendOffsets(offsets, consumer.groupMetadata());
    });
    same(valuesOf(await consume(place, topic, 2)), ["before", "committed"]);
    await using admin = await Admin.connect(kafka(place));
    const [committed] = await admin.listConsumerGroupOffsets(group);
    same(committed?.offset, 5, "The committed offset");
  },
  "failover": async (place) => {
    const topic = place.fresh("failover");
    await using admin = await Admin.connect(kafka(place));
    const configs = { "min.insync.replicas": "2" };
    const replicationFactor = place.nodes;
    await admin.createTopics([{ name: topic, partitions: 1, replicationFactor, configs }]);
    const [described] = await admin.describeTopics([topic]);
    const { leader } = described!.partitions[0]!;
    await using producer = await Producer.connect(kafka(place));
    const send = (values: readonly string[]) =>
      values.map((value) => producer.send({ topic, value }));
    const before = send(texts(500, "a"));
    await place.kill(leader);
    await Promise.all([...before, ...send(texts(500, "b"))]);
    await place.restart(leader);
    const found = valuesOf(await consume(place, topic, 1000));
    same(found, [...texts(500, "a"), ...texts(500, "b")]);
  },
};

type Protocol = "classic" | "consumer";

/** Reads on where the group stands, and commits. */
async function readOn(
  place: Place,
  topic: string,
  group: string,
  groupProtocol: Protocol,
  count: number,
): Promise<string[]> {
  await using consumer = await Consumer.connect(kafka(place), {
    group,
    groupProtocol,
    topics: [topic],
    from: "earliest",
    enableAutoCommit: false,
  });
  const found: string[] = [];
  while (found.length < count) found.push(...valuesOf(await consumer.poll(1000)));
  await consumer.commit();
  return found;
}

async function rebalance(place: Place, groupProtocol: Protocol): Promise<void> {
  const topic = place.fresh("shared");
  const group = place.fresh("group");
  await using admin = await Admin.connect(kafka(place));
  await admin.createTopics([{ name: topic, partitions: 6 }]);
  const members = await Promise.all([1, 2, 3].map(async () => {
    const consumer = await Consumer.connect(kafka(place), {
      group,
      groupProtocol,
      topics: [topic],
      from: "earliest",
      heartbeatIntervalMs: 100,
      autoCommitIntervalMs: 100,
    });
    return new Member(consumer);
  }));
  await until("two partitions each", () => members.every(({ owned }) => owned === 2));
  await members[0]!.stop();
  const rest = members.slice(1);
  await until("three each", () => rest.every(({ owned }) => owned === 3));
  await using producer = await Producer.connect(kafka(place));
  await Promise.all(texts(60).map((value) => producer.send({ topic, key: value, value })));
  const found = () => members.flatMap((member) => member.found).sort();
  await until("all messages", () => found().length >= 60);
  same(found(), texts(60).sort());
  const [described] = await admin.describeGroups([group]);
  same(described?.members.length, 2, "The members");
  await Promise.all(rest.map((member) => member.stop()));
  await admin.deleteGroups([group]);
}

class Member {
  readonly found: string[] = [];
  readonly #consumer: Consumer;
  readonly #polling: Promise<void>;
  readonly #read: (record: ConsumerRecord) => void;
  #isStopping = false;

  constructor(consumer: Consumer, read: (record: ConsumerRecord) => void = () => {}) {
    this.#consumer = consumer;
    this.#read = read;
    this.#polling = this.#poll();
  }

  get owned(): number {
    return this.#consumer.assignment().length;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#polling;
    await this.#consumer.close();
  }

  async #poll(): Promise<void> {
    while (!this.#isStopping) {
      const records = await this.#consumer.poll(50);
      records.forEach(this.#read);
      this.found.push(...valuesOf(records));
    }
  }
}

const member: JoinGroup = async (place, topic, group, read, protocol) => {
  const consumer = await Consumer.connect(kafka(place), {
    group,
    topics: [topic],
    from: "earliest",
    groupProtocol: protocol as Protocol,
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 200,
    autoCommitIntervalMs: 100,
  });
  const reading = new Member(consumer, ({ partition, offset }) => read(partition, offset));
  return () => reading.stop();
};

if (import.meta.main) await run(trials, member);
