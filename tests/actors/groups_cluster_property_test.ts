/**
 * Groups of a cluster whose nodes crash and are cut off, with the real consumers: no partition has
 * two owners, what is committed never goes back, and every record that was acknowledged is
 * processed, whoever coordinates (P36, P37).
 */

import { assert } from "@std/assert";
import fc from "fast-check";
import type { Admin } from "../../actors/client/admin/admin.ts";
import type { ConsumerConfig } from "../../actors/client/configs.ts";
import { Consumer } from "../../actors/client/consumer/consumer.ts";
import type { Producer } from "../../actors/client/producer/producer.ts";
import { ClusterWorld } from "./cluster_world.ts";

const NODES = 3;
const PARTITIONS = 4;
const MEMBERS = 3;
const SESSION_TIMEOUT_MS = 30_000;

type Action =
  | { readonly kind: "join" | "leave"; readonly member: number }
  | { readonly kind: "produce"; readonly count: number }
  /** The node that coordinates, or another; it comes back a while later. */
  | { readonly kind: "crash" | "cut off"; readonly node: number; readonly forMs: number }
  | { readonly kind: "pass"; readonly ms: number };

const member = fc.nat(MEMBERS - 1);
const outage = {
  node: fc.integer({ min: 1, max: NODES }),
  forMs: fc.integer({ min: 200, max: 15_000 }),
};
const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("join" as const), member }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), member }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("produce" as const), count: fc.nat(20) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("crash" as const), ...outage }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut off" as const), ...outage }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(4000) }) },
  ),
  { minLength: 4, maxLength: 12 },
);

interface Member {
  readonly consumer: Consumer;
  /** Its user has records in hand. */
  isBusy: boolean;
}

class Play {
  readonly #world: ClusterWorld;
  readonly #config: ConsumerConfig;
  readonly #members: (Member | undefined)[] = Array.from({ length: MEMBERS });
  readonly #processed = new Set<string>();
  readonly #acknowledged = new Set<string>();
  readonly #committed = new Map<number, number>();
  #admin!: Admin;
  #producer!: Producer;
  #produced = 0;

  constructor(seed: number, config: ConsumerConfig) {
    this.#config = config;
    this.#world = ClusterWorld.serving({
      seed,
      nodes: NODES,
      properties: {
        "offsets.topic.num.partitions": "2",
        // Longer than any outage: who is silent for longer is out before it knows.
        "group.consumer.session.timeout.ms": `${SESSION_TIMEOUT_MS}`,
        "group.consumer.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "100",
      },
    });
  }

  async run(actions: readonly Action[]): Promise<void> {
    const world = this.#world;
    this.#admin = await world.admin();
    this.#producer = await world.producer();
    const configs = { "min.insync.replicas": "2" };
    await world.settled(this.#admin.createTopics([
      { name: "t", partitions: PARTITIONS, replicationFactor: NODES, configs },
    ]));
    await this.#join(0);
    await this.#watch(2000, () => false);
    for (const action of actions) await this.#act(action);
    await this.#join(0);
    await this.#watch(180_000, () => this.#acknowledged.isSubsetOf(this.#processed));
    assert(this.#acknowledged.isSubsetOf(this.#processed), "records were passed over");
    await this.#checkCommitted();
    for (let index = 0; index < MEMBERS; index++) await this.#leave(index);
    await world.settled(this.#producer.close());
    await world.settled(this.#admin.close());
  }

  async #act(action: Action): Promise<void> {
    const world = this.#world;
    switch (action.kind) {
      case "join":
        return await this.#join(action.member);
      case "leave":
        return await this.#leave(action.member);
      case "pass":
        return await this.#watch(action.ms, () => false);
      case "produce":
        return this.#produce(action.count);
      case "crash":
        world.crash(action.node);
        await this.#watch(action.forMs, () => false);
        world.start(action.node);
        break;
      case "cut off":
        world.isolate(action.node);
        await this.#watch(action.forMs, () => false);
        world.heal();
        break;
    }
    // One at a time: two replicas of three must live.
    const isWhole = () =>
      world.nodes.every(({ isReady }) => isReady) &&
      world.nodes.every(({ broker }) => inSync(broker!.image.topicByName("t")?.partitions));
    await this.#watch(60_000, isWhole);
    assert(isWhole(), "the cluster is whole again");
    await this.#checkCommitted();
  }

  #produce(count: number): void {
    for (let index = 0; index < count; index++) {
      const value = `${this.#produced++}`;
      const record = { topic: "t", partition: this.#produced % PARTITIONS, value };
      this.#producer.send(record).then(() => this.#acknowledged.add(value), () => {});
    }
  }

  async #join(index: number): Promise<void> {
    if (this.#members[index] !== undefined) return;
    const world = this.#world;
    const consumer = await world.settled(Consumer.connect(world.bootstrap, {
      environment: world.environment,
      group: "g",
      topics: ["t"],
      autoOffsetReset: "earliest",
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      heartbeatIntervalMs: 500,
      autoCommitIntervalMs: 500,
      ...this.#config,
    }));
    const joined = { consumer, isBusy: false };
    this.#members[index] = joined;
    this.#process(index, joined).catch(() => {});
  }

  async #process(index: number, joined: Member): Promise<void> {
    const { timers } = this.#world.environment;
    while (this.#members[index] === joined) {
      const records = await joined.consumer.poll(500);
      if (records.length === 0) continue;
      joined.isBusy = true;
      await new Promise<void>((resolve) => timers.schedule(100, resolve));
      joined.isBusy = false;
      for (const record of records) this.#processed.add(record.text());
    }
  }

  async #leave(index: number): Promise<void> {
    const leaving = this.#members[index];
    if (leaving === undefined) return;
    this.#members[index] = undefined;
    await this.#world.settled(leaving.consumer.close());
  }

  /** Lets time pass, and looks at everybody after each event. */
  async #watch(forMs: number, condition: () => boolean): Promise<void> {
    await this.#world.simulation.runAsync({
      forMs,
      until: () => {
        this.#checkOwners();
        return condition();
      },
    });
  }

  /** Members that know of their generation, and are not at work on what they have in hand. */
  #checkOwners(): void {
    const owners = new Set<string>();
    for (const one of this.#members) {
      if (one === undefined || one.isBusy) continue;
      if (one.consumer.groupMetadata().generationId < 0) continue;
      for (const { partition } of one.consumer.assignment()) {
        assert(!owners.has(`${partition}`), `partition ${partition} has two owners`);
        owners.add(`${partition}`);
      }
    }
  }

  async #checkCommitted(): Promise<void> {
    const places = Array.from(
      { length: PARTITIONS },
      (_, partition) => ({ topic: "t", partition }),
    );
    const told = await this.#world.settled(this.#admin.listConsumerGroupOffsets("g", places));
    for (const { partition, offset } of told) {
      const before = this.#committed.get(partition) ?? 0;
      assert((offset ?? 0) >= before, `${partition} went back from ${before} to ${offset}`);
      this.#committed.set(partition, offset ?? 0);
    }
  }
}

function inSync(partitions: readonly { readonly isr: readonly number[] }[] | undefined): boolean {
  return partitions?.every(({ isr }) => isr.length === NODES) === true;
}

const KINDS: readonly { readonly name: string; readonly config: ConsumerConfig }[] = [
  { name: "classic, cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer", config: {} },
];

for (const { name, config } of KINDS) {
  Deno.test(`group coordinators: who coordinates makes no difference (${name})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000_000), actions, async (seed, actions) => {
        await new Play(seed, config).run(actions);
      }),
      { numRuns: 6 },
    );
  });
}
