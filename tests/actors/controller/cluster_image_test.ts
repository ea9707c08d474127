import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ClusterImage, CONFIG_RESOURCE } from "../../../actors/controller/cluster_image.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
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
  switch ((kind ?? 0) % 8) {
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
    case 6:
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
