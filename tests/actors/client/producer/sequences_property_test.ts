import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  PartitionSequences,
  type SequencedBatch,
} from "../../../../actors/client/producer/sequences.ts";
import type { ProducerIdAndEpoch } from "../../../../actors/client/producer/producer_identity.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { ProducerState } from "../../../../storage/producer_state.ts";

/**
 * A producer's partition and its log, as small as they can be: batches are lists of numbers, a
 * request is a copy of a batch. Requests of a lost connection may lie somewhere and come later.
 */
class Model {
  readonly log: Entry[] = [];
  producers = new ProducerState();
  #committed = 0;
  readonly identity = {
    current: { producerId: 1, producerEpoch: 0 } as ProducerIdAndEpoch | undefined,
    bump(from: ProducerIdAndEpoch) {
      if (this.current === from) this.current = { ...from, producerEpoch: from.producerEpoch + 1 };
    },
  };
  readonly sequences = new PartitionSequences(this.identity);
  /** What waits, by its order. */
  #waiting: Batch[] = [];
  /** On the way over the connection that there is, in order. */
  #inFlight: Batch[] = [];
  #lying: Entry[] = [];
  #nextValue = 0;
  #nextOrder = 0;
  readonly acked: { readonly values: readonly number[]; readonly index: number }[] = [];
  readonly failed: Batch[] = [];
  gaveUpByTime = 0;

  begin(count: number): void {
    const values = Array.from({ length: count }, () => this.#nextValue++);
    this.#waiting.push(new Batch(this.#nextOrder++, values));
  }

  /** The sender's rules: retries go alone. */
  send(): boolean {
    const first = this.#waiting[0];
    if (first === undefined || !this.sequences.mayTake(first)) return false;
    const isAlone = this.#inFlight.length === 0;
    if (!isAlone && (first.attempts > 0 || this.#inFlight.some((one) => one.attempts > 0))) {
      return false;
    }
    this.#waiting.shift();
    this.sequences.take(first);
    this.#inFlight.push(first);
    return true;
  }

  sendUpTo(count: number): void {
    while (count-- > 0 && this.send());
  }

  /** What a log answers to a batch: where it is, or an error. */
  #append({ values, stamp }: Entry): number | { readonly code: number } {
    const lastSequence = (stamp.baseSequence + values.length - 1) & 0x7fffffff;
    const baseOffset = this.log.reduce((sum, entry) => sum + entry.values.length, 0);
    const lastOffset = baseOffset + values.length - 1;
    const view = {
      ...stamp,
      lastSequence,
      baseOffset,
      lastOffset,
      maxTimestamp: 0,
      isTransactional: false,
    };
    const found = this.producers.check(view);
    if (typeof found === "string") return { code: ErrorCode[found] };
    if (found !== undefined) return found.lastOffset - found.offsetDelta;
    this.log.push({ values, stamp });
    this.producers.apply(view);
    return baseOffset;
  }

  /** The oldest request is handled and answered, or answered with an error, before or after. */
  answer(error?: { readonly code: number; readonly isAppended: boolean }): void {
    const batch = this.#inFlight.shift();
    if (batch === undefined) return;
    if (error === undefined) {
      const result = this.#append(batch.entry());
      if (typeof result === "number") this.#stored(batch, result);
      else this.#refused(batch, result.code);
    } else {
      const result = error.isAppended ? this.#append(batch.entry()) : 0;
      this.#refused(batch, typeof result === "number" ? error.code : result.code);
    }
    this.#settle();
  }

  /** The newest request is answered before the others. */
  answerNewest(): void {
    if (this.#inFlight.length < 2) return;
    const results = this.#inFlight.map((batch) => this.#append(batch.entry()));
    const newest = results.at(-1);
    if (typeof newest !== "number") return this.loseConnection(0, false);
    this.#stored(this.#inFlight.pop()!, newest);
    this.#settle();
  }

  /** So many more requests are handled; the others are lost, or come later. */
  loseConnection(handled: number, isKept: boolean): void {
    const lost = this.#inFlight.splice(0);
    for (const batch of lost.slice(0, handled)) this.#append(batch.entry());
    if (isKept) this.#lying.push(...lost.slice(handled).map((batch) => batch.entry()));
    for (const batch of lost) this.#refused(batch, ErrorCode.NETWORK_EXCEPTION);
    this.#settle();
  }

  /** What lay somewhere comes to the log, in its order. */
  late(count: number): void {
    for (const entry of this.#lying.splice(0, count)) this.#append(entry);
  }

  /** Another leader: it has what is committed, and so many more. */
  move(kept: number): void {
    this.log.length = Math.min(this.log.length, this.#committed + kept);
    this.producers = new ProducerState();
    const entries = this.log.splice(0);
    for (const entry of entries) this.#append(entry);
  }

  /** The time of what has waited longest is up. */
  expire(count: number): void {
    for (const batch of this.#waiting.splice(0, count)) {
      this.gaveUpByTime++;
      this.sequences.gaveUp(batch);
    }
    this.#settle();
  }

  #stored(batch: Batch, baseOffset: number): void {
    this.sequences.stored(batch);
    if (baseOffset < 0) return;
    this.acked.push({ values: batch.values, index: baseOffset });
    let end = 0;
    for (const [index, { values }] of this.log.entries()) {
      end += values.length;
      if (end > baseOffset) {
        this.#committed = Math.max(this.#committed, index + 1);
        break;
      }
    }
  }

  #refused(batch: Batch, code: number): void {
    const verdict = this.sequences.refused(batch, code);
    if (verdict === "stored") return this.#stored(batch, -1);
    batch.attempts++;
    if (code === ErrorCode.MESSAGE_TOO_LARGE && batch.values.length > 1) {
      const half = batch.values.length >> 1;
      const parts = [0, half].map((firstIndex) => {
        const end = firstIndex === 0 ? half : undefined;
        const part = new Batch(batch.order, batch.values.slice(firstIndex, end));
        part.attempts = batch.attempts;
        return { batch: part, firstIndex };
      });
      this.sequences.split(batch, parts);
      return this.#putBack(...parts.map((part) => part.batch));
    }
    const isFatal = code === ErrorCode.MESSAGE_TOO_LARGE || code === ErrorCode.INVALID_RECORD;
    if (verdict === "fail" || (verdict === undefined && isFatal)) {
      this.failed.push(batch);
      this.sequences.gaveUp(batch);
    } else {
      this.#putBack(batch);
    }
  }

  #putBack(...batches: Batch[]): void {
    let at = 0;
    while (at < this.#waiting.length && this.#waiting[at]!.order < batches[0]!.order) at++;
    this.#waiting.splice(at, 0, ...batches);
  }

  #settle(): void {
    if (this.#inFlight.length === 0) this.sequences.settle();
  }

  /** All goes well from now on. */
  finish(): void {
    this.loseConnection(0, false);
    for (let round = 0; this.#waiting.length > 0; round++) {
      assert(round < 10_000, "it does not end");
      const sent = this.send();
      if (!sent && this.#inFlight.length === 0) {
        // A part whose predecessor was given up waits for nothing but its end, in a new epoch.
        const { stamp } = this.#waiting[0]!;
        assert(stamp !== undefined && stamp.baseSequence > 0, "it waits for nothing");
        this.expire(1);
      }
      this.answer();
    }
    this.late(Infinity);
  }

  check(): void {
    const flat = this.log.flatMap(({ values }) => values);
    for (let i = 1; i < flat.length; i++) {
      assert(flat[i]! > flat[i - 1]!, `${flat[i]} comes after ${flat[i - 1]}`);
    }
    for (const { values, index } of this.acked) {
      assertEquals(
        flat.slice(index, index + values.length),
        values,
        "it is where it is said to be",
      );
    }
    let epoch = 0;
    let next = 0;
    for (const { values, stamp } of this.log) {
      if (stamp.producerEpoch !== epoch) next = 0;
      assert(stamp.producerEpoch >= epoch, "epochs rise");
      assertEquals(stamp.baseSequence, next);
      epoch = stamp.producerEpoch;
      next += values.length;
    }
  }
}

interface Entry {
  readonly values: readonly number[];
  readonly stamp: NonNullable<SequencedBatch["stamp"]>;
}

class Batch implements SequencedBatch {
  stamp: SequencedBatch["stamp"];
  attempts = 0;

  constructor(readonly order: number, readonly values: readonly number[]) {}

  get recordsCount(): number {
    return this.values.length;
  }

  entry(): Entry {
    return { values: this.values, stamp: this.stamp! };
  }
}

const RETRIABLE = [ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorCode.NOT_LEADER_OR_FOLLOWER];

/** A method of the model, and what it is given. */
type Step = readonly [
  "begin" | "sendUpTo" | "answer" | "answerNewest" | "loseConnection" | "late" | "move" | "expire",
  ...unknown[],
];
const count = fc.integer({ min: 1, max: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: count.map((n): Step => ["begin", n]) },
  { weight: 10, arbitrary: count.map((n): Step => ["sendUpTo", n]) },
  { weight: 6, arbitrary: fc.constant<Step>(["answer"]) },
  { weight: 1, arbitrary: fc.constant<Step>(["answerNewest"]) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(5), fc.boolean()).map(([n, kept]): Step => {
      return ["loseConnection", n, kept];
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ErrorCode.NOT_ENOUGH_REPLICAS,
      ErrorCode.MESSAGE_TOO_LARGE,
      ErrorCode.INVALID_RECORD,
    ).map((code): Step => ["answer", { code, isAppended: false }]),
  },
  {
    weight: 2,
    arbitrary: fc.record({ code: fc.constantFrom(...RETRIABLE), isAppended: fc.boolean() }).map(
      (error): Step => ["answer", error],
    ),
  },
  { weight: 2, arbitrary: count.map((n): Step => ["late", n]) },
  { weight: 1, arbitrary: fc.nat(2).map((n): Step => ["move", n]) },
  { weight: 1, arbitrary: count.map((n): Step => ["expire", n]) },
);

Deno.test("sequences: no value twice, none out of order, whatever is lost or comes late", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const model = new Model();
      for (const [name, ...given] of steps) {
        (model[name] as (...given: unknown[]) => void)(...given);
      }
      model.finish();
      model.check();
    }),
    { numRuns: Number(Deno.env.get("STROM_RUNS") ?? 1_000) },
  );
});
