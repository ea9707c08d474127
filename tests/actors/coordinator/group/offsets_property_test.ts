/**
 * Committed offsets held to P37 whatever comes: plain and transactional commits, markers, writes
 * that fail, coordinators that are replaced. What was acknowledged is never followed by something
 * older, what was aborted is never seen, and the state is the fold of the log.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { OFFSET_COMMIT } from "../../../../net/messages/offset_commit.ts";
import type { OffsetFetchResponseGroup } from "../../../../net/messages/offset_fetch.ts";
import { TXN_OFFSET_COMMIT } from "../../../../net/messages/txn_offset_commit.ts";
import type { OffsetStore } from "../../../../actors/coordinator/group/offset_store.ts";
import { type Awaited, GroupStage } from "./group_stage.ts";

type Op =
  | { readonly kind: "commit"; readonly partition: number }
  | {
    readonly kind: "commit in transaction";
    readonly producer: number;
    readonly partition: number;
  }
  | { readonly kind: "end"; readonly producer: number; readonly outcome: "commit" | "abort" }
  | { readonly kind: "fetch"; readonly partition: number; readonly requireStable: boolean }
  | { readonly kind: "log commits" }
  | { readonly kind: "log fails" }
  | { readonly kind: "reload" };

const partition = fc.integer({ min: 0, max: 1 });
const producer = fc.integer({ min: 1, max: 2 });
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: fc.constant("commit" as const), partition }),
  fc.record({ kind: fc.constant("commit in transaction" as const), producer, partition }),
  fc.record({
    kind: fc.constant("end" as const),
    producer,
    outcome: fc.constantFrom("commit" as const, "abort" as const),
  }),
  fc.record({ kind: fc.constant("fetch" as const), partition, requireStable: fc.boolean() }),
  fc.constant({ kind: "log commits" as const }),
  fc.constant({ kind: "log fails" as const }),
  fc.constant({ kind: "reload" as const }),
);

/** A commit: its number is the offset that it commits, and rises. */
interface Commit {
  readonly number: number;
  readonly partition: number;
  /** Null for a plain one. */
  readonly transaction: Transaction | null;
  isAcknowledged: boolean;
}

interface Transaction {
  outcome: "commit" | "abort" | undefined;
  isDecided: boolean;
}

class Play {
  readonly stage = new GroupStage();
  readonly #commits: Commit[] = [];
  readonly #open = new Map<number, Transaction>();
  /** What is looked at when an answer has come. */
  #answers: { readonly awaited: Awaited<unknown>; readonly come: () => void }[] = [];
  #number = 0;

  constructor() {
    this.stage.commitsAtOnce = false;
  }

  run(step: Op): void {
    switch (step.kind) {
      case "commit":
        this.#commit(step.partition);
        break;
      case "commit in transaction":
        this.#commitIn(step.producer, step.partition);
        break;
      case "end":
        this.#end(step.producer, step.outcome);
        break;
      case "fetch":
        this.#fetch(step.partition, step.requireStable);
        break;
      case "log commits":
        this.stage.commit();
        break;
      case "log fails":
        this.stage.fail();
        break;
      case "reload":
        this.stage.reload();
        break;
    }
    this.#answered();
  }

  #answered(): void {
    const come = this.#answers.filter(({ awaited }) => awaited.isSettled);
    this.#answers = this.#answers.filter(({ awaited }) => !awaited.isSettled);
    for (const answer of come) answer.come();
  }

  #topics(partitionIndex: number, committedOffset: number) {
    return [{ name: "t", partitions: [{ partitionIndex, committedOffset }] }];
  }

  #commit(partition: number): void {
    const number = ++this.#number;
    const commit: Commit = { number, partition, transaction: null, isAcknowledged: false };
    this.#commits.push(commit);
    const topics = this.#topics(partition, number);
    const awaited = this.stage.ask("offset-commit", OFFSET_COMMIT, { groupId: "g", topics });
    this.#answers.push({
      awaited,
      come: () => {
        commit.isAcknowledged = awaited.value.topics[0]!.partitions[0]!.errorCode === 0;
      },
    });
  }

  #commitIn(producerId: number, partition: number): void {
    const transaction = this.#open.get(producerId) ?? { outcome: undefined, isDecided: false };
    this.#open.set(producerId, transaction);
    const number = ++this.#number;
    const commit: Commit = { number, partition, transaction, isAcknowledged: false };
    this.#commits.push(commit);
    const awaited = this.stage.ask("txn-offset-commit", TXN_OFFSET_COMMIT, {
      groupId: "g",
      transactionalId: `${producerId}`,
      producerId,
      producerEpoch: 0,
      topics: this.#topics(partition, number),
    });
    this.#answers.push({
      awaited,
      come: () => {
        commit.isAcknowledged = awaited.value.topics[0]!.partitions[0]!.errorCode === 0;
      },
    });
  }

  /** As a transaction coordinator does: the marker is written until it is there. */
  #end(producerId: number, outcome: "commit" | "abort"): void {
    const transaction = this.#open.get(producerId);
    if (transaction === undefined) return;
    // It waits for the answers to what it ends.
    this.stage.commit();
    this.#answered();
    // What failed must not be committed with the rest.
    const hasFailed = this.#commits.some((commit) =>
      commit.transaction === transaction && !commit.isAcknowledged
    );
    transaction.outcome ??= hasFailed ? "abort" : outcome;
    const decided = transaction.outcome;
    this.#open.delete(producerId);
    const write = () => {
      const awaited = this.stage.send<{ errorCode: number }>((replyTo) => ({
        kind: "complete-transaction",
        transactionVersion: 0,
        producerId,
        producerEpoch: 0,
        coordinatorEpoch: 0,
        outcome: decided,
        replyTo,
      }));
      this.stage.commit();
      return awaited.value.errorCode;
    };
    while (write() !== 0);
    transaction.isDecided = true;
  }

  #fetch(partition: number, requireStable: boolean): void {
    // What is acknowledged by now must be seen, or something later.
    const least = Math.max(
      -1,
      ...this.#commits.filter((commit) =>
        commit.partition === partition && commit.isAcknowledged && isVisible(commit)
      ).map(({ number }) => number),
    );
    const topics = [{ name: "t", partitionIndexes: [partition] }];
    const awaited = this.stage.send<OffsetFetchResponseGroup>((replyTo) => ({
      kind: "offset-fetch",
      request: { groupId: "g", memberId: null, memberEpoch: -1, topics },
      requireStable,
      replyTo,
    }));
    const come = () => {
      if (awaited.refusal !== undefined) return;
      const { committedOffset, errorCode } = awaited.value.topics[0]!.partitions[0]!;
      if (errorCode === ErrorCode.UNSTABLE_OFFSET_COMMIT) {
        return assert(requireStable, "it was not to be stable");
      }
      assertEquals(errorCode, 0);
      assert(committedOffset >= least, `${committedOffset} after ${least}`);
      const seen = this.#commits.find(({ number }) => number === committedOffset);
      assert(committedOffset === -1 || seen !== undefined, "nobody committed that");
      assert(seen === undefined || isVisible(seen), `${committedOffset} was never committed`);
    };
    this.#answers.push({ awaited, come });
  }
}

function isVisible({ transaction }: Commit): boolean {
  return transaction === null || transaction.outcome === "commit" && transaction.isDecided;
}

function shapeOf(offsets: OffsetStore): unknown {
  return [0, 1].map((index) => [
    offsets.get("g", "t", index)?.offset,
    offsets.get("g", "t", index)?.recordOffset,
    offsets.hasPending("g", "t", index),
  ]);
}

Deno.test("offsets: what was acknowledged is never followed by less, what was aborted never seen", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 5, maxLength: 60, size: "max" }), (steps) => {
      const play = new Play();
      for (const step of steps) play.run(step);
      play.run({ kind: "log commits" });
      play.run({ kind: "fetch", partition: 0, requireStable: false });
      play.run({ kind: "fetch", partition: 1, requireStable: true });
      const { stage } = play;
      assertEquals(shapeOf(stage.machine.offsets), shapeOf(stage.folded().offsets));
    }),
    { numRuns: 200 },
  );
});
