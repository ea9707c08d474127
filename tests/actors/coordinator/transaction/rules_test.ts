import { assertEquals } from "@std/assert";
import {
  type EndTransaction,
  type InitProducer,
  type Ruling,
  TransactionRules,
} from "../../../../actors/coordinator/transaction/rules.ts";
import {
  EPOCH_MAX,
  isPrepared,
  recordOf,
  type Transaction,
  TRANSACTION_STATUS,
  transactionOf,
  type TransactionStatus,
  VALID_PREVIOUS,
} from "../../../../actors/coordinator/transaction/transaction.ts";
import { errorName } from "../../../../net/messages/errors.ts";

const NOW = 10_000;
const RULES = new TransactionRules();
const PARTITIONS = new Map([["orders", new Set([0, 1])]]);

/** The states that are ever written. */
const WRITTEN = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
] as const;

type Written = (typeof WRITTEN)[number];

/** A transaction of producer 7, epoch 3. */
function known(status: Written, change: Partial<Transaction> = {}): Transaction {
  const isOpen = status === "Ongoing" || status.startsWith("Prepare");
  return {
    transactionalId: "x",
    producerId: 7,
    previousProducerId: -1,
    nextProducerId: -1,
    producerEpoch: 3,
    timeoutMs: 1000,
    status,
    partitions: isOpen ? PARTITIONS : new Map(),
    startedAt: status === "Empty" ? -1 : 9000,
    updatedAt: 9500,
    clientVersion: 0,
    ...change,
  };
}

/** What a ruling comes to, in short: the state written, or the error. */
function outcome(ruling: Ruling): string {
  switch (ruling.kind) {
    case "next":
      return `${ruling.next.status} ${ruling.next.producerId}/${ruling.next.producerEpoch}`;
    case "fence":
      return `fence ${ruling.next.status} ${ruling.next.producerEpoch}`;
    case "done":
      return `done ${ruling.answer.producerId}/${ruling.answer.producerEpoch}`;
    case "new-producer-id":
      return ruling.kind;
    case "refused":
      return errorName(ruling.error);
  }
}

function init(
  transaction: Transaction | undefined,
  change: Partial<InitProducer> = {},
  lastEpoch = -1,
  newId: number | undefined = undefined,
): string {
  const request = { transactionalId: "x", timeoutMs: 2000, expected: undefined, ...change };
  return outcome(RULES.initProducer(transaction, request, lastEpoch, newId, NOW));
}

function end(
  transaction: Transaction | undefined,
  request: EndTransaction,
  newId?: number,
): string {
  return outcome(RULES.endTransaction(transaction, request, newId, NOW));
}

function ending(committed: boolean, clientVersion: 0 | 2, producerEpoch = 3): EndTransaction {
  return { producerId: 7, producerEpoch, committed, clientVersion };
}

function add(
  transaction: Transaction | undefined,
  partition = 2,
  producerId = 7,
  producerEpoch = 3,
): string {
  const added = [{ topic: "orders", partitions: [partition] }];
  return outcome(
    RULES.addPartitions(transaction, { producerId, producerEpoch }, added, 2, NOW),
  );
}

/** What happens in each state. */
function inEachState(run: (transaction: Transaction) => string): Record<Written, string> {
  return Object.fromEntries(WRITTEN.map((status) => [status, run(known(status))])) as Record<
    Written,
    string
  >;
}

Deno.test("rules: a new transactional id gets a new producer id", () => {
  assertEquals(init(undefined), "new-producer-id");
  assertEquals(init(undefined, {}, -1, 12), "Empty 12/0");
  const expected = { producerId: 1, producerEpoch: 2 };
  assertEquals(init(undefined, { expected }, -1, 12), "Empty 12/0");
});

Deno.test("rules: who takes an id over gets the next epoch, or waits until the open one is aborted", () => {
  assertEquals(inEachState((each) => init(each)), {
    Empty: "Empty 7/4",
    Ongoing: "fence PrepareAbort 4",
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "Empty 7/4",
    CompleteAbort: "Empty 7/4",
  });
});

Deno.test("rules: who goes on must have what is current, or have been told of it just now", () => {
  const expected = (producerId: number, producerEpoch: number, lastEpoch = -1) =>
    init(known("Empty"), { expected: { producerId, producerEpoch } }, lastEpoch);
  assertEquals(expected(7, 3), "Empty 7/4");
  assertEquals(expected(7, 2), "PRODUCER_FENCED");
  assertEquals(expected(7, 2, 2), "Empty 7/3");
  assertEquals(expected(7, 4), "PRODUCER_FENCED");
  assertEquals(expected(6, 3), "PRODUCER_FENCED");
});

Deno.test("rules: who was fenced cannot end the transaction of whoever fenced it", () => {
  const goOn = (producerEpoch: number, lastEpoch = -1) =>
    init(known("Ongoing"), { expected: { producerId: 7, producerEpoch } }, lastEpoch);
  assertEquals(goOn(3), "fence PrepareAbort 4");
  assertEquals(goOn(2), "PRODUCER_FENCED");
  assertEquals(goOn(2, 2), "PRODUCER_FENCED", "a request that comes very late");
  assertEquals(goOn(4), "PRODUCER_FENCED");
});

Deno.test("rules: who goes on may have missed that its last transaction has raised its epoch", () => {
  const goOn = (change: Partial<Transaction>, producerEpoch: number) =>
    init(known("CompleteCommit", change), { expected: { producerId: 7, producerEpoch } });
  assertEquals(goOn({ clientVersion: 2 }, 2), "Empty 7/3");
  assertEquals(goOn({ clientVersion: 2 }, 1), "PRODUCER_FENCED");
  assertEquals(goOn({ clientVersion: 0 }, 2), "PRODUCER_FENCED", "by a time-out");
  const rotated = { producerId: 12, previousProducerId: 7, producerEpoch: 0 };
  assertEquals(goOn({ ...rotated, clientVersion: 2 }, EPOCH_MAX - 1), "Empty 12/0");
  assertEquals(goOn({ ...rotated, clientVersion: 2 }, EPOCH_MAX - 2), "PRODUCER_FENCED");
});

Deno.test("rules: the last epoch of a former producer id is not that of the one there is", () => {
  const rotated = { producerId: 12, previousProducerId: 7, producerEpoch: EPOCH_MAX - 1 };
  const expected = { producerId: 7, producerEpoch: EPOCH_MAX - 1 };
  assertEquals(init(known("Empty", rotated), { expected }, -1, 13), "PRODUCER_FENCED");
});

Deno.test("rules: where epochs are used up there is another producer id", () => {
  const late = known("CompleteCommit", { producerEpoch: EPOCH_MAX - 1 });
  assertEquals(init(late), "new-producer-id");
  assertEquals(init(late, {}, -1, 12), "Empty 12/0");
  const fenced = known("CompleteAbort", { producerEpoch: EPOCH_MAX });
  assertEquals(init(fenced, {}, -1, 12), "Empty 12/0");
  const held = { producerId: 7, producerEpoch: EPOCH_MAX - 1 };
  assertEquals(init(late, { expected: held }, -1, 12), "Empty 12/0");
  assertEquals(init(fenced, { expected: held }, -1, 12), "PRODUCER_FENCED");
  // Its answer was lost: it asks again with what it had.
  const rotated = known("Empty", { producerId: 12, previousProducerId: 7, producerEpoch: 0 });
  assertEquals(init(rotated, { expected: held }, EPOCH_MAX - 1), "Empty 12/0");
  assertEquals(init(rotated, { expected: held }), "PRODUCER_FENCED");
  assertEquals(
    init(rotated, { expected: { producerId: 7, producerEpoch: 5 } }, 5),
    "PRODUCER_FENCED",
  );
});

Deno.test("rules: the last epoch can still be fenced, and no epoch is past the end", () => {
  const last = known("Ongoing", { producerEpoch: EPOCH_MAX - 1 });
  assertEquals(init(last), `fence PrepareAbort ${EPOCH_MAX}`);
  assertEquals(
    RULES.fence(known("Ongoing", { producerEpoch: EPOCH_MAX }), NOW).producerEpoch,
    EPOCH_MAX,
  );
});

Deno.test("rules: partitions are added but where the last transaction is not at its end", () => {
  assertEquals(inEachState((each) => add(each)), {
    Empty: "Ongoing 7/3",
    Ongoing: "Ongoing 7/3",
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "Ongoing 7/3",
    CompleteAbort: "Ongoing 7/3",
  });
  assertEquals(add(known("Ongoing"), 1), "done 7/3");
  assertEquals(add(known("Ongoing"), 1, 8), "INVALID_PRODUCER_ID_MAPPING");
  assertEquals(add(known("Ongoing"), 1, 7, 2), "PRODUCER_FENCED");
  assertEquals(add(known("Ongoing"), 1, 7, 4), "PRODUCER_FENCED");
  assertEquals(add(undefined), "INVALID_PRODUCER_ID_MAPPING");
});

Deno.test("rules: a transaction begins when its first partition is added, and not again", () => {
  const producer = { producerId: 7, producerEpoch: 3 };
  const startOf = (from: Transaction) => {
    const ruling = RULES.addPartitions(
      from,
      producer,
      [{ topic: "paid", partitions: [4] }],
      0,
      NOW,
    );
    if (ruling.kind !== "next") throw new Error(ruling.kind);
    return [ruling.next.startedAt, [...ruling.next.partitions.keys()]];
  };
  assertEquals(startOf(known("Empty")), [NOW, ["paid"]]);
  assertEquals(startOf(known("CompleteAbort")), [NOW, ["paid"]]);
  assertEquals(startOf(known("Ongoing")), [9000, ["orders", "paid"]]);
});

Deno.test("rules: before version 2 an end keeps the epoch", () => {
  assertEquals(inEachState((each) => end(each, ending(true, 0))), {
    Empty: "INVALID_TXN_STATE",
    Ongoing: "PrepareCommit 7/3",
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "INVALID_TXN_STATE",
    CompleteCommit: "done 7/3",
    CompleteAbort: "INVALID_TXN_STATE",
  });
  assertEquals(inEachState((each) => end(each, ending(false, 0))), {
    Empty: "INVALID_TXN_STATE",
    Ongoing: "PrepareAbort 7/3",
    PrepareCommit: "INVALID_TXN_STATE",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "INVALID_TXN_STATE",
    CompleteAbort: "done 7/3",
  });
  for (const epoch of [2, 4]) {
    for (const status of WRITTEN) {
      assertEquals(end(known(status), ending(true, 0, epoch)), "PRODUCER_FENCED");
    }
  }
});

Deno.test("rules: with version 2 an end raises the epoch, and the first abort may be of nothing", () => {
  assertEquals(inEachState((each) => end(each, ending(true, 2))), {
    Empty: "INVALID_TXN_STATE",
    Ongoing: "PrepareCommit 7/4",
    // Of the one that has not begun yet: while that before it ends nobody can say more.
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "INVALID_TXN_STATE",
    CompleteAbort: "INVALID_TXN_STATE",
  });
  assertEquals(inEachState((each) => end(each, ending(false, 2))), {
    Empty: "PrepareAbort 7/4",
    Ongoing: "PrepareAbort 7/4",
    // Of the one that has not begun yet: while that before it ends nobody can say more.
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "PrepareAbort 7/4",
    CompleteAbort: "PrepareAbort 7/4",
  });
});

Deno.test("rules: with version 2 an end that is told again is known by the epoch before", () => {
  const again = (committed: boolean) =>
    Object.fromEntries(WRITTEN.map((status) => {
      const transaction = known(status, { clientVersion: 2 });
      return [status, end(transaction, ending(committed, 2, 2))];
    }));
  assertEquals(again(true), {
    Empty: "INVALID_TXN_STATE",
    Ongoing: "PRODUCER_FENCED",
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "INVALID_TXN_STATE",
    CompleteCommit: "done 7/3",
    CompleteAbort: "INVALID_TXN_STATE",
  });
  assertEquals(again(false).CompleteAbort, "done 7/3");
  assertEquals(again(false).CompleteCommit, "INVALID_TXN_STATE");
  assertEquals(again(false).PrepareAbort, "CONCURRENT_TRANSACTIONS");
});

Deno.test("rules: what the coordinator ended by itself no producer takes for its own end", () => {
  const fenced = RULES.fence(known("Ongoing", { clientVersion: 2 }), NOW);
  const complete = RULES.complete(fenced, NOW);
  for (const transaction of [fenced, complete]) {
    for (const version of [0, 2] as const) {
      for (const committed of [true, false]) {
        assertEquals(end(transaction, ending(committed, version)), "PRODUCER_FENCED");
      }
    }
  }
});

Deno.test("rules: with version 2 the last epoch ends with another producer id", () => {
  const last = EPOCH_MAX - 1;
  const open = known("Ongoing", { producerEpoch: last });
  assertEquals(end(open, ending(true, 2, last)), "new-producer-id");
  const ruling = RULES.endTransaction(open, ending(true, 2, last), 12, NOW);
  if (ruling.kind !== "next") throw new Error(ruling.kind);
  assertEquals(ruling.answer, { producerId: 12, producerEpoch: 0 });
  // The markers are the old producer's.
  assertEquals([ruling.next.producerId, ruling.next.producerEpoch], [7, EPOCH_MAX]);
  const complete = RULES.complete(ruling.next, NOW);
  assertEquals([complete.producerId, complete.previousProducerId], [12, 7]);
  assertEquals([complete.producerEpoch, complete.nextProducerId], [0, -1]);
  assertEquals(end(complete, ending(true, 2, last)), "done 12/0");
  assertEquals(end(complete, ending(false, 2, last)), "INVALID_TXN_STATE");
  assertEquals(end(complete, ending(true, 2, 4)), "INVALID_PRODUCER_ID_MAPPING");
});

Deno.test("rules: the end of an unknown id, or by another producer, is refused", () => {
  for (const version of [0, 2] as const) {
    assertEquals(end(undefined, ending(true, version)), "INVALID_PRODUCER_ID_MAPPING");
    for (const status of WRITTEN) {
      const other = { ...ending(true, version), producerId: 8 };
      assertEquals(end(known(status), other), "INVALID_PRODUCER_ID_MAPPING");
    }
  }
});

Deno.test("rules: a partition is verified only while its transaction is open", () => {
  const producer = { producerId: 7, producerEpoch: 3 };
  const verify = (transaction: Transaction | undefined, partition = 1, of = producer) => {
    const error = RULES.verifyProducer(transaction, of);
    return errorName(
      error !== 0 ? error : RULES.verifyPartition(transaction!, "orders", partition),
    );
  };
  assertEquals(inEachState((each) => verify(each)), {
    Empty: "TRANSACTION_ABORTABLE",
    Ongoing: "NONE",
    PrepareCommit: "CONCURRENT_TRANSACTIONS",
    PrepareAbort: "CONCURRENT_TRANSACTIONS",
    CompleteCommit: "TRANSACTION_ABORTABLE",
    CompleteAbort: "TRANSACTION_ABORTABLE",
  });
  assertEquals(verify(known("Ongoing"), 2), "TRANSACTION_ABORTABLE");
  assertEquals(verify(undefined), "INVALID_PRODUCER_ID_MAPPING");
  const zombie = { producerId: 7, producerEpoch: 2 };
  assertEquals(verify(known("Ongoing"), 1, zombie), "PRODUCER_FENCED");
});

Deno.test("rules: only what is open can take too long, only what rests is forgotten", () => {
  const late = 10_001;
  assertEquals(inEachState((each) => String(RULES.isTimedOut(each, late))), {
    Empty: "false",
    Ongoing: "true",
    PrepareCommit: "false",
    PrepareAbort: "false",
    CompleteCommit: "false",
    CompleteAbort: "false",
  });
  assertEquals(RULES.isTimedOut(known("Ongoing"), 10_000), false);
  assertEquals(inEachState((each) => String(RULES.isExpired(each, 10_500, 1000))), {
    Empty: "true",
    Ongoing: "false",
    PrepareCommit: "false",
    PrepareAbort: "false",
    CompleteCommit: "true",
    CompleteAbort: "true",
  });
  assertEquals(RULES.isExpired(known("Empty"), 10_499, 1000), false);
});

Deno.test("rules: whatever is asked, a state comes only after one that it may come after", () => {
  let transitions = 0;
  const check = (from: Transaction, ruling: Ruling) => {
    if (ruling.kind !== "next" && ruling.kind !== "fence") return;
    transitions++;
    const { next } = ruling;
    const allowed = VALID_PREVIOUS[next.status].includes(from.status);
    assertEquals(allowed, true, `${from.status} to ${next.status}`);
    if (next.producerId === from.producerId) {
      assertEquals(next.producerEpoch >= from.producerEpoch, true);
    }
    const hasPartitions = next.status === "Ongoing" || isPrepared(next);
    if (!hasPartitions) assertEquals(next.partitions.size, 0);
  };
  for (const status of WRITTEN) {
    for (const clientVersion of [0, 2] as const) {
      const from = known(status, { clientVersion });
      for (const producerEpoch of [2, 3, 4]) {
        const producer = { producerId: 7, producerEpoch };
        for (const expected of [undefined, producer]) {
          const request = { transactionalId: "x", timeoutMs: 1, expected };
          check(from, RULES.initProducer(from, request, 2, 12, NOW));
        }
        for (const version of [0, 2] as const) {
          const added = [{ topic: "t", partitions: [0] }];
          check(from, RULES.addPartitions(from, producer, added, version, NOW));
          for (const committed of [true, false]) {
            const request = { ...producer, committed, clientVersion: version };
            check(from, RULES.endTransaction(from, request, 12, NOW));
          }
        }
      }
      if (status === "Ongoing") check(from, { kind: "fence", next: RULES.fence(from, NOW) });
      if (isPrepared(from)) {
        const next = RULES.complete(from, NOW);
        check(from, { kind: "next", next, answer: next });
      }
    }
  }
  assertEquals(transitions > 40, true);
});

Deno.test("transaction: its record says all that it is", () => {
  for (const status of WRITTEN) {
    for (const clientVersion of [0, 2] as const) {
      const change = { clientVersion, previousProducerId: 5, nextProducerId: 9 };
      const transaction = known(status, change);
      const { key, value } = recordOf(transaction);
      assertEquals(transactionOf(key.transactionalId, value!), transaction);
    }
  }
});

Deno.test("transaction: states that are never written are not read", () => {
  const { value } = recordOf(known("Empty"));
  for (const status of ["Dead", "PrepareEpochFence"] as TransactionStatus[]) {
    const transactionStatus = TRANSACTION_STATUS[status];
    assertEquals(transactionOf("x", { ...value!, transactionStatus }), undefined);
  }
  assertEquals(transactionOf("x", { ...value!, transactionStatus: 77 }), undefined);
});
