import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type FetchedPart,
  FetchState,
  type Followed,
  type PlannedFetch,
} from "../../../../actors/broker/replicas/fetch_state.ts";
import type { FetchPosition } from "../../../../actors/partition/messages.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import {
  FETCH,
  type FetchPartition,
  type FetchRequest,
  type FetchResponse,
} from "../../../../net/messages/fetch.ts";
import { type Draft, make } from "../../../../net/schema/make.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAAQ";
const SETTINGS = {
  replicaFetchMaxBytes: 1000,
  replicaFetchResponseMaxBytes: 5000,
  replicaFetchMinBytes: 1,
  replicaFetchWaitMaxMs: 500,
  replicaFetchBackoffMs: 1000,
};

function makeState(options: { readonly throttledUntil?: () => number | undefined } = {}) {
  const state = new FetchState({ nodeId: 2, settings: () => SETTINGS, ...options });
  state.setBrokerEpoch(7);
  return state;
}

function position(fetchOffset: number, leaderEpoch = 1): FetchPosition {
  return {
    kind: "fetch-position",
    leaderEpoch,
    fetchOffset,
    lastFetchedEpoch: 0,
    logStartOffset: 0,
    failed: false,
  };
}

function follow(state: FetchState, partition: number, fetchOffset = 0, leaderEpoch = 1) {
  return state.follow(TOPIC, "orders", partition, position(fetchOffset, leaderEpoch));
}

type PartitionDraft = Draft<FetchResponse["responses"][number]["partitions"][number]>;

function response(sessionId: number, ...partitions: PartitionDraft[]): FetchResponse {
  const responses = partitions.length === 0 ? [] : [{ topicId: TOPIC, partitions }];
  return make(FETCH.response, { sessionId, responses });
}

function asked({ topics }: FetchRequest): readonly [number, number][] {
  return topics.flatMap(({ partitions }) =>
    partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset] as [number, number])
  );
}

function forgotten({ forgottenTopicsData }: FetchRequest): readonly number[] {
  return forgottenTopicsData.flatMap(({ partitions }) => partitions);
}

function next(state: FetchState, now = 0): PlannedFetch {
  const planned = state.nextRequest(now);
  assert(planned !== undefined, "there is something to ask");
  return planned;
}

/** A state whose session with the leader is known, each partition at offset 0. */
function inSession(state: FetchState, ...partitions: number[]): readonly Followed[] {
  const followed = partitions.map((partition) => follow(state, partition));
  const { number } = next(state);
  state.answered(number, response(5), 0);
  return followed;
}

const RECORDS = { records: new Uint8Array(10), highWatermark: 3, logStartOffset: 0 };

Deno.test("fetch state: nothing is asked while nothing is followed, or the broker has no epoch", () => {
  assertEquals(makeState().nextRequest(0), undefined);
  const state = new FetchState({ nodeId: 2, settings: () => SETTINGS });
  follow(state, 0);
  assertEquals(state.nextRequest(0), undefined);
  state.setBrokerEpoch(7);
  const { request } = next(state);
  assertEquals(request.replicaState, { replicaId: 2, replicaEpoch: 7 });
});

Deno.test("fetch state: the first request names everything, later ones what has changed", () => {
  const state = makeState();
  const [zero] = [follow(state, 0), follow(state, 1, 4)];
  const first = next(state);
  assertEquals(asked(first.request), [[0, 0], [1, 4]]);
  assertEquals([first.request.sessionId, first.request.sessionEpoch], [0, 0]);
  const { parts } = state.answered(
    first.number,
    response(5, { partitionIndex: 0, ...RECORDS }),
    0,
  );
  assertEquals(parts.map(({ followed }) => followed), [zero]);
  state.took(zero, position(3), 0);
  const second = next(state);
  assertEquals(asked(second.request), [[0, 3]]);
  assertEquals([second.request.sessionId, second.request.sessionEpoch], [5, 1]);
  state.answered(second.number, response(5), 0);
  assertEquals(asked(next(state).request), []);
});

Deno.test("fetch state: a partition that takes in what was fetched is left out meanwhile", () => {
  const state = makeState();
  const [zero] = inSession(state, 0, 1);
  const fetch = next(state);
  state.answered(fetch.number, response(5, { partitionIndex: 0, ...RECORDS }), 0);
  const without = next(state);
  assertEquals(asked(without.request), []);
  assertEquals(forgotten(without.request), [0]);
  state.took(zero!, position(3), 0);
  // While that fetch is with the leader.
  const again = next(state);
  assertEquals(asked(again.request), [[0, 3]]);
  assertEquals(again.request.sessionEpoch, without.request.sessionEpoch + 1);
  assertEquals(state.nextRequest(0), undefined, "two are under way");
});

Deno.test("fetch state: an answer from before the position was told counts no more (B11)", () => {
  const state = makeState();
  const [zero] = inSession(state, 0, 1);
  const first = next(state);
  follow(state, 2);
  const second = next(state);
  // The leader gave the same records twice.
  const data = { partitionIndex: 0, ...RECORDS };
  assertEquals(state.answered(first.number, response(5, data), 0).parts.length, 1);
  assertEquals(state.answered(second.number, response(5, data), 0).parts.length, 0);
  state.took(zero!, position(3), 0);
  const third = next(state);
  assertEquals(asked(third.request), [[0, 3]]);
});

Deno.test("fetch state: what answers another leader epoch does not count", () => {
  const state = makeState();
  const [zero] = inSession(state, 0);
  const fetch = next(state);
  const anew = follow(state, 0, 0, 2);
  assert(!state.isFollowed(zero!));
  const data = { partitionIndex: 0, ...RECORDS };
  assertEquals(state.answered(fetch.number, response(5, data), 0).parts, []);
  const { request, number } = next(state);
  assertEquals(request.topics[0]!.partitions[0]!.currentLeaderEpoch, 2);
  assertEquals(forgotten(request), []);
  const { parts } = state.answered(number, response(5, data), 0);
  assertEquals(parts[0]!.followed, anew);
});

Deno.test("fetch state: a position in another epoch waits for whom to follow then", () => {
  const state = makeState();
  const [zero] = inSession(state, 0, 1);
  const fetch = next(state);
  state.answered(fetch.number, response(5, { partitionIndex: 0, ...RECORDS }), 0);
  state.took(zero!, position(3, 2), 0);
  assertEquals(zero!.status, "waiting");
  assertEquals(forgotten(next(state).request), [0]);
});

Deno.test("fetch state: errors of the session begin a new one, which closes the old", () => {
  for (const errorCode of [ErrorCode.FETCH_SESSION_ID_NOT_FOUND, ErrorCode.UNKNOWN_SERVER_ERROR]) {
    const state = makeState();
    inSession(state, 0, 1);
    const fetch = next(state);
    const { error } = state.answered(fetch.number, { ...response(0), errorCode }, 0);
    assertEquals(error, errorCode);
    const { request } = next(state);
    assertEquals([request.sessionId, request.sessionEpoch], [5, 0]);
    assertEquals(asked(request), [[0, 0], [1, 0]]);
  }
});

Deno.test("fetch state: a lost connection ends the session, and what was asked before counts no more", () => {
  const state = makeState();
  inSession(state, 0);
  const fetch = next(state);
  follow(state, 1);
  const other = next(state);
  state.failed(fetch.number);
  const late = state.answered(other.number, response(5, { partitionIndex: 0, ...RECORDS }), 0);
  assertEquals(late.parts, []);
  const anew = next(state);
  assertEquals([anew.request.sessionEpoch, asked(anew.request).length], [0, 2]);
});

Deno.test("fetch state: a new registration of the broker is told to every partition's leader", () => {
  const state = makeState();
  inSession(state, 0, 1);
  state.setBrokerEpoch(8);
  const { request } = next(state);
  assertEquals(asked(request).length, 2);
  assertEquals(request.replicaState.replicaEpoch, 8);
});

Deno.test("fetch state: a refused partition waits, longer each time, and the others go on", () => {
  const state = makeState();
  const [zero] = inSession(state, 0, 1);
  let now = 0;
  const waits: number[] = [];
  for (let round = 0; round < 9; round++) {
    const { number } = next(state, now);
    const errorCode = ErrorCode.UNKNOWN_LEADER_EPOCH;
    const refusal = response(5, { partitionIndex: 0, errorCode });
    const { refused } = state.answered(number, refusal, now);
    assertEquals(refused, [{ followed: zero!, error: errorCode }]);
    waits.push(state.nextDue - now);
    now = state.nextDue;
    state.resume(now);
  }
  assertEquals(waits, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
  assertEquals(asked(next(state, now).request), [[0, 0]]);
});

Deno.test("fetch state: out of range asks where the leader's log is, and gives that", () => {
  const state = makeState();
  const [zero] = inSession(state, 0);
  const { number } = next(state);
  const errorCode = ErrorCode.OFFSET_OUT_OF_RANGE;
  const { outOfRange } = state.answered(number, response(5, { partitionIndex: 0, errorCode }), 0);
  assertEquals(outOfRange, [zero!]);
  const part = state.outOfRange(zero!, { logStartOffset: 10, logEndOffset: 20 }, 0);
  assertEquals(part?.outcome, { kind: "out-of-range", logStartOffset: 10, logEndOffset: 20 });
  state.took(zero!, position(10), 0);
  assertEquals(asked(next(state).request), [[0, 10]]);
});

Deno.test("fetch state: a partition that is throttled waits, and is asked for again", () => {
  let until: number | undefined;
  const state = makeState({ throttledUntil: () => until });
  const [zero] = inSession(state, 0, 1);
  const { number } = next(state);
  state.answered(number, response(5, { partitionIndex: 0, ...RECORDS }), 0);
  state.took(zero!, position(3), 0);
  until = 70;
  assertEquals(asked(next(state, 20).request), []);
  assertEquals(state.nextDue, 70);
  until = undefined;
  state.resume(70);
  assertEquals(asked(next(state, 70).request), [[0, 3]]);
});

Deno.test("fetch state: without a session each request names everything", () => {
  const state = makeState();
  follow(state, 0);
  follow(state, 1);
  for (let round = 0; round < 3; round++) {
    const { number, request } = next(state);
    assertEquals([request.sessionId, request.sessionEpoch, asked(request).length], [0, 0, 2]);
    state.answered(number, response(0), 0);
  }
});

Deno.test("fetch state: session epochs begin anew after the largest", () => {
  const state = makeState();
  const [zero] = inSession(state, 0);
  const { number } = next(state);
  state.answered(number, response(5), 0);
  assertEquals(zero!.status, "ready");
  assertEquals(next(state).request.sessionEpoch, 2);
});

// A leader that keeps a session by the book, and partitions that check what they are given.

interface LeaderPartition {
  epoch: number;
  end: number;
}

class ModelLeader {
  readonly partitions: LeaderPartition[] = [0, 1, 2].map(() => ({ epoch: 1, end: 0 }));
  readonly #requests: { readonly number: number; readonly request: FetchRequest }[] = [];
  readonly responses: { readonly number: number; readonly response: FetchResponse }[] = [];
  readonly session = new Map<number, FetchPartition>();
  #sessionId = 0;
  #epoch = 0;
  #lastId = 10;

  receive(planned: PlannedFetch): void {
    this.#requests.push(planned);
  }

  get isAsked(): boolean {
    return this.#requests.length > 0;
  }

  forgetSession(): void {
    this.#sessionId = 0;
  }

  lose(): number[] {
    const lost = [...this.#requests, ...this.responses].map(({ number }) => number);
    this.#requests.length = 0;
    this.responses.length = 0;
    return lost;
  }

  answer(): void {
    const next = this.#requests.shift();
    if (next === undefined) return;
    const { number, request } = next;
    this.responses.push({ number, response: this.#response(request) });
  }

  #response(request: FetchRequest): FetchResponse {
    const isFull = request.sessionEpoch === 0;
    if (isFull) {
      this.session.clear();
      this.#sessionId = ++this.#lastId;
      this.#epoch = 1;
    } else {
      if (request.sessionId !== this.#sessionId) {
        const errorCode = ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
        return make(FETCH.response, { errorCode });
      }
      assertEquals(request.sessionEpoch, this.#epoch, "the epochs of a session have no gaps");
      this.#epoch++;
    }
    for (const { partitions } of request.topics) {
      for (const asked of partitions) this.session.set(asked.partition, asked);
    }
    for (const partition of forgotten(request)) {
      assert(this.session.delete(partition), "only what was named is forgotten");
    }
    assert(this.session.size > 0);
    const data = [...this.session.values()].flatMap((asked) => this.#read(asked, isFull));
    return response(this.#sessionId, ...data);
  }

  #read(asked: FetchPartition, isFull: boolean): PartitionDraft[] {
    const { epoch, end } = this.partitions[asked.partition]!;
    const partitionIndex = asked.partition;
    if (asked.currentLeaderEpoch !== epoch) {
      return [{ partitionIndex, errorCode: ErrorCode.FENCED_LEADER_EPOCH }];
    }
    if (asked.fetchOffset === end && !isFull) return [];
    // Where the records begin and end.
    const records = asked.fetchOffset === end ? null : new Uint8Array([asked.fetchOffset, end]);
    return [{ partitionIndex, records, highWatermark: end, logStartOffset: 0 }];
  }
}

interface ModelPartition {
  epoch: number;
  end: number;
  followed: Followed | undefined;
  taking: FetchedPart | undefined;
}

type Step =
  | { readonly kind: "append" | "elect" | "take" | "fail" | "unfollow"; readonly partition: number }
  | { readonly kind: "answer" | "lose" | "forget" | "tick" | "register" }
  | { readonly kind: "deliver"; readonly index: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  ...weighted("append", 8),
  ...weighted("take", 5),
  ...weighted("fail", 1),
  ...weighted("elect", 1),
  ...weighted("unfollow", 3),
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("answer" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver" as const), index: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("lose" as const, "forget" as const, "register" as const),
    }),
  },
);

function weighted<Kind extends "append" | "take" | "fail" | "elect" | "unfollow">(
  kind: Kind,
  weight: number,
) {
  const arbitrary = fc.record({ kind: fc.constant(kind), partition: fc.nat(2) });
  return [{ weight, arbitrary }];
}

class Model {
  readonly leader = new ModelLeader();
  readonly state: FetchState;
  readonly partitions: ModelPartition[] = [0, 1, 2].map(() => ({
    epoch: 1,
    end: 0,
    followed: undefined,
    taking: undefined,
  }));
  #now = 0;
  #brokerEpoch = 7;

  constructor(state: FetchState) {
    this.state = state;
    state.setBrokerEpoch(this.#brokerEpoch);
    this.partitions.forEach((_, partition) => this.#follow(partition));
  }

  #follow(partition: number): void {
    const model = this.partitions[partition]!;
    model.taking = undefined;
    model.followed = follow(this.state, partition, model.end, model.epoch);
  }

  run(step: Step): void {
    switch (step.kind) {
      case "append":
        this.leader.partitions[step.partition]!.end++;
        break;
      case "elect": {
        const model = this.partitions[step.partition]!;
        model.epoch = ++this.leader.partitions[step.partition]!.epoch;
        this.#follow(step.partition);
        break;
      }
      case "unfollow":
        this.state.unfollow(TOPIC, step.partition);
        this.#follow(step.partition);
        break;
      case "take":
      case "fail":
        this.take(step.partition, step.kind === "fail");
        break;
      case "answer":
        this.leader.answer();
        break;
      case "deliver":
        this.deliver(step.index);
        break;
      case "lose":
        for (const number of this.leader.lose()) this.state.failed(number);
        break;
      case "forget":
        this.leader.forgetSession();
        break;
      case "tick":
        this.#now += 1000;
        this.state.resume(this.#now);
        break;
      case "register":
        this.state.setBrokerEpoch(++this.#brokerEpoch);
        break;
    }
    this.send();
  }

  send(): void {
    for (;;) {
      const planned = this.state.nextRequest(this.#now);
      if (planned === undefined) return;
      this.leader.receive(planned);
    }
  }

  /** What was fetched fits what the partition holds. */
  take(partition: number, fails: boolean): void {
    const model = this.partitions[partition]!;
    const part = model.taking;
    if (part === undefined) return;
    model.taking = undefined;
    assertEquals(part.followed.position.fetchOffset, model.end);
    assertEquals(part.followed.position.leaderEpoch, model.epoch);
    const { outcome } = part;
    assert(outcome.kind === "records");
    if (outcome.records !== null && !fails) {
      assertEquals(outcome.records[0], model.end, "records from where the log ends");
      model.end = outcome.records[1]!;
    }
    const told = { ...position(model.end, model.epoch), failed: fails };
    this.state.took(part.followed, told, this.#now);
  }

  deliver(index: number): void {
    const [delivered] = this.leader.responses.splice(
      Math.min(index, this.leader.responses.length - 1),
      1,
    );
    if (delivered === undefined) return;
    const { parts } = this.state.answered(delivered.number, delivered.response, this.#now);
    for (const part of parts) {
      const model = this.partitions[part.followed.partition]!;
      assert(part.followed === model.followed, "of what is followed now");
      assertEquals(model.taking, undefined, "one at a time");
      model.taking = part;
    }
  }

  /** Goes on without trouble until nothing more happens. */
  settle(): void {
    for (let round = 0; round < 40; round++) {
      this.run({ kind: "tick" });
      while (this.leader.isAsked) this.leader.answer();
      while (this.leader.responses.length > 0) this.deliver(0);
      this.partitions.forEach((_, partition) => this.take(partition, false));
    }
  }
}

function property(make: () => FetchState): fc.IProperty<[Step[]]> {
  return fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
    const model = new Model(make());
    model.send();
    for (const step of steps) model.run(step);
    model.settle();
    assertEquals(
      model.partitions.map(({ end }) => end),
      model.leader.partitions.map(({ end }) => end),
      "every partition catches up",
    );
  });
}

Deno.test("fetch state: whatever happens, partitions get what fits and catch up", () => {
  fc.assert(property(() => new FetchState({ nodeId: 2, settings: () => SETTINGS })), {
    numRuns: 1500,
  });
});

Deno.test("fetch state: the property sees answers that no longer count (B11)", () => {
  class Careless extends FetchState {
    protected override counts(followed: Followed): boolean {
      return followed.status === "ready";
    }
  }
  const careless = property(() => new Careless({ nodeId: 2, settings: () => SETTINGS }));
  assert(fc.check(careless, { numRuns: 3000, seed: 1 }).failed);
});
