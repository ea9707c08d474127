/**
 * Groups whose members join, leave, crash and dawdle by chance, on a simulated node: after every
 * event no partition has two owners, what is committed never goes back, and in the end every record
 * was processed.
 */

import { assert } from "@std/assert";
import fc from "fast-check";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { GroupWorld, type Reader } from "./group_setup.ts";

type Action =
  | { readonly kind: "join" | "crash" | "leave" | "dawdle"; readonly which: number }
  | { readonly kind: "produce"; readonly count: number }
  | { readonly kind: "pass"; readonly ms: number };

const which = fc.nat(5);
const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("join" as const), which }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), which }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("crash" as const), which }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("dawdle" as const), which }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("produce" as const), count: fc.nat(30) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(4000) }),
    },
  ),
  { minLength: 4, maxLength: 25 },
);

const PARTITIONS = 4;
const HOSTS = 5;
/** What a user takes for what a poll gives. */
const WORK_MS = 300;

/** A reader whose user takes its time now and then. */
interface Member {
  readonly reader: Reader;
  readonly host: number;
  dawdlesUntil: number;
  /** Its user takes its time with what it has in hand. */
  isBusy: boolean;
  isLeaving: boolean;
}

class Chaos {
  readonly world: GroupWorld;
  readonly #config: ConsumerConfig;
  readonly #members: (Member | undefined)[] = Array.from({ length: HOSTS });
  readonly processed = new Set<string>();
  readonly #committed = new Map<number, number>();
  #produced = 0;

  constructor(seed: number, config: ConsumerConfig) {
    this.#config = config;
    this.world = new GroupWorld({
      seed,
      properties: {
        "group.consumer.session.timeout.ms": "3000",
        "group.consumer.heartbeat.interval.ms": "500",
        "group.min.session.timeout.ms": "1000",
      },
    });
  }

  async run(actions: readonly Action[]): Promise<void> {
    await this.world.createTopic("t", PARTITIONS);
    for (const action of actions) await this.#act(action);
    await this.#act({ kind: "join", which: 0 });
    await this.#watch(120_000, () => this.processed.size === this.#produced);
    assert(this.processed.size === this.#produced, "records were passed over");
    for (const member of this.#members) {
      if (member !== undefined) await this.#leave(member);
    }
    this.world.readers.length = 0;
    await this.world.close();
  }

  async #act(action: Action): Promise<void> {
    const { world } = this;
    if (action.kind === "pass") return this.#watch(action.ms, () => false);
    if (action.kind === "produce") {
      const values = Array.from({ length: action.count }, () => `${this.#produced++}`);
      if (values.length > 0) await world.produce("t", PARTITIONS, values);
      return;
    }
    const host = action.which % HOSTS;
    const member = this.#members[host];
    if (action.kind === "join" && member === undefined) return await this.#join(host);
    if (member === undefined) return;
    if (action.kind === "leave") return await this.#leave(member);
    if (action.kind === "dawdle") member.dawdlesUntil = world.nowMs + 6000;
    if (action.kind === "crash") {
      this.#members[host] = undefined;
      const node = world.simulation.node(`client${host + 2}`);
      node.crash({ powerLoss: false });
      node.restart();
    }
  }

  async #join(host: number): Promise<void> {
    const { world } = this;
    const reader = await world.reader({
      ...this.#config,
      group: "g",
      topics: ["t"],
      sessionTimeoutMs: 3000,
      heartbeatIntervalMs: 500,
      maxPollIntervalMs: 5000,
      autoCommitIntervalMs: 700,
      maxPollRecords: 3,
      environment: world.at(host + 2),
    });
    const member = { reader, host, dawdlesUntil: 0, isBusy: false, isLeaving: false };
    this.#members[host] = member;
    this.#process(member).catch(() => {});
  }

  /** Records count as processed once their user comes back for more, as auto-commit has it. */
  async #process(member: Member): Promise<void> {
    const { consumer } = member.reader;
    const { timers } = this.world.at(member.host + 2);
    while (!member.isLeaving) {
      const records = await consumer.poll(1000);
      if (records.length === 0) continue;
      const waitMs = Math.max(WORK_MS, member.dawdlesUntil - this.world.nowMs);
      member.isBusy = true;
      await new Promise<void>((resolve) => timers.schedule(waitMs, resolve));
      member.isBusy = false;
      if (this.#members[member.host] !== member) return;
      for (const record of records) this.processed.add(record.text());
    }
  }

  async #leave(member: Member): Promise<void> {
    member.isLeaving = true;
    this.#members[member.host] = undefined;
    await this.world.settled(member.reader.consumer.close());
  }

  /** Lets time pass, and looks at everything after each event. */
  async #watch(forMs: number, condition: () => boolean): Promise<void> {
    await this.world.simulation.runAsync({
      forMs,
      until: () => {
        this.#checkOwners();
        return condition();
      },
    });
    await this.#checkCommitted();
  }

  #checkOwners(): void {
    const owners = new Map<string, string>();
    for (const member of this.#members) {
      // Who is away too long is put out, and learns of it when it is back.
      if (member === undefined || member.isBusy) continue;
      if (member.reader.consumer.groupMetadata().generationId < 0) continue;
      for (const key of member.reader.owned) {
        assert(!owners.has(key), `${key} has two owners at ${this.world.nowMs}`);
        owners.set(key, member.reader.name);
      }
    }
  }

  async #checkCommitted(): Promise<void> {
    const admin = await this.world.admin();
    for (const { partition, offset } of await this.world.settled(committedOf(admin))) {
      const before = this.#committed.get(partition) ?? 0;
      assert(
        (offset ?? 0) >= before,
        `partition ${partition} went back from ${before} to ${offset}`,
      );
      this.#committed.set(partition, offset ?? 0);
    }
  }
}

function committedOf(admin: Awaited<ReturnType<GroupWorld["admin"]>>) {
  const places = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: "t", partition }));
  return admin.listConsumerGroupOffsets("g", places);
}

const KINDS: readonly { readonly name: string; readonly config: ConsumerConfig }[] = [
  { name: "classic, eager", config: { assignors: ["range"] } },
  { name: "classic, cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer", config: {} },
];

for (const { name, config } of KINDS) {
  Deno.test(`group: no partition has two owners, nothing is passed over (${name})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000_000), actions, async (seed, actions) => {
        await new Chaos(seed, config).run(actions);
      }),
      { numRuns: 15 },
    );
  });
}
