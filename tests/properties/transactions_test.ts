import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { transactionOf, VALID_PREVIOUS } from "../../actors/coordinator/transaction/transaction.ts";
import type {
  ClientVersion,
  Transaction,
} from "../../actors/coordinator/transaction/transaction.ts";
import { TransactionClient } from "./transaction_client.ts";
import { PARTITIONS, TransactionWorld } from "./transaction_world.ts";

type Step =
  | { readonly kind: "start"; readonly id: string }
  | { readonly kind: "produce"; readonly client: number; readonly partition: number }
  | { readonly kind: "end"; readonly client: number; readonly commit: boolean }
  | {
    readonly kind: "write and end";
    readonly client: number;
    readonly partitions: readonly number[];
    readonly commit: boolean;
  }
  | { readonly kind: "renew"; readonly client: number }
  | { readonly kind: "deliver" | "unheard" | "lose" | "delay" | "late"; readonly at: number }
  | { readonly kind: "log commits" | "log fails" | "coordinator moves" | "coordinator dies" }
  | { readonly kind: "all arrives"; readonly commits: boolean }
  | { readonly kind: "commit"; readonly partition: number; readonly offsets: number }
  | {
    readonly kind: "leader moves";
    readonly partition: number;
    readonly part: number;
    readonly restarts: boolean;
  }
  | { readonly kind: "pass"; readonly ms: number };

/** Mostly those that were there last. */
const client = fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 3);
const partition = fc.nat(PARTITIONS - 1);

/** A kind of step, how often it comes, and what it may say. */
function often(
  weight: number,
  kind: Step["kind"],
  fields: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.WeightedArbitrary<Step> {
  const arbitrary = fc.record({ kind: fc.constant(kind), ...fields });
  return { weight, arbitrary: arbitrary as unknown as fc.Arbitrary<Step> };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  often(1, "start", { id: fc.constantFrom("x", "y") }),
  often(24, "produce", { client, partition }),
  often(12, "end", { client, commit: fc.constantFrom(true, true, false) }),
  often(12, "write and end", {
    client,
    partitions: fc.uniqueArray(partition, { minLength: 1 }),
    commit: fc.constantFrom(true, true, false),
  }),
  often(2, "renew", { client }),
  often(20, "deliver", { at: fc.nat(5) }),
  often(4, "unheard", { at: fc.nat(5) }),
  often(2, "lose", { at: fc.nat(5) }),
  often(4, "delay", { at: fc.nat(5) }),
  often(3, "late", { at: fc.nat(5) }),
  often(8, "log commits", {}),
  often(2, "log fails", {}),
  often(1, "coordinator moves", {}),
  often(1, "coordinator dies", {}),
  often(24, "all arrives", { commits: fc.constantFrom(true, true, false) }),
  often(5, "commit", { partition, offsets: fc.integer({ min: 1, max: 4 }) }),
  often(2, "leader moves", {
    partition,
    part: fc.constantFrom(0, 0.5, 1),
    restarts: fc.boolean(),
  }),
  often(4, "pass", { ms: fc.constantFrom(100, 100, 100, 2500, 2500, 12_000, 75_000) }),
);

/** What has happened, of all runs. */
const COUNTED = ["committed", "aborted", "unknown", "died", "seen", "not seen"] as const;
type Counts = Record<(typeof COUNTED)[number], number>;

class Run {
  readonly world: TransactionWorld;
  readonly clients: TransactionClient[] = [];

  constructor(version: ClientVersion) {
    this.world = new TransactionWorld(version);
    this.#start("x");
    this.#start("y");
    this.world.settle();
  }

  run(one: Step): void {
    const { world } = this;
    switch (one.kind) {
      case "start":
        return this.#start(one.id);
      case "produce":
        return this.#client(one.client)?.produce(one.partition);
      case "end":
        return this.#client(one.client)?.end(one.commit);
      case "write and end":
        return this.#writeAndEnd(this.#client(one.client), one.partitions, one.commit);
      case "renew":
        return this.#client(one.client)?.renew();
      case "deliver":
        return world.deliver(one.at);
      case "unheard":
        return world.deliverUnheard(one.at);
      case "lose":
        return world.lose(one.at);
      case "delay":
        return world.delay(one.at);
      case "late":
        return world.deliverLate(one.at);
      case "log commits":
        return void world.stage.commitOne();
      case "log fails":
        return world.stage.fail();
      case "coordinator moves":
        return world.stage.reload();
      case "coordinator dies":
        return world.stage.commitUnheard();
      case "all arrives":
        return world.arriveAll(one.commits);
      case "commit":
        return world.partitions[one.partition]!.commit(one.offsets);
      case "leader moves":
        return world.partitions[one.partition]!.moveLeader(one.part, one.restarts);
      case "pass":
        return world.pass(one.ms);
    }
  }

  /** What mostly happens; the end is on its way then. */
  #writeAndEnd(
    client: TransactionClient | undefined,
    partitions: readonly number[],
    commit: boolean,
  ): void {
    // Before version 2 the first time adds the partition.
    for (let time = 0; time < 2; time++) {
      for (const partition of partitions) client?.produce(partition);
      this.world.arriveAll();
    }
    client?.end(commit);
  }

  /** Counts from the newest on: those of before are zombies. */
  #client(number: number): TransactionClient | undefined {
    return this.clients[this.clients.length - 1 - number];
  }

  /** Whoever is there takes the id over, from whoever had it. */
  #start(id: string): void {
    const before = this.clients.filter((client) => client.id === id);
    const last = before.at(-1);
    if (last?.isStarting === true) return last.start();
    const fresh = new TransactionClient(
      this.world,
      id,
      `${id}${before.length}`,
      before,
      () => before.forEach((client) => client.isFenced = true),
    );
    for (const client of before) client.hasSuccessor = true;
    this.clients.push(fresh);
    fresh.start();
  }

  check(counts: Counts): void {
    const { world } = this;
    world.settle();
    this.#checkCoordinator();
    const written = new Map<string, Set<string>>();
    const seen = new Map<string, Set<string>>();
    world.partitions.forEach((each, index) => {
      const { log, highWatermark } = each;
      assertEquals(log.lastStableOffset(highWatermark), log.logEndOffset, "all is decided");
      collect(written, index, each.written());
      collect(seen, index, each.seen);
      this.#checkEpochs(index);
    });
    for (const client of this.clients) {
      if (client.died !== undefined) counts.died++;
      for (const { name, outcome, acknowledged } of client.transactions) {
        counts[outcome]++;
        const all = written.get(name) ?? new Set();
        const visible = seen.get(name) ?? new Set();
        counts[visible.size > 0 ? "seen" : "not seen"]++;
        if (outcome === "aborted") assertEquals(visible, new Set(), `${name} was aborted`);
        if (outcome !== "committed" && visible.size === 0) continue;
        assertEquals(visible, all, `${name}: all of it is seen or nothing`);
        const missing = [...acknowledged].filter((value) => !visible.has(value));
        assertEquals(missing, [], `${name}: acknowledged and committed`);
      }
    }
  }

  #checkCoordinator(): void {
    const { stage } = this.world;
    const plain = (all: ReadonlyMap<string, Transaction>) => new Map([...all].sort());
    assertEquals(plain(stage.machine.transactions), plain(stage.folded()), "replay");
    const states = new Map<string, Transaction>();
    for (const { key: { transactionalId }, value } of stage.records) {
      const after = transactionOf(transactionalId, value!)!;
      const before = states.get(transactionalId);
      const isLegal = before === undefined
        ? after.status === "Empty"
        : VALID_PREVIOUS[after.status].includes(before.status);
      assert(isLegal, `${before?.status} to ${after.status}`);
      states.set(transactionalId, after);
    }
    for (const { status } of states.values()) {
      assert(status === "Empty" || status.startsWith("Complete"), `at rest: ${status}`);
    }
  }

  /** P33: a producer's epochs only rise along a log. */
  #checkEpochs(partition: number): void {
    const epochs = new Map<number, number>();
    for (const { producerId, producerEpoch } of this.world.partitions[partition]!.batches()) {
      assert(producerEpoch >= (epochs.get(producerId) ?? 0), "producer epochs rise");
      epochs.set(producerId, producerEpoch);
    }
  }
}

/** Values by transaction, each once. */
function collect(
  all: Map<string, Set<string>>,
  partition: number,
  records: readonly { readonly value: string }[],
): void {
  for (const { value } of records) {
    const name = value.slice(0, value.lastIndexOf("/"));
    let values = all.get(name);
    if (values === undefined) all.set(name, values = new Set());
    const placed = `${partition}:${value}`;
    assert(!values.has(placed), `${placed} stands twice`);
    values.add(placed);
  }
}

for (const version of [0, 2] as const) {
  const protocol = version === 2 ? "version 2, whatever comes late" : "version 1, in order";
  Deno.test(`transactions, ${protocol}: all of each is seen or nothing, in the end and before`, () => {
    const counts = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Counts;
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 250, size: "max" }), (steps) => {
        const run = new Run(version);
        for (const one of steps) run.run(one);
        run.check(counts);
      }),
      { numRuns: 200 },
    );
    for (const name of COUNTED) assert(counts[name] > 0, `there was nothing that is "${name}"`);
  });
}
