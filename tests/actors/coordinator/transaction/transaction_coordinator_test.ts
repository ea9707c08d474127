import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type {
  ErrorReply,
  ProducerReply,
  TransactionDescription,
  TransactionListings,
  TransactionRequest,
  VerifiedPartitions,
} from "../../../../actors/coordinator/transaction/requests.ts";
import {
  EPOCH_MAX,
  recordOf,
  type Transaction,
  transactionOf,
  VALID_PREVIOUS,
} from "../../../../actors/coordinator/transaction/transaction.ts";
import { ErrorCode, errorName } from "../../../../net/messages/errors.ts";
import { type Asked, type Awaited, TransactionStage } from "./transaction_stage.ts";

const INIT: Asked<"init-producer"> = {
  kind: "init-producer",
  transactionalId: "x",
  timeoutMs: 60_000,
  expected: undefined,
};
const PARTITIONS = [{ topic: "orders", partitions: [0, 1] }];

function initialized(stage: TransactionStage): ProducerReply {
  const { reply } = stage.ask<ProducerReply>(INIT);
  assertEquals(reply?.error, ErrorCode.NONE);
  return reply!;
}

function add(
  stage: TransactionStage,
  { producerId, producerEpoch }: ProducerReply,
  change: Partial<Asked<"add-partitions">> = {},
): Awaited<ErrorReply> {
  return stage.ask({
    kind: "add-partitions",
    transactionalId: "x",
    producerId,
    producerEpoch,
    partitions: PARTITIONS,
    clientVersion: 0,
    ...change,
  } as Asked<"add-partitions">);
}

function end(
  stage: TransactionStage,
  { producerId, producerEpoch }: ProducerReply,
  committed: boolean,
  clientVersion: 0 | 2 = 0,
): Awaited<ProducerReply> {
  const of = { transactionalId: "x", producerId, producerEpoch };
  return stage.ask({ kind: "end-transaction", ...of, committed, clientVersion } as Asked<
    "end-transaction"
  >);
}

function errorOf(awaited: Awaited<{ readonly error: ErrorCode }>): string {
  return awaited.reply === undefined ? "no answer" : errorName(awaited.reply.error);
}

Deno.test("coordinator: an answer waits until what it tells is committed", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  stage.commitsAtOnce = false;
  const added = add(stage, producer);
  assertEquals(errorOf(added), "no answer");
  const again = add(stage, producer);
  assertEquals(errorOf(again), "no answer");
  stage.commit();
  assertEquals([errorOf(added), errorOf(again)], ["NONE", "NONE"]);
});

Deno.test("coordinator: nothing is verified by what is not committed", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  stage.commitsAtOnce = false;
  add(stage, producer);
  const { producerId, producerEpoch } = producer;
  const of = { transactionalId: "x", producerId, producerEpoch, partitions: PARTITIONS };
  const verify = () =>
    stage.ask<VerifiedPartitions>({ kind: "verify-partitions", ...of } as Asked<
      "verify-partitions"
    >);
  const early = verify();
  assertEquals(early.reply, undefined);
  stage.fail();
  const errors = early.reply!.topics[0]!.partitions.map(({ error }) => errorName(error));
  assertEquals(errors, ["COORDINATOR_NOT_AVAILABLE", "COORDINATOR_NOT_AVAILABLE"]);
  stage.commitsAtOnce = true;
  add(stage, producer);
  assertEquals(verify().reply!.topics[0]!.partitions.map(({ error }) => error), [0, 0]);
});

Deno.test("coordinator: nothing is told by what comes before its own answer and is not committed", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  stage.commitsAtOnce = false;
  // One batch is on its way: what is written now goes into the next.
  stage.ask<ProducerReply>({ ...INIT, transactionalId: "other" } as typeof INIT);
  stage.send();
  const { producerId, producerEpoch } = producer;
  const of = { transactionalId: "x", producerId, producerEpoch, partitions: PARTITIONS };
  const verified = stage.ask<VerifiedPartitions>(
    { kind: "verify-partitions", ...of } as Asked<"verify-partitions">,
  );
  const described = stage.ask<TransactionDescription>(
    { kind: "describe-transaction", transactionalId: "x" } as Asked<"describe-transaction">,
  );
  const listed = stage.ask<TransactionListings>({ kind: "list-transactions" });
  add(stage, producer);
  stage.commitOne();
  assertEquals(
    verified.reply!.topics[0]!.partitions.map(({ error }) => errorName(error)),
    ["TRANSACTION_ABORTABLE", "TRANSACTION_ABORTABLE"],
  );
  assertEquals(described.reply?.status, "Empty");
  assertEquals(listed.reply?.transactions.map(({ status }) => status), ["Empty", "Empty"]);
});

Deno.test("coordinator: time runs out for a transaction whose end could not be written, too", () => {
  for (const how of ["by the producer", "by the time-out"]) {
    const stage = new TransactionStage();
    const producer = initialized(stage);
    add(stage, producer);
    stage.commitsAtOnce = false;
    if (how === "by the producer") end(stage, producer, true);
    // Meanwhile nothing seems to be open.
    stage.pass(75_000);
    assertEquals(stage.machine.transactions.get("x")?.status.startsWith("Prepare"), true, how);
    stage.fail();
    assertEquals(stage.machine.transactions.get("x")?.status, "Ongoing", how);
    stage.commitsAtOnce = true;
    stage.pass(75_000);
    assertEquals(stage.machine.transactions.get("x")?.status, "PrepareAbort", how);
  }
});

Deno.test("coordinator: time runs out for a transaction that began by a clock that was ahead, too", () => {
  for (const how of ["its clock is set back", "another node takes over"]) {
    const stage = new TransactionStage();
    const producer = initialized(stage);
    add(stage, producer);
    stage.behindMs = 3_600_000;
    if (how === "another node takes over") stage.reload();
    stage.pass(50_000);
    assertEquals(stage.machine.transactions.get("x")?.status, "Ongoing", how);
    stage.pass(25_000);
    assertEquals(stage.machine.transactions.get("x")?.status, "PrepareAbort", how);
  }
});

Deno.test("coordinator: who goes on is known again, though another try came to nothing", () => {
  const stage = new TransactionStage();
  const first = initialized(stage);
  const goOn = ({ producerId, producerEpoch }: ProducerReply) =>
    stage.ask<ProducerReply>({ ...INIT, expected: { producerId, producerEpoch } } as typeof INIT);
  assertEquals(goOn(first).reply?.producerEpoch, 1);
  stage.commitsAtOnce = false;
  const failed = stage.ask<ProducerReply>(INIT);
  stage.fail();
  assertEquals(errorOf(failed), "COORDINATOR_NOT_AVAILABLE");
  stage.commitsAtOnce = true;
  assertEquals(goOn(first).reply?.producerEpoch, 1, "its answer was lost");
});

Deno.test("coordinator: who missed the end of its transaction goes on, however often it asks", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer, { clientVersion: 2 });
  end(stage, producer, true, 2);
  stage.answerMarkers();
  stage.reload();
  const { producerId, producerEpoch } = producer;
  for (let tries = 0; tries < 3; tries++) {
    const { reply } = stage.ask<ProducerReply>(
      { ...INIT, expected: { producerId, producerEpoch } } as typeof INIT,
    );
    assertEquals([reply?.error, reply?.producerEpoch], [ErrorCode.NONE, producerEpoch + 1]);
  }
});

Deno.test("coordinator: no marker leaves before the decision is committed", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  stage.commitsAtOnce = false;
  const ended = end(stage, producer, true);
  assertEquals([errorOf(ended), stage.markers.length], ["no answer", 0]);
  stage.commit();
  assertEquals([errorOf(ended), stage.markers.length], ["NONE", 1]);
  const { committed, partitions, producerEpoch, coordinatorEpoch } = stage.markers[0]!;
  assertEquals([committed, producerEpoch, coordinatorEpoch], [true, 0, 1]);
  assertEquals(stage.markers[0]!.transactionVersion, 0);
  assertEquals(partitions, PARTITIONS);
});

Deno.test("coordinator: a decision that is not written was none", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  stage.commitsAtOnce = false;
  const ended = end(stage, producer, true);
  stage.fail();
  assertEquals(errorOf(ended), "COORDINATOR_NOT_AVAILABLE");
  stage.commitsAtOnce = true;
  assertEquals(errorOf(end(stage, producer, false)), "NONE");
  assertEquals(stage.markers.map(({ committed }) => committed), [false]);
});

Deno.test("coordinator: who comes after sends the markers again, in its own epoch", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  end(stage, producer, false);
  const [first] = stage.markers;
  stage.reload();
  assertEquals(stage.markers.map(({ coordinatorEpoch }) => coordinatorEpoch), [2]);
  first!.replyTo.tell({ kind: "markers-written", error: ErrorCode.NONE });
  stage.commit();
  assertEquals(stage.machine.transactions.get("x")?.status, "PrepareAbort");
  stage.answerMarkers();
  assertEquals(stage.machine.transactions.get("x")?.status, "CompleteAbort");
  stage.reload();
  assertEquals(stage.markers, []);
});

Deno.test("coordinator: markers that somebody newer writes are left to whoever that is", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  end(stage, producer, true);
  stage.answerMarkers(ErrorCode.TRANSACTION_COORDINATOR_FENCED);
  assertEquals(stage.machine.transactions.get("x")?.status, "PrepareCommit");
});

Deno.test("coordinator: the end of a transaction is written down however often that fails", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  end(stage, producer, true);
  stage.commitsAtOnce = false;
  stage.answerMarkers();
  // As clients are told where replicas are missing, and where the disk is full.
  for (const error of [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR]) {
    stage.fail(error);
    assertEquals(stage.machine.transactions.get("x")?.status, "PrepareCommit");
    stage.pass(100);
  }
  stage.commit();
  assertEquals(stage.machine.transactions.get("x")?.status, "CompleteCommit");
});

Deno.test("coordinator: who begins the next transaction waits for the end of the last, a while", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  add(stage, producer);
  end(stage, producer, true);
  const early = add(stage, producer);
  assertEquals(errorOf(early), "no answer");
  stage.pass(1000);
  stage.answerMarkers();
  assertEquals(errorOf(early), "NONE");
  end(stage, producer, true);
  const late = add(stage, producer);
  stage.pass(2000);
  assertEquals(errorOf(late), "CONCURRENT_TRANSACTIONS");
  const moved = add(stage, producer);
  stage.reload();
  assertEquals(errorOf(moved), "NOT_COORDINATOR");
});

Deno.test("coordinator: where there are no producer ids whoever asks is to come again", () => {
  const stage = new TransactionStage();
  stage.givesProducerIds = false;
  assertEquals(errorOf(stage.ask<ProducerReply>(INIT)), "COORDINATOR_LOAD_IN_PROGRESS");
});

Deno.test("coordinator: there are so many transactional ids and no more, until some are forgotten", () => {
  const stage = new TransactionStage({ "transactional.id.expiration.ms": "100000" });
  stage.transactionalIdsMax = 2;
  stage.reload();
  const init = (transactionalId: string) =>
    errorOf(stage.ask<ProducerReply>({ ...INIT, transactionalId } as typeof INIT));
  const ids = ["a", "b", "c", "a"];
  assertEquals(ids.map(init), ["NONE", "NONE", "COORDINATOR_NOT_AVAILABLE", "NONE"]);
  stage.pass(8_000_000);
  assertEquals(["c", "d", "e"].map(init), ["NONE", "NONE", "COORDINATOR_NOT_AVAILABLE"]);
});

Deno.test("coordinator: a transaction has so many partitions and no more, and can be ended", () => {
  const stage = new TransactionStage();
  const producer = initialized(stage);
  const indexes = Array.from({ length: 1000 }, (_, index) => index);
  const errors = new Set<string>();
  for (let number = 0; number < 140 && errors.size < 2; number++) {
    const partitions = [{ topic: `topic-${number}`, partitions: indexes }];
    errors.add(errorOf(add(stage, producer, { partitions })));
  }
  assertEquals([...errors], ["NONE", "UNKNOWN_SERVER_ERROR"]);
  assertEquals(errorOf(end(stage, producer, true, 2)), "NONE");
  const largest = Math.max(...stage.log.map(({ value }) => value!.length));
  assert(largest > 500_000 && largest < 530_000, `${largest} bytes`);
});

Deno.test("coordinator: with version 2 epochs rise to the last, and then the producer id changes", () => {
  const stage = new TransactionStage();
  let producer = initialized(stage);
  const first = producer.producerId;
  // Not each of them: the log is told of a late one.
  const known = stage.machine.transactions.get("x")!;
  const late = recordOf({ ...known, producerEpoch: EPOCH_MAX - 3 });
  stage.machine.replay(late, { offset: 1, producerId: -1, producerEpoch: -1, undo: undefined });
  producer = { ...producer, producerEpoch: EPOCH_MAX - 3 };
  const told: string[] = [];
  for (let round = 0; round < 5; round++) {
    assertEquals(errorOf(add(stage, producer, { clientVersion: 2 })), "NONE");
    const { reply } = end(stage, producer, true, 2);
    assertEquals(reply?.error, ErrorCode.NONE);
    const [marker] = stage.markers;
    assertEquals(marker!.transactionVersion, 2);
    assertEquals(marker!.producerId, producer.producerId);
    assertEquals(marker!.producerEpoch, producer.producerEpoch + 1);
    stage.answerMarkers();
    producer = reply!;
    told.push(`${producer.producerId - first}/${producer.producerEpoch}`);
  }
  const last = EPOCH_MAX - 1;
  assertEquals(told, [`0/${last - 1}`, `0/${last}`, "1/0", "1/1", "1/2"]);
});

// Properties.

type Step =
  | { readonly kind: "init"; readonly id: string; readonly goOn: boolean; readonly by: number }
  | { readonly kind: "add" | "commit" | "abort"; readonly by: number; readonly version: 0 | 2 }
  | { readonly kind: "verify"; readonly by: number }
  | { readonly kind: "commit-log" | "fail-log" | "reload" | "markers" | "fence-markers" }
  | { readonly kind: "pass"; readonly ms: number };

const by = fc.nat(5);
const version = fc.constantFrom(0 as const, 2 as const);
const id = fc.constantFrom("x", "y");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("init" as const), id, goOn: fc.boolean(), by }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constantFrom("add", "commit", "abort"), by, version }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("verify" as const), by }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("commit-log", "commit-log", "commit-log", "markers", "markers"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("fail-log", "reload", "fence-markers") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(10, 150, 2500, 12_000, 80_000),
    }),
  },
) as fc.Arbitrary<Step>;

/** A producer as it believes to be. */
interface Believed {
  readonly id: string;
  producerId: number;
  producerEpoch: number;
}

/** Runs steps, some of zombies, and holds what comes of them to P33 and P34. */
class Run {
  readonly stage = new TransactionStage({ "transactional.id.expiration.ms": "200000" });
  readonly #producers: Believed[] = [];
  readonly #asked: { readonly what: string; readonly awaited: Awaited<unknown> }[] = [];
  /** To whom producer id and epoch were given by InitProducerId without a claim. */
  readonly #given = new Set<string>();

  constructor() {
    this.stage.commitsAtOnce = false;
    this.stage.onMarkers = (markers) => {
      const durable = this.stage.folded().get(markers.transactionalId);
      assertEquals(durable?.status, markers.committed ? "PrepareCommit" : "PrepareAbort");
      assertEquals(durable?.producerEpoch, markers.producerEpoch, "the epoch of a marker");
      assertEquals(durable?.producerId, markers.producerId, "the producer of a marker");
    };
  }

  run(one: Step): void {
    const { stage } = this;
    switch (one.kind) {
      case "init":
        return this.#init(one.id, this.#producers[one.by], one.goOn);
      case "commit-log":
        return void stage.commitOne();
      case "fail-log":
        return stage.fail();
      case "reload":
        return stage.reload();
      case "markers":
        return stage.answerMarkers();
      case "fence-markers":
        return stage.answerMarkers(ErrorCode.TRANSACTION_COORDINATOR_FENCED);
      case "pass":
        return stage.pass(one.ms);
      default: {
        const producer = this.#producers[one.by % Math.max(1, this.#producers.length)];
        return producer === undefined ? undefined : this.#act(one, producer);
      }
    }
  }

  #ask<Reply>(
    request: { readonly kind: string; readonly [field: string]: unknown },
  ): Awaited<Reply> {
    const awaited = this.stage.ask<Reply>(request as unknown as Asked<TransactionRequest["kind"]>);
    this.#asked.push({ what: request.kind, awaited });
    return awaited;
  }

  #init(id: string, claimed: Believed | undefined, goOn: boolean): void {
    const expected = goOn && claimed?.id === id
      ? { producerId: claimed.producerId, producerEpoch: claimed.producerEpoch }
      : undefined;
    const awaited = this.#ask<ProducerReply>({ ...INIT, transactionalId: id, expected });
    const believed: Believed = { id, producerId: -1, producerEpoch: -1 };
    this.#whenAnswered(awaited, ({ producerId, producerEpoch }) => {
      Object.assign(believed, { producerId, producerEpoch });
      if (this.#producers.length < 6) this.#producers.push(believed);
      else this.#producers[producerEpoch % 6] = believed;
      if (expected !== undefined) return;
      const given = `${producerId}/${producerEpoch}`;
      assert(!this.#given.has(given), `${given} is given twice`);
      this.#given.add(given);
    });
  }

  #act(one: Extract<Step, { readonly by: number }>, producer: Believed): void {
    const { id: transactionalId, producerId, producerEpoch } = producer;
    const of = { transactionalId, producerId, producerEpoch };
    if (one.kind === "verify") {
      this.#ask({ kind: "verify-partitions", ...of, partitions: PARTITIONS });
    } else if (one.kind === "add") {
      const partitions = [{ topic: "orders", partitions: [producerEpoch % 3] }];
      this.#ask({ kind: "add-partitions", ...of, partitions, clientVersion: one.version });
    } else if (one.kind !== "init") {
      const committed = one.kind === "commit";
      const ending = { ...of, committed, clientVersion: one.version };
      const awaited = this.#ask<ProducerReply>({ kind: "end-transaction", ...ending });
      this.#whenAnswered(awaited, (answer) => {
        const { producerId, producerEpoch } = answer;
        Object.assign(producer, { producerId, producerEpoch });
      });
    }
  }

  #whenAnswered(awaited: Awaited<ProducerReply>, run: (reply: ProducerReply) => void): void {
    let told = awaited.reply;
    const take = (reply: ProducerReply) => {
      if (reply.error === ErrorCode.NONE) run(reply);
    };
    if (told !== undefined) return take(told);
    Object.defineProperty(awaited, "reply", {
      get: () => told,
      set: (reply: ProducerReply) => {
        told = reply;
        take(reply);
      },
    });
  }

  /** Lets everything come to its end, and looks at it. */
  check(): void {
    const { stage } = this;
    stage.commitsAtOnce = true;
    stage.commit();
    stage.reload();
    while (stage.markers.length > 0) stage.answerMarkers();
    stage.commit();
    const plain = (all: ReadonlyMap<string, Transaction>) => new Map([...all].sort());
    assertEquals(plain(stage.machine.transactions), plain(stage.folded()), "replay");
    for (const { what, awaited } of this.#asked) assert(awaited.reply !== undefined, what);
    for (const { status } of stage.machine.transactions.values()) {
      assert(!status.startsWith("Prepare"), "every decision is carried out");
    }
    this.#checkLog();
  }

  #checkLog(): void {
    const states = new Map<string, Transaction>();
    for (const { key: { transactionalId }, value } of this.stage.records) {
      const before = states.get(transactionalId);
      const after = value === null ? undefined : transactionOf(transactionalId, value);
      const from = before?.status;
      const to = after?.status ?? "Dead";
      const isLegal = from === undefined ? to === "Empty" : VALID_PREVIOUS[to].includes(from);
      assert(isLegal, `${transactionalId}: ${from} to ${to}`);
      if (after === undefined) {
        states.delete(transactionalId);
        continue;
      }
      if (before !== undefined && before.producerId === after.producerId) {
        assert(after.producerEpoch >= before.producerEpoch, "epochs only rise");
      }
      states.set(transactionalId, after);
    }
  }
}

Deno.test("coordinator: decisions are durable and final, epochs rise, the log tells all", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (steps) => {
      const run = new Run();
      for (const one of steps) run.run(one);
      run.check();
    }),
    { numRuns: 300 },
  );
});
