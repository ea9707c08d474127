import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { TXN_OFFSET_COMMIT } from "../../../../net/messages/txn_offset_commit.ts";
import { make } from "../../../../net/schema/make.ts";
import type { CoordinatorContext } from "../../../../actors/coordinator/machine.ts";
import type { GroupRecord } from "../../../../actors/coordinator/group/records.ts";
import type {
  CompleteTransaction,
  TxnOffsetCommit,
} from "../../../../actors/coordinator/group/requests.ts";
import { TransactionalCommits } from "../../../../actors/coordinator/group/transactional_commits.ts";

const PRODUCER = 7;

/** Commits of one producer, and a coordinator of transactions that answers when it is told to. */
class Stage {
  readonly committed: number[] = [];
  readonly asked: ((error: ErrorCode) => void)[] = [];
  isOpen = false;
  readonly commits: TransactionalCommits;

  constructor() {
    const context = {
      partition: 0,
      config: { requestTimeoutMs: 1000 },
      now: () => 0,
      ask: (_to: unknown, _timeoutMs: number, _make: unknown, done: (result: unknown) => void) => {
        this.asked.push((error) =>
          done({ kind: "reply", reply: { kind: "transaction-verified", error } })
        );
      },
    };
    this.commits = new TransactionalCommits({
      // What is not here is not used.
      context: context as unknown as CoordinatorContext<GroupRecord>,
      verifier: {} as never,
      isOpen: () => this.isOpen,
      commit: ({ request }) => {
        this.committed.push(request.producerEpoch);
        this.commits.replayed(PRODUCER, request.producerEpoch);
        this.isOpen = true;
      },
    });
  }

  commit(producerEpoch: number): void {
    const request = make(TXN_OFFSET_COMMIT.request, {
      transactionalId: "x",
      groupId: "group",
      producerId: PRODUCER,
      producerEpoch,
      topics: [],
    });
    const replyTo = { tell: () => true };
    this.commits.commit(
      { kind: "txn-offset-commit", request, version: 5, replyTo } as unknown as TxnOffsetCommit,
    );
  }

  marked(): void {
    this.isOpen = false;
    this.commits.marked(PRODUCER);
  }
}

Deno.test("transactional commits: the first of a transaction is verified, the next are not", () => {
  const stage = new Stage();
  stage.commit(1);
  assertEquals([stage.committed, stage.asked.length], [[], 1]);
  stage.asked[0]!(ErrorCode.NONE);
  assertEquals(stage.committed, [1]);
  stage.commit(1);
  assertEquals([stage.committed, stage.asked.length], [[1, 1], 1]);
});

Deno.test("transactional commits: what the transaction before has open lets nothing of the next in", () => {
  const stage = new Stage();
  stage.commit(1);
  stage.asked[0]!(ErrorCode.NONE);
  // Its marker is on the way: it would decide this, too.
  stage.commit(2);
  assertEquals([stage.committed, stage.asked.length], [[1], 2]);
  stage.asked[1]!(ErrorCode.CONCURRENT_TRANSACTIONS);
  stage.marked();
  stage.commit(2);
  stage.asked[2]!(ErrorCode.NONE);
  assertEquals(stage.committed, [1, 2]);
});

Deno.test("transactional commits: a marker of the epoch that is open has come late", () => {
  const stage = new Stage();
  const isLate = (producerEpoch: number, transactionVersion: number) =>
    stage.commits.isLate(
      { producerId: PRODUCER, producerEpoch, transactionVersion } as CompleteTransaction,
    );
  assertEquals(isLate(5, 2), false, "nothing is open");
  // Also after a load, where nobody has committed anything.
  stage.isOpen = true;
  stage.commits.replayed(PRODUCER, 5);
  assertEquals([4, 5, 6].map((epoch) => isLate(epoch, 2)), [true, true, false]);
  assertEquals([5, 6].map((epoch) => isLate(epoch, 0)), [false, false]);
  stage.marked();
  assertEquals(isLate(5, 2), false);
});
