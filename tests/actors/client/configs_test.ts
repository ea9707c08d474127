import { assertEquals, assertThrows } from "@std/assert";
import {
  adminSettings,
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

const unknown: readonly (readonly [settings: () => unknown, message: string])[] = [
  [
    () => producerSettings({ clientId: "me", ...{ lingerMS: 5 } }),
    "Cannot use lingerMS: a producer has no such config; did you mean lingerMs?",
  ],
  [
    () => producerSettings({ clientId: "me", ...{ "delivery.timeout.ms": 5 } }),
    "Cannot use delivery.timeout.ms: a producer has no such config; did you mean deliveryTimeoutMs?",
  ],
  [
    () => consumerSettings({ clientId: "me", ...{ group_id: "g" } }),
    "Cannot use group_id: a consumer has no such config; did you mean group?",
  ],
  [
    () => adminSettings({ clientId: "me", ...{ acks: "all" } }),
    "Cannot use acks: an admin client has no such config",
  ],
];
for (const [settings, message] of unknown) {
  Deno.test(`configs: unknown is refused: ${message}`, () => {
    assertEquals(assertThrows(settings, InvalidConfigError).message, message);
  });
}

Deno.test("configs: what is undefined is not given", () => {
  assertEquals(producerSettings({ clientId: "me", ...{ brokers: undefined } }).acks, -1);
});

const refusedInGroup: readonly (readonly [string, ConsumerConfig])[] = [
  ["group", { group: "" }],
  ["sessionTimeoutMs", { group: "g", sessionTimeoutMs: 1000 }],
  ["groupProtocol", { group: "g", groupProtocol: "newest" as never }],
  ["assignors", { group: "g", groupProtocol: "consumer", assignors: ["range"] }],
  ["assignors", { group: "g", assignors: [] }],
  ["assignors", { group: "g", assignors: ["range", "range"] }],
  ["assignor random", { group: "g", assignors: ["random" as never] }],
];
for (const [name, config] of refusedInGroup) {
  Deno.test(`configs: of a group ${JSON.stringify(config)} is refused`, () => {
    assertThrows(() => consumerSettings(config), InvalidConfigError, name);
  });
}

Deno.test("configs: a group is of the consumer protocol, unless assignors are given", () => {
  assertEquals(consumerSettings({}).group, undefined);
  assertEquals(consumerSettings({ group: "g" }).group?.groupProtocol, "consumer");
  const classic = consumerSettings({ group: "g", assignors: ["sticky"] }).group;
  assertEquals(classic?.groupProtocol, "classic");
  assertEquals(classic?.assignors.map(({ name }) => name), ["sticky"]);
});

Deno.test("configs: a transactional id asks for idempotence, and does not go without", () => {
  assertEquals(producerSettings({ transactionalId: "x" }).enableIdempotence, true);
  const refused: readonly ProducerConfig[] = [
    { transactionalId: "" },
    { transactionalId: "x", enableIdempotence: false },
    { transactionalId: "x", acks: 1 },
    { transactionalId: "x", retries: 0 },
  ];
  for (const config of refused) {
    assertThrows(() => producerSettings(config), InvalidConfigError);
  }
});
