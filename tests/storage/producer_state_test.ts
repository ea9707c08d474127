import { assertEquals } from "@std/assert";
import { type ProducerBatch, ProducerState } from "../../storage/producer_state.ts";

interface Spec {
  readonly id?: number;
  readonly epoch?: number;
  readonly first: number;
  readonly count?: number;
  readonly offset?: number;
  readonly transactional?: boolean;
  readonly timestamp?: number;
}

function batch({ id = 1, epoch = 0, first, count = 1, offset = 0, ...rest }: Spec): ProducerBatch {
  return {
    producerId: id,
    producerEpoch: epoch,
    baseSequence: first,
    lastSequence: (first + count - 1) & 0x7fffffff,
    baseOffset: offset,
    lastOffset: offset + count - 1,
    maxTimestamp: rest.timestamp ?? 1000,
    isTransactional: rest.transactional ?? false,
  };
}

function stateOf(...specs: readonly Spec[]): ProducerState {
  const state = new ProducerState();
  for (const spec of specs) state.apply(batch(spec));
  return state;
}

Deno.test("producer state: a producer that is not known may begin anywhere", () => {
  assertEquals(new ProducerState().check(batch({ first: 17 })), undefined);
});

Deno.test("producer state: an id of -1 is no idempotent producer, whatever else it says", () => {
  const state = stateOf({ id: -1, first: 0 });
  assertEquals(state.size, 0);
  assertEquals(state.check(batch({ id: -1, epoch: 0, first: 0 })), undefined);
});

Deno.test("producer state: the next sequence number is the only one that may follow", () => {
  const state = stateOf({ first: 0, count: 3 });
  assertEquals(state.check(batch({ first: 3 })), undefined);
  assertEquals(state.check(batch({ first: 4 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assertEquals(state.check(batch({ first: 2 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
});

Deno.test("producer state: after 2^31 - 1 comes 0", () => {
  const state = stateOf({ first: 0x7fffffff - 1, count: 2 });
  assertEquals(state.check(batch({ first: 0 })), undefined);
  assertEquals(state.check(batch({ first: 1 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  const wrapped = stateOf({ first: 0x7fffffff, count: 3, offset: 40 });
  assertEquals(wrapped.check(batch({ first: 2 })), undefined);
  assertEquals(wrapped.check(batch({ first: 0x7fffffff, count: 3 })), {
    lastSequence: 1,
    lastOffset: 42,
    offsetDelta: 2,
    timestamp: 1000,
  });
});

Deno.test("producer state: each of the last five batches, sent again, is known by its place", () => {
  const specs = Array.from({ length: 6 }, (_, index) => ({
    first: index * 2,
    count: 2,
    offset: 100 + index * 2,
  }));
  const state = stateOf(...specs);
  for (const spec of specs.slice(1)) {
    const found = state.check(batch(spec));
    assertEquals(typeof found === "object" && found.lastOffset, spec.offset + 1);
  }
  assertEquals(state.check(batch(specs[0]!)), "OUT_OF_ORDER_SEQUENCE_NUMBER");
});

Deno.test("producer state: a batch that only begins or ends like a known one is none", () => {
  const state = stateOf({ first: 0, count: 4 });
  assertEquals(state.check(batch({ first: 0, count: 3 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assertEquals(state.check(batch({ first: 1, count: 3 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
});

Deno.test("producer state: an older producer epoch is refused, a newer one begins at 0", () => {
  const state = stateOf({ epoch: 3, first: 0, count: 5 });
  assertEquals(state.check(batch({ epoch: 2, first: 5 })), "INVALID_PRODUCER_EPOCH");
  assertEquals(state.check(batch({ epoch: 4, first: 5 })), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assertEquals(state.check(batch({ epoch: 4, first: 0 })), undefined);
  state.apply(batch({ epoch: 4, first: 0, offset: 5 }));
  assertEquals(state.check(batch({ epoch: 3, first: 0, count: 5 })), "INVALID_PRODUCER_EPOCH");
  assertEquals(state.get(1)?.batches.length, 1);
});

Deno.test("producer state: of a coordinator's batches only the epoch counts", () => {
  const state = stateOf({ epoch: 3, first: 0 });
  assertEquals(state.check(batch({ epoch: 3, first: -1 }), false), undefined);
  assertEquals(state.check(batch({ epoch: 2, first: -1 }), false), "INVALID_PRODUCER_EPOCH");
});

Deno.test("producer state: a transaction begins with its first batch and ends with its marker", () => {
  const state = stateOf({ first: 0, offset: 7, transactional: true });
  assertEquals(state.firstUndecidedOffset, 7);
  assertEquals(state.check(batch({ first: 1 })), "INVALID_TXN_STATE");
  state.apply(batch({ id: 2, first: 0, offset: 8, transactional: true }));
  const marker = { kind: "ABORT", coordinatorEpoch: 4 } as const;
  const completed = state.applyMarker(batch({ first: -1, offset: 9 }), marker);
  assertEquals(completed, { producerId: 1, firstOffset: 7, lastOffset: 9, isAborted: true });
  assertEquals(state.lastStableOffset(completed!), 8);
  assertEquals(state.firstUndecidedOffset, 8);
  assertEquals(state.applyMarker(batch({ first: -1, offset: 10 }), marker), undefined);
});

Deno.test("producer state: an ended transaction is unstable until its marker is committed", () => {
  const state = stateOf({ first: 0, offset: 7, transactional: true });
  state.applyMarker(batch({ first: -1, offset: 9 }), { kind: "COMMIT", coordinatorEpoch: 0 });
  assertEquals(state.firstUnstableOffset(9), 7);
  assertEquals(state.firstUnstableOffset(10), -1);
});

Deno.test("producer state: a marker of an older coordinator or producer epoch is refused", () => {
  const state = stateOf({ epoch: 2, first: 0, transactional: true });
  state.applyMarker(batch({ epoch: 2, first: -1 }), { kind: "COMMIT", coordinatorEpoch: 5 });
  const check = (epoch: number, coordinatorEpoch: number) =>
    state.checkMarker(batch({ epoch, first: -1 }), { kind: "COMMIT", coordinatorEpoch });
  assertEquals(check(2, 4), "TRANSACTION_COORDINATOR_FENCED");
  assertEquals(check(1, 5), "INVALID_PRODUCER_EPOCH");
  assertEquals(check(2, 5), undefined);
});

Deno.test("producer state: idle producers are forgotten, but none with an open transaction", () => {
  const state = stateOf(
    { id: 1, first: 0, timestamp: 1000 },
    { id: 2, first: 0, timestamp: 1000, transactional: true },
    { id: 3, first: 0, timestamp: 1500 },
  );
  state.removeExpired(2000, 1000);
  assertEquals([...state.entries()].map(({ producerId }) => producerId), [2, 3]);
});
