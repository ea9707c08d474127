import { assertEquals } from "@std/assert";
import { type TransactionVerified, Verification } from "../../../actors/partition/verification.ts";
import type { AskResult } from "../../../actors/runtime/actor.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";

type Done = (result: AskResult<TransactionVerified>) => void;

/** A batch by its name, which is what tests see of it. */
interface Batch {
  readonly name: string;
  readonly epoch: number;
  readonly sequence: number;
}

const NOW = 1000;

/** A log that opens a transaction with the first batch that it takes. */
class Stage {
  readonly asked: Done[] = [];
  readonly appended: string[] = [];
  readonly refused: string[] = [];
  /** The error with which the log refuses what it is given. */
  logRefuses = false;
  isOpen = false;
  readonly verification = new Verification<Batch>({
    ask: (_append, _batch, done) => void this.asked.push(done),
    resume: (batch) => void this.send(batch),
    refuse: ({ name }, error) => void this.refused.push(`${name} ${errorName(error)}`),
  });

  send(batch: Batch): string {
    const { epoch, sequence, name } = batch;
    const told = { producerId: 7, producerEpoch: epoch, baseSequence: sequence };
    const admission = this.verification.admit(batch, told, this.isOpen, NOW);
    if (admission.kind === "held") return "held";
    if (admission.kind === "refused") {
      this.refused.push(`${name} ${errorName(admission.error)}`);
      return "refused";
    }
    if (this.logRefuses) return "refused by the log";
    this.appended.push(name);
    this.isOpen = true;
    this.verification.appended(7);
    return "appended";
  }

  mark(): void {
    this.isOpen = false;
    this.verification.marked(7);
  }

  answer(index: number, error: ErrorCode = ErrorCode.NONE): void {
    this.asked[index]!({ kind: "reply", reply: { kind: "transaction-verified", error } });
  }
}

function batch(sequence: number, epoch = 0): Batch {
  return { name: `${epoch}/${sequence}`, epoch, sequence };
}

Deno.test("verification: the first records wait for an answer, later ones of the transaction do not", () => {
  const stage = new Stage();
  assertEquals(stage.send(batch(0)), "held");
  assertEquals([stage.asked.length, stage.appended], [1, []]);
  stage.answer(0);
  assertEquals(stage.appended, ["0/0"]);
  assertEquals(stage.send(batch(1)), "appended");
  assertEquals(stage.asked.length, 1);
});

Deno.test("verification: what comes while another waits goes behind it, by the same answer", () => {
  const stage = new Stage();
  for (const sequence of [0, 1, 2]) assertEquals(stage.send(batch(sequence)), "held");
  assertEquals(stage.asked.length, 1);
  stage.answer(0);
  assertEquals(stage.appended, ["0/0", "0/1", "0/2"]);
});

Deno.test("verification: a marker makes the answer stale, whatever it is: it is asked again", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.mark();
  assertEquals(stage.asked.length, 2);
  stage.answer(0);
  assertEquals([stage.appended, stage.refused], [[], []], "an answer about the time before");
  stage.answer(1, ErrorCode.TRANSACTION_ABORTABLE);
  assertEquals([stage.appended, stage.refused], [[], ["0/0 TRANSACTION_ABORTABLE"]]);
});

Deno.test("verification: after a marker nothing is taken on the word that was given before", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.logRefuses = true;
  stage.answer(0);
  stage.logRefuses = false;
  stage.mark();
  assertEquals(stage.send(batch(0)), "held");
});

Deno.test("verification: each open transaction is verified anew once the last has ended", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.answer(0);
  stage.mark();
  assertEquals(stage.send(batch(0, 1)), "held");
  stage.answer(1, ErrorCode.INVALID_PRODUCER_EPOCH);
  assertEquals(stage.refused, ["1/0 INVALID_PRODUCER_EPOCH"]);
});

Deno.test("verification: what was refused for a time is not overtaken", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.send(batch(1));
  stage.answer(0, ErrorCode.NOT_ENOUGH_REPLICAS);
  assertEquals(stage.refused.splice(0), ["0/0 NOT_ENOUGH_REPLICAS", "0/1 NOT_ENOUGH_REPLICAS"]);
  stage.send(batch(1));
  stage.answer(1);
  assertEquals(stage.refused.splice(0), ["0/1 OUT_OF_ORDER_SEQUENCE_NUMBER"]);
  stage.send(batch(0));
  stage.answer(2);
  assertEquals(stage.send(batch(1)), "appended");
  assertEquals(stage.appended, ["0/0", "0/1"]);
});

Deno.test("verification: a newer epoch ends the attempt of the older, which is fenced", () => {
  const stage = new Stage();
  stage.send(batch(5));
  stage.send(batch(0, 1));
  assertEquals(stage.refused.splice(0), ["0/5 INVALID_PRODUCER_EPOCH"]);
  assertEquals(stage.send(batch(6)), "refused");
  assertEquals(stage.refused, ["0/6 INVALID_PRODUCER_EPOCH"]);
  stage.answer(0);
  assertEquals(stage.appended, []);
  stage.answer(1);
  assertEquals(stage.appended, ["1/0"]);
});

Deno.test("verification: no answer in time is one to try again upon", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.asked[0]!({ kind: "timed-out" });
  assertEquals(stage.refused, ["0/0 NOT_ENOUGH_REPLICAS"]);
  assertEquals(stage.send(batch(0)), "held");
});

Deno.test("verification: who leads no more refuses what waits, and takes no late answer", () => {
  const stage = new Stage();
  stage.send(batch(0));
  stage.verification.fail();
  assertEquals(stage.refused, ["0/0 NOT_LEADER_OR_FOLLOWER"]);
  stage.answer(0);
  assertEquals(stage.appended, []);
});

Deno.test("verification: attempts that nobody came back to are forgotten", () => {
  const stage = new Stage();
  stage.send(batch(3));
  stage.answer(0, ErrorCode.NOT_ENOUGH_REPLICAS);
  stage.verification.removeExpired(NOW);
  stage.send(batch(9));
  stage.answer(1, ErrorCode.NOT_ENOUGH_REPLICAS);
  stage.verification.removeExpired(NOW + 1);
  stage.send(batch(9));
  stage.answer(2);
  assertEquals(stage.appended, ["0/9"]);
});
