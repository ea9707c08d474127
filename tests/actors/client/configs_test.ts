import { assertEquals, assertThrows } from "@std/assert";
import {
  type ConsumerConfig,
  consumerSettings,
  type ProducerConfig,
  producerSettings,
} from "../../../actors/client/configs.ts";
import { InvalidConfigError } from "../../../actors/client/errors.ts";

Deno.test("configs: absent ones take Kafka's defaults", () => {
  const producer = producerSettings({});
  assertEquals(producer.acks, -1);
  assertEquals(producer.batchSize, 16384);
  assertEquals(producer.bufferMemory, 32 * 1024 * 1024);
  assertEquals(producer.deliveryTimeoutMs, 120_000);
  assertEquals(producer.requestTimeoutMs, 30_000);
  assertEquals(producer.compression, "none");
  const consumer = consumerSettings({});
  assertEquals(consumer.fetchMaxWaitMs, 500);
  assertEquals(consumer.autoOffsetReset, "latest");
  assertEquals(consumer.isReadCommitted, false);
});

Deno.test("configs: a linger that is given is kept to, one that is absent is for busy brokers", () => {
  assertEquals(producerSettings({}).eager, true);
  assertEquals(producerSettings({ lingerMs: 5 }).eager, false);
  assertEquals(producerSettings({ lingerMs: 0 }).eager, true);
});

Deno.test("configs: a consumer that begins at the start goes back there when its offset is gone", () => {
  assertEquals(consumerSettings({ from: "earliest" }).autoOffsetReset, "earliest");
  assertEquals(
    consumerSettings({ from: "earliest", autoOffsetReset: "none" }).autoOffsetReset,
    "none",
  );
  assertEquals(consumerSettings({ autoOffsetReset: "earliest" }).from, "earliest");
});

const refusedByProducer: readonly (readonly [string, unknown])[] = [
  ["acks", 2],
  ["batchSize", -1],
  ["batchSize", "16384"],
  ["lingerMs", 0.5],
  ["maxInFlightRequestsPerConnection", 0],
  ["compression", "zip"],
  ["deliveryTimeoutMs", 10],
];
for (const [name, value] of refusedByProducer) {
  Deno.test(`configs: a producer's ${name} of ${JSON.stringify(value)} is refused by name`, () => {
    const config = { [name]: value } as ProducerConfig;
    assertThrows(() => producerSettings(config), InvalidConfigError, name);
  });
}

const refusedByConsumer: readonly (readonly [string, unknown])[] = [
  ["fetchMaxBytes", 0],
  ["isolationLevel", "serializable"],
  ["autoOffsetReset", "smallest"],
  ["from", { timestamp: -5 }],
];
for (const [name, value] of refusedByConsumer) {
  Deno.test(`configs: a consumer's ${name} of ${JSON.stringify(value)} is refused by name`, () => {
    const config = { [name]: value } as ConsumerConfig;
    assertThrows(() => consumerSettings(config), InvalidConfigError, name);
  });
}
