/** What our own client can do besides, at any cluster that speaks Kafka's protocol. */

import { fromFileUrl } from "@std/path";
import {
  Admin,
  type AssignorName,
  ClientError,
  Consumer,
  type ConsumerConfig,
  Producer,
  type ProducerDescription,
  ProducerFencedError,
} from "../../mod.ts";
import { type Place, run, same, texts, type Trials, until } from "./clients/trial.ts";

const kafka = ({ bootstrap }: Place) => `kafka://${bootstrap}`;

async function created(admin: Admin, place: Place, name: string, partitions = 1): Promise<string> {
  const topic = place.fresh(name);
  await admin.createTopics([{ name: topic, partitions }]);
  // The broker that is asked next may hear of it a little later.
  await until("the topic is known", async () => (await admin.listTopics()).includes(topic));
  return topic;
}

const trials: Trials = {
  "cluster": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "watched");
    const { brokers } = await admin.describeCluster();
    same(brokers.map(({ isFenced }) => isFenced), brokers.map(() => false), "What is fenced");
    const quorum = await admin.describeQuorum();
    same(quorum.voters.length, place.nodes, "The voters");
    same(quorum.voters.some(({ nodeId }) => nodeId === quorum.leaderId), true, "The leader votes");
    const partition = { topic, partition: 0 };
    await admin.electLeaders("preferred", [partition]);
    same(await admin.listPartitionReassignments(), [], "What is being reassigned");
    const [described] = await admin.describeTopics([topic]);
    const { replicas } = described!.partitions[0]!;
    await admin.alterPartitionReassignments([{ ...partition, replicas: replicas.toReversed() }]);
    await until("reassigned", async () => (await admin.listPartitionReassignments()).length === 0);
    await until("the new order", async () => {
      const [{ partitions: [moved] } = { partitions: [] }] = await admin.describeTopics([topic]);
      return String(moved?.replicas) === String(replicas.toReversed());
    });
    await using producer = await Producer.connect(kafka(place));
    await producer.sendBatch(topic, texts(5).map((value) => ({ value })));
    const [offsets] = await admin.describeOffsets([partition]);
    same(offsets, { ...partition, logStartOffset: 0, highWatermark: 5, logEndOffset: 5 });
  },
  "configs of all kinds": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "configured");
    const resource = { type: "topic", name: topic } as const;
    const valueOf = async (key: string) => {
      const [described] = await admin.describeConfigs([{ ...resource, keys: [key] }]);
      return described!.configs[0]?.value;
    };
    const becomes = (key: string, value: string) =>
      until(`${key} is ${value}`, async () => await valueOf(key) === value);
    await admin.alterConfigs([{ ...resource, append: { "cleanup.policy": "compact" } }]);
    await becomes("cleanup.policy", "delete,compact");
    await admin.alterConfigs([{ ...resource, subtract: { "cleanup.policy": "delete" } }]);
    await becomes("cleanup.policy", "compact");
    await admin.alterConfigs([{ ...resource, delete: ["cleanup.policy"] }]);
    await becomes("cleanup.policy", "delete");
    const set = { "retention.ms": "77777" };
    await admin.alterConfigs([{ ...resource, set }], { validateOnly: true });
    same(await valueOf("retention.ms") === "77777", false, "What was only validated is there");
    const [broker] = (await admin.describeCluster()).brokers;
    const name = String(broker!.nodeId);
    const [described] = await admin.describeConfigs([{ type: "broker", name }]);
    const nodeId = described!.configs.find(({ name }) => name === "node.id");
    same(nodeId?.value, name, "node.id of a broker");
    await admin.alterConfigs([{ type: "broker", name, set: { "message.max.bytes": "11999999" } }]);
    await admin.alterConfigs([{ type: "broker", name, delete: ["message.max.bytes"] }]);
    const group = { type: "group" as const, name: place.fresh("group") };
    const timeout = "consumer.session.timeout.ms";
    await admin.alterConfigs([{ ...group, set: { [timeout]: "50000" } }]);
    await until("the group's session timeout is 50000", async () => {
      const [described] = await admin.describeConfigs([{ ...group, keys: [timeout] }]);
      return described!.configs[0]?.value === "50000";
    });
  },
  "errors": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "taken");
    const codeOf = async (promise: Promise<unknown>) => {
      try {
        await promise;
        return "none";
      } catch (error) {
        return error instanceof ClientError ? error.errorName : String(error);
      }
    };
    const missing = place.fresh("missing");
    const bad = { "retention.ms": "soon" };
    same(
      [
        await codeOf(admin.createTopics([{ name: topic }])),
        await codeOf(admin.createTopics([{ name: "not a name" }])),
        await codeOf(admin.createTopics([{ name: missing, partitions: 0 }])),
        await codeOf(admin.createTopics([{ name: missing, replicationFactor: 99 }])),
        await codeOf(admin.createTopics([{ name: missing, configs: bad }])),
        await codeOf(admin.createPartitions([{ name: topic, count: 1 }])),
        await codeOf(admin.deleteTopics([missing])),
        await codeOf(admin.describeTopics([missing])),
        await codeOf(admin.deleteGroups([missing])),
        await codeOf(admin.alterConfigs([{ type: "topic", name: topic, set: bad }])),
        await codeOf(admin.deleteRecords([{ topic, partition: 0, beforeOffset: 9 }])),
        await codeOf(admin.describeTransactions([missing])),
      ],
      [
        "TOPIC_ALREADY_EXISTS",
        "INVALID_TOPIC_EXCEPTION",
        "INVALID_PARTITIONS",
        "INVALID_REPLICATION_FACTOR",
        "INVALID_CONFIG",
        "INVALID_PARTITIONS",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "GROUP_ID_NOT_FOUND",
        "INVALID_CONFIG",
        "OFFSET_OUT_OF_RANGE",
        "TRANSACTIONAL_ID_NOT_FOUND",
      ],
      "The errors",
    );
  },
  "quotas": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const entity = { clientId: place.fresh("client") };
    await admin.alterClientQuotas([{ entity, set: { producer_byte_rate: 5000 } }]);
    const found = async () =>
      (await admin.describeClientQuotas(entity)).map(({ quotas }) => quotas);
    await until("the quota", async () => (await found()).length === 1);
    same(await found(), [{ producer_byte_rate: 5000 }]);
    await admin.alterClientQuotas([{ entity, remove: ["producer_byte_rate"] }]);
    await until("no quota", async () => (await found()).length === 0);
    const nobody = { clientId: null };
    await admin.alterClientQuotas([{ entity: nobody, set: { request_percentage: 9000 } }]);
    await until("the default", async () => (await admin.describeClientQuotas(nobody)).length === 1);
    await admin.alterClientQuotas([{ entity: nobody, remove: ["request_percentage"] }]);
  },
  "groups' offsets": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "offsets", 2);
    const group = place.fresh("group");
    await admin.alterConsumerGroupOffsets(group, [
      { topic, partition: 0, offset: 3, metadata: "here" },
      { topic, partition: 1, offset: 4 },
    ]);
    const offsets = async () =>
      (await admin.listConsumerGroupOffsets(group)).map(({ partition, offset, metadata }) => [
        partition,
        offset,
        metadata,
      ]);
    same((await offsets()).sort(), [[0, 3, "here"], [1, 4, ""]]);
    await admin.deleteConsumerGroupOffsets(group, [{ topic, partition: 0 }]);
    same(await offsets(), [[1, 4, ""]]);
    const [described] = await admin.describeGroups([group]);
    same([described?.state, described?.type, described?.members], ["Empty", "classic", []]);
    const listed = async () => (await admin.listGroups()).find(({ groupId }) => groupId === group);
    same((await listed())?.state, "Empty");
    await admin.deleteGroups([group]);
    same(await listed(), undefined);
  },
  "members": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "members", 3);
    for (const groupProtocol of ["classic", "consumer"] as const) {
      const group = place.fresh("group");
      const groupInstanceId = "one";
      const config = { group, groupProtocol, groupInstanceId, clientId: "me", topics: [topic] };
      const first = await Consumer.connect(kafka(place), config);
      await until("all partitions", async () => {
        await first.poll(20);
        return first.assignment().length === 3;
      });
      const [described] = await admin.describeGroups([group]);
      same([described?.type, described?.state, described?.members.length], [
        groupProtocol,
        "Stable",
        1,
      ]);
      const [member] = described!.members;
      same([member!.clientId, member!.groupInstanceId], ["me", "one"]);
      const listed = (await admin.listGroups()).find(({ groupId }) => groupId === group);
      same([listed?.type, listed?.state], [groupProtocol, "Stable"]);
      await first.close();
      // It comes back to what it had, without a rebalance.
      await using second = await Consumer.connect(kafka(place), config);
      await until("all partitions again", async () => {
        await second.poll(20);
        return second.assignment().length === 3;
      });
    }
  },
  "assignors": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "assigned", 4);
    const names: AssignorName[] = ["range", "roundrobin", "sticky", "cooperative-sticky"];
    const configs: ConsumerConfig[] = [
      ...names.map((name) => ({ groupProtocol: "classic" as const, assignors: [name] })),
      ...["range", "uniform"].map((groupRemoteAssignor) => ({
        groupProtocol: "consumer" as const,
        groupRemoteAssignor,
      })),
    ];
    await Promise.all(configs.map(async (config) => {
      const group = place.fresh("group");
      const members = await Promise.all(
        [1, 2].map(() =>
          Consumer.connect(kafka(place), {
            group,
            topics: [topic],
            heartbeatIntervalMs: 100,
            ...config,
          })
        ),
      );
      await until(`two each of ${JSON.stringify(config)}`, async () => {
        await Promise.all(members.map((member) => member.poll(20)));
        return members.every((member) => member.assignment().length === 2);
      });
      const [described] = await admin.describeGroups([group]);
      same(described!.assignor, config.groupRemoteAssignor ?? config.assignors![0]);
      await Promise.all(members.map((member) => member.close()));
    }));
  },
  "patterns": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const prefix = place.fresh("pattern");
    await admin.createTopics([{ name: `${prefix}-a`, partitions: 1 }]);
    for (const groupProtocol of ["classic", "consumer"] as const) {
      await using consumer = await Consumer.connect(kafka(place), {
        group: place.fresh("group"),
        groupProtocol,
        topics: new RegExp(`^${prefix}-.*`),
        metadataMaxAgeMs: 500,
        heartbeatIntervalMs: 100,
      });
      const owns = (count: number) => async () => {
        await consumer.poll(20);
        return consumer.assignment().length === count;
      };
      const before = groupProtocol === "classic" ? 1 : 2;
      await until(`${before} of ${groupProtocol}`, owns(before));
      await admin.createTopics([{ name: `${prefix}-${groupProtocol}`, partitions: 1 }]);
      await until(`${before + 1} of ${groupProtocol}`, owns(before + 1));
    }
  },
  "transactions looked after": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "transactional");
    const transactionalId = place.fresh("tx");
    await using producer = await Producer.connect(kafka(place), { transactionalId });
    let failure: unknown;
    await producer.transaction(async (transaction) => {
      await transaction.send({ topic, value: "open" });
      const [described] = await admin.describeTransactions([transactionalId]);
      same(described!.state, "Ongoing");
      const listed = await admin.listTransactions({ states: ["Ongoing"] });
      same(listed.some((listing) => listing.transactionalId === transactionalId), true, "listed");
      const [known] = await admin.describeProducers([{ topic, partition: 0 }]);
      const [{ producerId, producerEpoch, coordinatorEpoch, currentTransactionStartOffset }] =
        known!.producers as [ProducerDescription];
      same([producerId, currentTransactionStartOffset], [described!.producerId, 0]);
      await admin.abortTransaction({
        topic,
        partition: 0,
        producerId,
        producerEpoch,
        coordinatorEpoch: Math.max(0, coordinatorEpoch),
      });
      await admin.fenceProducers([transactionalId]);
      await until("aborted", async () => {
        const [now] = await admin.describeTransactions([transactionalId]);
        return now!.state !== "Ongoing" && now!.state !== "PrepareAbort";
      });
    }).catch((error) => failure = error);
    same(failure instanceof ProducerFencedError, true, `Fenced: ${failure}`);
  },
  // Before version 2 a client tells the coordinator of partitions before it writes to them.
  "transactions by version": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "versions");
    for (const version of [1, 2]) {
      await admin.updateFeatures({ "transaction.version": version }, { downgrade: version === 1 });
      const transactionalId = place.fresh("tx");
      await using producer = await Producer.connect(kafka(place), { transactionalId });
      const group = place.fresh("group");
      await using consumer = await Consumer.connect(kafka(place), { group, topics: [topic] });
      await until("a partition", async () => {
        await consumer.poll(20);
        return consumer.assignment().length === 1;
      });
      for (const number of [1, 2, 3]) {
        await producer.transaction(async (transaction) => {
          await transaction.send({ topic, value: `${version}.${number}` });
          const offsets = [{ topic, partition: 0, offset: number }];
          await transaction.sendOffsets(offsets, consumer.groupMetadata());
          if (number === 2) throw new Error("changed my mind");
        }).catch((error) => same(error.message, "changed my mind"));
      }
      const [committed] = await admin.listConsumerGroupOffsets(group);
      same(committed?.offset, 3, "The committed offset");
      // Since version 2 each transaction has an epoch of its own.
      const [described] = await admin.describeTransactions([transactionalId]);
      same(described!.producerEpoch > 0, version === 2, "Whether the epoch has risen");
    }
    await using consumer = await Consumer.connect(kafka(place), {
      topics: [topic],
      from: "earliest",
      isolationLevel: "read_committed",
    });
    const found: string[] = [];
    while (found.length < 4) found.push(...(await consumer.poll(1000)).map((r) => r.text()!));
    same(found, ["1.1", "1.3", "2.1", "2.3"]);
  },
  "many records": async (place) => {
    await using admin = await Admin.connect(kafka(place));
    const topic = await created(admin, place, "many", 4);
    await using producer = await Producer.connect(kafka(place), { compression: "lz4" });
    const count = 200_000;
    for (let index = 0; index < count; index++) {
      void producer.send({ topic, value: `${index}`, partition: index % 4 });
      if (index % 1000 === 0) await producer.ready();
    }
    await producer.flush();
    await using consumer = await Consumer.connect(kafka(place), {
      topics: [topic],
      from: "earliest",
    });
    const next = [0, 1, 2, 3];
    let found = 0;
    while (found < count) {
      for (const record of await consumer.poll(1000)) {
        same(Number(record.text()), next[record.partition], "A value");
        next[record.partition]! += 4;
        found++;
      }
    }
  },
  "command line": async (place) => {
    const topic = place.fresh("line");
    const group = place.fresh("group");
    const at = ["--topic", topic];
    const of = ["--group", group];
    const reading = ["consume", ...at, "--from-beginning", "--max-messages", "3"];
    await strom(place, ["topics", "create", ...at, "--partitions", "2"]);
    await strom(place, ["topics", "alter", ...at, "--config", "retention.ms=99999999"]);
    same((await strom(place, ["topics", "list"])).includes(topic), true, "Whether it is listed");
    const described = await strom(place, ["topics", "describe", ...at]);
    same(/2 partitions .* retention.ms=99999999/.test(described), true, described);
    await strom(place, ["produce", ...at, "--key-separator", ":"], "a:1\nb:2\nc:3\n");
    const lines = await strom(place, [...reading, "--format", "%k=%v\\n"]);
    same(lines.trim().split("\n").sort(), ["a=1", "b=2", "c=3"], "What was read");
    const shared = await strom(place, [...reading, ...of]);
    same(shared.trim().split("\n").sort(), ["1", "2", "3"], "What the group read");
    const stood = await strom(place, ["groups", "describe", ...of]);
    same(/Empty[^]* lag 0 [^]* lag 0 /.test(stood), true, stood);
    const reset = ["--to", "earliest", "--execute"];
    same(
      /-> 0/.test(await strom(place, ["groups", "reset-offsets", ...at, ...of, ...reset])),
      true,
    );
    await strom(place, ["groups", "delete", ...of]);
    same((await strom(place, ["groups", "list"])).includes(group), false, "Whether it is listed");
    await strom(place, ["topics", "delete", ...at]);
  },
};

const STROM = fromFileUrl(new URL("../../scripts/strom.ts", import.meta.url));

/** What a command prints. @throws what it says where it fails */
async function strom(place: Place, command: readonly string[], input = ""): Promise<string> {
  const args = ["run", "-qA", "--no-check", STROM, ...command, "--bootstrap", kafka(place)];
  const child = new Deno.Command(Deno.execPath(), {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  if (code !== 0) {
    throw new Error(`strom ${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) await run(trials);
