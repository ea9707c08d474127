import { assertEquals, assertThrows } from "@std/assert";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import fc from "fast-check";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import { differences } from "../../../actors/controller/image_changes.ts";
import {
  METADATA_TABLES,
  type MetadataRecord,
  recordVersion,
} from "../../../actors/controller/metadata_record.ts";
import { noChange } from "../../../actors/controller/partition_image.ts";
import { decodeRecord, encodeRecord } from "../../../net/kafka/record_frame.ts";
import {
  brokerRecord,
  contents,
  idOf,
  imageOf,
  leaderRecord,
  partitionRecord,
  topicConfigRecord,
  topicRecord,
  topicRecords,
} from "./images.ts";

Deno.test("cluster image: a topic stands under its name and its id", () => {
  const image = imageOf(topicRecords("orders", 2));
  assertEquals(image.topicByName("orders"), image.topicById(idOf("orders")));
  assertEquals(image.topicByName("orders")?.partitions.length, 2);
  assertEquals(image.partitionCount, 2);
});

Deno.test("cluster image: a removed topic is gone with its partitions and configs", () => {
  const image = imageOf(topicRecords("orders", 2), topicConfigRecord("orders", "flush.ms", "1"));
  image.replay({ kind: "RemoveTopicRecord", value: { topicId: idOf("orders") } });
  assertEquals(contents(image), contents(new ClusterImage()));
  assertEquals(image.configs(CONFIG_RESOURCE.topic, "orders").size, 0);
});

Deno.test("cluster image: each change of a partition raises its epoch, one of leader the leader epoch", () => {
  const image = imageOf(topicRecords("orders", 1));
  const partition = () => image.topicByName("orders")?.partitions[0];
  image.replay(leaderRecord(idOf("orders"), 0, 1));
  assertEquals([partition()?.partitionEpoch, partition()?.leaderEpoch], [1, 1]);
  image.replay(leaderRecord(idOf("orders"), 0, -2));
  assertEquals([partition()?.partitionEpoch, partition()?.leaderEpoch], [2, 1]);
  image.replay(leaderRecord(idOf("orders"), 0, -1));
  assertEquals([partition()?.leader, partition()?.leaderEpoch], [-1, 2]);
});

Deno.test("cluster image: a config without a value is gone", () => {
  const image = imageOf(
    topicConfigRecord("a", "flush.ms", "1"),
    topicConfigRecord("a", "flush.ms", null),
  );
  assertEquals(image.configs(CONFIG_RESOURCE.topic, "a").size, 0);
});

Deno.test("cluster image: a fenced broker stays fenced until a record says otherwise", () => {
  const change = (fenced: number, inControlledShutdown: number): MetadataRecord => ({
    kind: "BrokerRegistrationChangeRecord",
    value: { brokerId: 1, brokerEpoch: 100, fenced, inControlledShutdown, logDirs: [] },
  });
  const image = imageOf(brokerRecord(1, 100, { fenced: true }), change(0, 1));
  assertEquals(image.brokers.get(1)?.fenced, true);
  assertEquals(image.brokers.get(1)?.inControlledShutdown, true);
  image.replay(change(-1, 0));
  assertEquals(image.brokers.get(1)?.fenced, false);
  assertEquals(image.brokers.get(1)?.inControlledShutdown, true);
});

const contradictions: readonly (readonly [string, readonly MetadataRecord[], string])[] = [
  ["a topic that exists", [topicRecord("a"), topicRecord("a")], "Cannot create topic a: it exists"],
  ["a topic that is not there", [partitionRecord(idOf("a"), 0, [1])], "Cannot find topic"],
  [
    "a gap between partitions",
    [topicRecord("a"), partitionRecord(idOf("a"), 1, [1])],
    "Cannot add partition 1 to a: a gap",
  ],
  [
    "a partition that is not there",
    [topicRecord("a"), leaderRecord(idOf("a"), 0, 1)],
    "Cannot change partition 0 of a",
  ],
  [
    "an earlier registration of a broker",
    [brokerRecord(1, 5), {
      kind: "BrokerRegistrationChangeRecord",
      value: { brokerId: 1, brokerEpoch: 4, fenced: 1, inControlledShutdown: 0, logDirs: [] },
    }],
    "Cannot change broker 1",
  ],
];

for (const [name, records, message] of contradictions) {
  Deno.test(`cluster image: a record that contradicts it is refused: ${name}`, () => {
    assertThrows(() => imageOf(records), Error, message);
  });
}

const NAMES = ["a", "b", "c"];

/** Turns three drawn numbers into a record that the image can replay. */
function recordFor(image: ClusterImage, [kind, which, value]: readonly number[]): MetadataRecord {
  const name = NAMES[(which ?? 0) % NAMES.length] ?? "a";
  const topic = image.topicByName(name);
  switch ((kind ?? 0) % 10) {
    case 0:
      return brokerRecord((which ?? 0) % 3, value);
    case 1: {
      const broker = image.brokers.get((which ?? 0) % 3);
      if (broker === undefined) return brokerRecord((which ?? 0) % 3, value);
      return {
        kind: "BrokerRegistrationChangeRecord",
        value: {
          brokerId: broker.id,
          brokerEpoch: broker.epoch,
          fenced: (value ?? 0) % 3 - 1,
          inControlledShutdown: (value ?? 0) % 2,
          logDirs: [],
        },
      };
    }
    case 2:
      return topicConfigRecord(name, "flush.ms", (value ?? 0) % 3 === 0 ? null : String(value));
    case 3:
      return {
        kind: "FeatureLevelRecord",
        value: { name: "metadata.version", featureLevel: (value ?? 0) % 3 },
      };
    case 4:
      return {
        kind: "ProducerIdsRecord",
        value: { brokerId: 1, brokerEpoch: 1, nextProducerId: value ?? 0 },
      };
    case 5:
      return topic === undefined
        ? topicRecord(name, idOf(`${name}${value}`))
        : { kind: "RemoveTopicRecord", value: { topicId: topic.id } };
    case 6: {
      const broker = image.brokers.get((which ?? 0) % 3);
      if (broker === undefined) return { kind: "NoOpRecord", value: {} };
      const { id: brokerId, epoch: brokerEpoch } = broker;
      return { kind: "UnregisterBrokerRecord", value: { brokerId, brokerEpoch } };
    }
    case 7:
      if (topic === undefined || topic.partitions.length === 0) return brokerRecord(1, value);
      return {
        kind: "PartitionChangeRecord",
        value: {
          ...noChange(topic.id, 0),
          isr: (value ?? 0) % 2 === 0 ? [] : null,
          replicas: [1, 2, (value ?? 0) % 9],
          addingReplicas: (value ?? 0) % 3 === 0 ? [2] : null,
          removingReplicas: (value ?? 0) % 5 === 0 ? [1] : [],
          leaderRecoveryState: (value ?? 0) % 2,
          eligibleLeaderReplicas: (value ?? 0) % 3 === 0 ? [1] : [],
          lastKnownElr: (value ?? 0) % 4 === 0 ? [1] : null,
        },
      };
    case 8:
      if (topic === undefined) return topicRecord(name, idOf(`${name}${value}`));
      return partitionRecord(topic.id, topic.partitions.length, [(value ?? 0) % 3]);
    default:
      if (topic === undefined) return topicRecord(name, idOf(`${name}${value}`));
      return topic.partitions.length === 0
        ? partitionRecord(topic.id, 0, [1])
        : leaderRecord(topic.id, 0, (value ?? 0) % 4 - 2);
  }
}

Deno.test("cluster image: undone in reverse, any records leave the image as it was", () => {
  const drawn = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(1000)), { maxLength: 60 });
  fc.assert(fc.property(drawn, drawn, (before, after) => {
    const image = new ClusterImage();
    for (const draw of before) image.replay(recordFor(image, draw));
    const states: unknown[] = [];
    const undo: (() => void)[][] = [];
    for (const draw of after) {
      states.push(contents(image));
      const steps: (() => void)[] = [];
      image.replay(recordFor(image, draw), steps);
      undo.push(steps);
    }
    while (undo.length > 0) {
      for (const step of undo.pop()?.toReversed() ?? []) step();
      assertEquals(contents(image), states.pop());
    }
  }));
});

/** Through the bytes of the log, in the version in which it is written. */
function reread(record: MetadataRecord): MetadataRecord {
  const { table } = METADATA_TABLES[record.kind];
  const bytes = encodeRecord<MetadataRecord["value"]>(table, recordVersion(record), record.value);
  const { kind, value } = decodeRecord(bytes);
  return { kind, value } as MetadataRecord;
}

Deno.test("cluster image: whatever was replayed, its records make it anew, from the bytes of a log", () => {
  const drawn = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(1000)), { maxLength: 60 });
  fc.assert(fc.property(drawn, drawn, (one, other) => {
    const [image, loaded] = [new ClusterImage(), new ClusterImage()];
    for (const draw of one) image.replay(recordFor(image, draw));
    for (const draw of other) loaded.replay(recordFor(loaded, draw));
    loaded.load([...image.records()].map(reread));
    assertEquals(contents(loaded), contents(image));
    assertEquals(differences(loaded, image), []);
  }));
});

Deno.test("cluster image: what a snapshot changes is told: all that is gone, new, or different", () => {
  const image = imageOf(
    brokerRecord(1),
    brokerRecord(2),
    topicRecords("same", 1),
    topicRecords("changed", 2),
    topicRecords("gone", 1),
    topicConfigRecord("changed", "flush.ms", "1"),
    { kind: "FeatureLevelRecord", value: { name: "metadata.version", featureLevel: 22 } },
  );
  const gone = image.topicByName("gone")!;
  const snapshot = imageOf(
    brokerRecord(1),
    brokerRecord(3),
    topicRecords("same", 1),
    topicRecords("changed", 2),
    leaderRecord(idOf("changed"), 1, 1),
    topicRecords("new", 1),
    { kind: "ProducerIdsRecord", value: { brokerId: 1, brokerEpoch: 1, nextProducerId: 1000 } },
  );
  const made = snapshot.topicByName("new")!;
  assertEquals(image.load(snapshot.records()), [
    { kind: "feature", name: "metadata.version" },
    { kind: "broker", id: 2 },
    { kind: "broker", id: 3 },
    { kind: "topic-removed", topic: gone },
    { kind: "config", resourceType: CONFIG_RESOURCE.topic, resourceName: "changed" },
    { kind: "partition", topicId: idOf("changed"), partition: 1 },
    { kind: "topic-created", topic: made },
    { kind: "partition", topicId: idOf("new"), partition: 0 },
    { kind: "producer-ids" },
  ]);
});

Deno.test("cluster image: a record of a partition is written in the oldest version that can say it", () => {
  const id = idOf("a");
  const change = noChange(id, 0);
  const versions = ([
    { kind: "PartitionRecord", value: { ...partitionValue(id), eligibleLeaderReplicas: [2] } },
    { kind: "PartitionRecord", value: partitionValue(id) },
    { kind: "PartitionChangeRecord", value: change },
    { kind: "PartitionChangeRecord", value: { ...change, lastKnownElr: [] } },
  ] as const).map(recordVersion);
  assertEquals(versions, [2, 1, 1, 2]);
});

function partitionValue(id: string) {
  const record = partitionRecord(id, 0, [1, 2]);
  if (record.kind !== "PartitionRecord") throw new Error("It is a partition");
  return record.value;
}
