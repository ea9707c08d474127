import { assertEquals, assertRejects } from "@std/assert";
import { type TopicDescription, UnknownTopicError } from "../../mod.ts";
import { createdTopic } from "../../scripts/commands/created_topic.ts";

const TOPIC = { name: "t", topicId: "", isInternal: false, partitions: [] } as TopicDescription;

/** Brokers that hear of a topic when they have been asked for it so many times. */
function brokers(asks: number) {
  let asked = 0;
  return {
    describeTopics: () =>
      ++asked > asks
        ? Promise.resolve([TOPIC])
        : Promise.reject(new UnknownTopicError("Cannot describe topic t")),
  };
}

Deno.test("created topic: is waited for until brokers have heard of it", async () => {
  let waits = 0;
  const wait = () => {
    waits++;
    return Promise.resolve();
  };
  assertEquals(await createdTopic(brokers(3), "t", wait), TOPIC);
  assertEquals(waits, 3);
  await assertRejects(() => createdTopic(brokers(1000), "t", wait), UnknownTopicError);
});

Deno.test("created topic: another error is not waited for", async () => {
  const refusing = { describeTopics: () => Promise.reject(new TypeError("no")) };
  await assertRejects(() => createdTopic(refusing, "t"), TypeError);
});
