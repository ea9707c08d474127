/**
 * Clients that are closed at any moment, on a node that may be gone: every promise that a client
 * has given settles in its time, and at the latest with that of `close`.
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Admin } from "../../../actors/client/admin/admin.ts";
import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { SeededRandom } from "../../../actors/sim/random.ts";
import { ADDRESS, KAFKA_ADDRESS, NodeWorld } from "./node_world.ts";

const CLIENT = 2;
/** Longer than all time-outs together that clients have here. */
const LONG_MS = 120_000;
const TOPICS = ["t", "none"];

/** The name of what waits for ever. */
const ENDLESS = "endless";

type Client = Producer | Consumer | Admin;

/** Does something with the client that gives a promise. */
type Act<C extends Client> = (client: C, run: Run) => Promise<unknown>;

class Run {
  readonly world: NodeWorld;
  readonly random: RandomStream;
  readonly #open = new Map<Promise<unknown>, string>();

  constructor(seed: number) {
    this.random = new SeededRandom(seed).stream("closing");
    this.world = new NodeWorld({
      seed,
      properties: { "transaction.state.log.num.partitions": "1" },
    });
  }

  /** What has not settled. */
  get open(): string[] {
    return [...this.#open.values()];
  }

  track(name: string, promise: Promise<unknown>): void {
    this.#open.set(promise, name);
    const end = () => void this.#open.delete(promise);
    promise.then(end, end);
  }

  topic(): string {
    return TOPICS[this.random.chance(1, 5) ? 1 : 0]!;
  }

  partition(): { topic: string; partition: number } {
    return { topic: this.topic(), partition: this.random.integer(2) };
  }

  /** As users wait for something else. */
  pause(delayMs: number): Promise<void> {
    const { timers } = this.world.at(CLIENT);
    return new Promise((resolve) => void timers.schedule(delayMs, resolve));
  }

  /** The node goes, or cannot be reached, and may be back. */
  trouble(): void {
    const { simulation } = this.world;
    const node = simulation.node("node");
    const atMs = this.random.integer(3_000);
    const forMs = this.random.chance(1, 2) ? this.random.integer(5_000) : 10 * LONG_MS;
    if (this.random.chance(1, 2)) {
      simulation.at(atMs, "crash", () => node.crash());
      simulation.at(atMs + forMs, "restart", () => node.restart());
    } else if (this.random.chance(2, 3)) {
      const { links } = simulation;
      simulation.at(atMs, "cut", () => {
        links.partition("node", `client${CLIENT}`);
        links.partition(`client${CLIENT}`, "node");
      });
      simulation.at(atMs + forMs, "heal", () => links.healAll());
    }
  }
}

const SENDING: readonly Act<Producer>[] = [
  (producer, run) => producer.send({ topic: run.topic(), value: "v" }),
  (producer, run) => producer.sendBatch(run.topic(), Array(50).fill({ value: "x".repeat(100) })),
  (producer) => producer.flush(),
  (producer) => producer.ready(),
];

const SENDING_IN_TRANSACTIONS: readonly Act<Producer>[] = [
  (producer, run) =>
    producer.transaction(async (transaction) => {
      run.track("send in a transaction", transaction.send({ topic: run.topic(), value: "v" }));
      await run.pause(run.random.integer(1_500));
      const offsets = [{ ...run.partition(), offset: 1 }];
      const group = { groupId: "g", generationId: -1, memberId: "", groupInstanceId: null };
      if (run.random.chance(1, 2)) {
        run.track("sendOffsets", transaction.sendOffsets(offsets, group));
      }
      if (run.random.chance(1, 3)) throw new Error("Changed my mind");
    }),
  (producer) => producer.flush(),
];

/** Until there are records. */
const WAITING: readonly Act<Consumer>[] = [
  (consumer) => consumer.poll(Infinity),
  (consumer) => consumer[Symbol.asyncIterator]().next(),
];

const READING: readonly Act<Consumer>[] = [
  (consumer, run) => consumer.poll(run.random.integer(1_000)),
  ...WAITING,
  (consumer, run) => consumer.endOffsets([run.partition()]),
  (consumer, run) => consumer.beginningOffsets([run.partition()]),
  (consumer, run) => consumer.offsetsForTimes([{ ...run.partition(), timestamp: 1 }]),
];

const READING_AS_GROUP: readonly Act<Consumer>[] = [
  ...READING,
  (consumer) => consumer.commit(),
  (consumer, run) => consumer.commit([{ ...run.partition(), offset: 1 }]),
  (consumer, run) => consumer.committed([run.partition()]),
  (consumer) => new Promise((resolve) => consumer.commitAsync(undefined, resolve)),
];

const ADMINISTERING: readonly Act<Admin>[] = [
  (admin, run) => admin.createTopics([{ name: `made-${run.random.integer(100)}` }]),
  (admin) => admin.listTopics(),
  (admin) => admin.describeTopics(["t"]),
  (admin) => admin.describeTopics(["none"]),
  (admin) => admin.listGroups(),
  (admin) => admin.listConsumerGroupOffsets("g"),
  (admin) => admin.describeQuorum(),
];

const SHORT = {
  requestTimeoutMs: 4_000,
  maxBlockMs: 10_000,
  deliveryTimeoutMs: 15_000,
  defaultApiTimeoutMs: 30_000,
};

interface Kind<C extends Client> {
  readonly name: string;
  connect(address: string, run: Run): Promise<C>;
  readonly acts: readonly Act<C>[];
}

const KINDS: readonly Kind<Client>[] = [
  {
    name: "producer",
    connect: (address, run) =>
      Producer.connect(address, {
        ...pick("requestTimeoutMs", "maxBlockMs", "deliveryTimeoutMs"),
        bufferMemory: 20_000,
        batchSize: 2_000,
        environment: run.world.at(CLIENT),
      }),
    acts: SENDING,
  } as Kind<Client>,
  {
    name: "producer with transactions",
    connect: (address, run) =>
      Producer.connect(address, {
        ...pick("requestTimeoutMs", "maxBlockMs", "deliveryTimeoutMs"),
        transactionalId: "x",
        environment: run.world.at(CLIENT),
      }),
    acts: SENDING_IN_TRANSACTIONS,
  } as Kind<Client>,
  {
    name: "consumer",
    connect: (address, run) =>
      Consumer.connect(address, {
        ...pick("requestTimeoutMs", "defaultApiTimeoutMs"),
        assign: [{ topic: "t", partition: 0 }],
        environment: run.world.at(CLIENT),
      }),
    acts: READING,
  } as Kind<Client>,
  ...(["classic", "consumer"] as const).map((groupProtocol) => ({
    name: `consumer of a group (${groupProtocol})`,
    connect: (address: string, run: Run) =>
      Consumer.connect(address, {
        ...pick("requestTimeoutMs", "defaultApiTimeoutMs"),
        group: "g",
        groupProtocol,
        topics: ["t"],
        autoCommitIntervalMs: 500,
        environment: run.world.at(CLIENT),
      }),
    acts: READING_AS_GROUP,
  } as Kind<Client>)),
  {
    name: "admin",
    connect: (address, run) =>
      Admin.connect(address, {
        ...pick("requestTimeoutMs", "defaultApiTimeoutMs"),
        environment: run.world.at(CLIENT),
      }),
    acts: ADMINISTERING,
  } as Kind<Client>,
];

function pick<Name extends keyof typeof SHORT>(...names: readonly Name[]) {
  return Object.fromEntries(names.map((name) => [name, SHORT[name]]));
}

async function closeSomewhere(kind: Kind<Client>, address: string, seed: number): Promise<void> {
  const run = new Run(seed);
  const { world, random } = run;
  const admin = await world.settled(Admin.connect(ADDRESS, { environment: world.at(1) }));
  await world.settled(admin.createTopics([{ name: "t", partitions: 2 }]));
  await world.settled(admin.close());
  const client = await world.settled(kind.connect(address, run));
  run.trouble();
  const acts = 1 + random.integer(12);
  for (let i = 0; i < acts; i++) {
    const index = random.integer(kind.acts.length);
    const act = kind.acts[index]!;
    const isEndless = (WAITING as readonly unknown[]).includes(act);
    run.track(isEndless ? ENDLESS : String(act), attempt(() => act(client, run)));
    if (random.chance(1, 2)) await world.pass(random.integer(700));
  }
  if (random.chance(1, 3)) {
    await world.pass(LONG_MS);
    assertEquals(run.open.filter((name) => name !== ENDLESS), [], "what has not timed out");
  }
  let isClosed = false;
  const closed = client.close();
  closed.then(() => isClosed = true, () => isClosed = true);
  const { reason } = await world.simulation.runAsync({ forMs: LONG_MS, until: () => isClosed });
  assertEquals(reason, "condition", "close settles");
  // Nothing can be begun any more, and nothing is left to wait for.
  run.track("a call after close", attempt(() => kind.acts[0]!(client, run)));
  await world.pass(2_000);
  assertEquals(run.open, [], "what has not settled");
}

/** What throws has settled, too. */
async function attempt(act: () => Promise<unknown>): Promise<void> {
  await act();
}

for (const kind of KINDS) {
  for (const address of [ADDRESS, KAFKA_ADDRESS]) {
    const listener = address === ADDRESS ? "native" : "kafka";
    Deno.test(`closing: every promise settles when it is closed at any moment: ${kind.name} (${listener})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), (seed) => closeSomewhere(kind, address, seed)),
        { numRuns: 12 },
      );
    });
  }
}
