/** Fetch sessions (KIP-227), as a client of one node sees them and as the cache keeps them. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { BrokerMetrics } from "../../../../actors/broker/broker_metrics.ts";
import { Budget } from "../../../../actors/broker/sessions/budget.ts";
import {
  FETCH_SESSION_EVICTION_MS,
  FetchSessions,
} from "../../../../actors/broker/fetching/fetch_sessions.ts";
import { InMemoryMetrics } from "../../../../actors/runtime/metrics_registry.ts";
import { SeededStream } from "../../../../actors/runtime/random_stream.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { DELETE_TOPICS } from "../../../../net/messages/delete_topics.ts";
import { FETCH, type FetchRequest, type FetchResponse } from "../../../../net/messages/fetch.ts";
import { type Draft, make } from "../../../../net/schema/make.ts";
import { batchOf, BrokerWorld, valuesIn } from "../broker_world.ts";
import type { TestClient } from "../test_client.ts";

interface Session {
  readonly world: BrokerWorld;
  readonly client: TestClient;
  readonly topicId: string;
  /** The session's id and what the next request must say. */
  id: number;
  epoch: number;
}

/** A session that names each partition of a topic, at its end. */
function opened(partitions: number): Session {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders", partitions);
  const first = world.ask(client, FETCH, {
    sessionId: 0,
    sessionEpoch: 0,
    maxWaitMs: 0,
    topics: [{ topicId, partitions: all(partitions) }],
  });
  assertEquals(told(first).map(({ partitionIndex }) => partitionIndex).length, partitions);
  assertNotEquals(first.sessionId, 0);
  return { world, client, topicId, id: first.sessionId, epoch: 1 };
}

function all(partitions: number, fetchOffset = 0) {
  return Array.from(
    { length: partitions },
    (_, partition) => ({ partition, fetchOffset, partitionMaxBytes: 1 << 20 }),
  );
}

function at(partition: number, fetchOffset: number) {
  return { partition, fetchOffset, partitionMaxBytes: 1 << 20 };
}

function told({ responses }: FetchResponse) {
  return responses.flatMap(({ partitions }) => partitions);
}

/** The next request of a session, with what it says besides. */
function begin(session: Session, draft: Draft<FetchRequest> = {}, client = session.client) {
  const { id: sessionId } = session;
  return client.begin(FETCH, {
    sessionId,
    sessionEpoch: session.epoch++,
    minBytes: 1,
    maxWaitMs: 0,
    ...draft,
  });
}

function next(session: Session, draft: Draft<FetchRequest> = {}): FetchResponse {
  return session.world.settled(begin(session, draft));
}

Deno.test("fetch session: only partitions with something new are in an answer", () => {
  const session = opened(3);
  const { world, client, topicId } = session;
  assertEquals(told(next(session)), []);
  world.produce(client, "orders", batchOf(["a"]), { partition: 1 });
  const [answer, ...others] = told(next(session));
  assertEquals(others, []);
  assertEquals([answer!.partitionIndex, valuesIn(answer!.records)], [1, ["a"]]);
  // Until the client goes on.
  assertEquals(valuesIn(told(next(session))[0]!.records), ["a"]);
  assertEquals(told(next(session, { topics: [{ topicId, partitions: [at(1, 1)] }] })), []);
});

Deno.test("fetch session: one that waits is answered when any of its partitions has a record", () => {
  const session = opened(100);
  const { world, client } = session;
  for (const partition of [42, 99]) {
    const parked = begin(session, { maxWaitMs: 60_000 });
    world.pass(1000);
    assertEquals(parked.isSettled, false);
    world.produce(client, "orders", batchOf(["a"]), { partition });
    const answers = told(world.settled(parked));
    assertEquals(answers.at(-1)!.partitionIndex, partition);
    next(session, { topics: [{ topicId: session.topicId, partitions: [at(partition, 1)] }] });
  }
});

Deno.test("fetch session: one that waits looks only at what has changed", () => {
  const session = opened(200);
  const { world, client } = session;
  assertEquals(told(next(session)), []);
  let reads = 0;
  world.throwsAt = (_path, kind) => {
    if (kind === "read" || kind === "await-data") reads++;
    return false;
  };
  const parked = begin(session, { maxWaitMs: 60_000 });
  world.pass(10);
  world.produce(client, "orders", batchOf(["a"]), { partition: 7 });
  assertEquals(told(world.settled(parked)).length, 1);
  assertEquals(reads, 1);
});

Deno.test("fetch session: what is forgotten is in no answer, what is added is in the next", () => {
  const session = opened(2);
  const { world, client, topicId } = session;
  next(session, { forgottenTopicsData: [{ topicId, partitions: [0] }] });
  for (const partition of [0, 1]) {
    world.produce(client, "orders", batchOf(["a"]), { partition });
  }
  assertEquals(told(next(session)).map(({ partitionIndex }) => partitionIndex), [1]);
  const answers = told(next(session, { topics: [{ topicId, partitions: [at(0, 0), at(1, 1)] }] }));
  assertEquals(answers.map(({ partitionIndex }) => partitionIndex), [0]);
});

Deno.test("fetch session: a wrong epoch and an unknown id are refused, with nothing else in it", () => {
  const session = opened(1);
  const { world } = session;
  session.epoch = 2;
  const wrong = next(session);
  assertEquals([wrong.errorCode, wrong.responses], [ErrorCode.INVALID_FETCH_SESSION_EPOCH, []]);
  session.epoch = 1;
  assertEquals(next(session).errorCode, ErrorCode.NONE);
  session.id++;
  const unknown = next(session);
  assertEquals([unknown.errorCode, unknown.responses], [ErrorCode.FETCH_SESSION_ID_NOT_FOUND, []]);
  session.id--;
  const byName = world.settled(
    session.client.begin(FETCH, { sessionId: session.id, sessionEpoch: 2 }, 12),
  );
  assertEquals(byName.errorCode, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
});

Deno.test("fetch session: a full request with its id ends a session, and one with no more epochs", () => {
  for (const sessionEpoch of [0, -1]) {
    const session = opened(1);
    const { world, client, topicId, id: sessionId } = session;
    const full = world.ask(client, FETCH, {
      sessionId,
      sessionEpoch,
      maxWaitMs: 0,
      topics: [{ topicId, partitions: all(1) }],
    });
    assertEquals(told(full).length, 1);
    assertEquals(full.sessionId === 0, sessionEpoch === -1);
    assertEquals(next(session).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  }
});

Deno.test("fetch session: one left without partitions is kept no more", () => {
  const session = opened(1);
  const { topicId } = session;
  const empty = next(session, { forgottenTopicsData: [{ topicId, partitions: [0] }] });
  assertEquals([empty.errorCode, empty.sessionId, empty.responses], [0, 0, []]);
  assertEquals(next(session).errorCode, ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
});

Deno.test("fetch session: another request of it has the one that waits answered at once", () => {
  const session = opened(2);
  const { world, client, topicId } = session;
  const parked = begin(session, { maxWaitMs: 60_000 });
  world.pass(1000);
  const started = world.simulation.nowMs;
  const second = begin(session, {
    maxWaitMs: 60_000,
    topics: [{ topicId, partitions: [at(1, 0)] }],
  });
  assertEquals(told(world.settled(parked)), []);
  assert(world.simulation.nowMs - started < 100);
  world.pass(1000);
  assertEquals(second.isSettled, false);
  world.produce(client, "orders", batchOf(["a"]), { partition: 1 });
  assertEquals(told(world.settled(second)).length, 1);
});

Deno.test("fetch session: a consumer goes on with it by another connection", () => {
  const session = opened(2);
  const { world, client, topicId } = session;
  const parked = begin(session, { maxWaitMs: 60_000 });
  world.pass(100);
  client.close(true);
  world.pass(100);
  assertEquals(world.booted.usage.waitingPlaces, 0);
  assert(parked.lost);
  const again = world.client();
  world.produce(again, "orders", batchOf(["a"]), { partition: 1 });
  const answer = world.settled(begin(session, {}, again));
  assertEquals(told(answer).map(({ partitionIndex }) => partitionIndex), [1]);
  const waiting = begin(session, {
    maxWaitMs: 60_000,
    topics: [{ topicId, partitions: [at(1, 1)] }],
  }, again);
  world.pass(100);
  world.produce(again, "orders", batchOf(["b"]), { partition: 0 });
  assertEquals(told(world.settled(waiting)).map(({ partitionIndex }) => partitionIndex), [0]);
});

Deno.test("fetch session: a deleted topic is an error in each answer until it is forgotten", () => {
  const session = opened(1);
  const { world, client, topicId } = session;
  const parked = begin(session, { maxWaitMs: 60_000 });
  world.pass(100);
  world.ask(client, DELETE_TOPICS, { topics: [{ name: "orders" }], timeoutMs: 1000 });
  assertEquals(told(world.settled(parked))[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_ID);
  assertEquals(told(next(session))[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_ID);
  next(session, { forgottenTopicsData: [{ topicId, partitions: [0] }] });
});

Deno.test("fetch session: partitions take turns at being first where bytes are short", () => {
  const session = opened(3);
  const { world, client, topicId } = session;
  for (const partition of [0, 1, 2]) {
    world.produce(client, "orders", batchOf(["x".repeat(900)]), { partition });
    world.produce(client, "orders", batchOf(["x".repeat(900)]), { partition });
  }
  const offsets = [0, 0, 0];
  for (let round = 0; round < 6; round++) {
    const given = told(next(session, {
      maxBytes: 1000,
      topics: [{ topicId, partitions: offsets.map((offset, i) => at(i, offset)) }],
    })).filter(({ records }) => records !== null);
    assertEquals(given.length, 1);
    offsets[given[0]!.partitionIndex]!++;
  }
  assertEquals(offsets, [2, 2, 2]);
});

Deno.test("fetch session: waiting takes up places, and gives them back with the connection", () => {
  const session = opened(50);
  const { world, client } = session;
  begin(session, { maxWaitMs: 60_000 });
  world.pass(100);
  assertEquals(world.booted.usage.waitingPlaces, 50);
  client.close();
  world.pass(100);
  world.assertNothingHeld();
});

// What is kept when there is no room for all.

function cache(slots: number) {
  const metrics = new BrokerMetrics(new InMemoryMetrics());
  const sessions = new FetchSessions({
    slots,
    random: new SeededStream(1, 2, 3),
    metrics,
    places: new Budget(-1),
  });
  const keep = (partitions: number, isFollower: boolean, now: number) => {
    const request = make(FETCH.request, {
      sessionEpoch: 0,
      topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAAAQ", partitions: all(partitions) }],
    });
    const context = sessions.open(request, true, isFollower);
    assert(context.kind === "full" && context.isToBeKept);
    sessions.keep(context.session, now);
    return context.session;
  };
  const isKept = (sessionId: number, isFollower: boolean) =>
    sessions.open(make(FETCH.request, { sessionId, sessionEpoch: 1 }), true, isFollower).kind ===
      "incremental";
  return { sessions, metrics, keep, isKept };
}

Deno.test("fetch sessions: without a slot a session is served, and not kept", () => {
  const { keep, sessions, metrics } = cache(1);
  assertNotEquals(keep(5, false, 0).id, 0);
  assertEquals(keep(9, false, 1).id, 0);
  assertEquals(sessions.size, 1);
  assertEquals(metrics.incrementalFetchPartitionsCached.value, 5);
});

Deno.test("fetch sessions: one that was not used for two minutes goes for any other", () => {
  const { keep, isKept, metrics } = cache(1);
  const { id } = keep(5, true, 0);
  assertEquals(keep(1, false, FETCH_SESSION_EVICTION_MS).id, 0);
  assertNotEquals(keep(1, false, FETCH_SESSION_EVICTION_MS + 1).id, 0);
  assertEquals(isKept(id, true), false);
  assertEquals(metrics.incrementalFetchSessionEvictionsTotal.value, 1);
});

Deno.test("fetch sessions: a follower takes a consumer's slot, and no consumer a follower's", () => {
  const { keep, isKept } = cache(2);
  const large = keep(9, false, 0).id;
  const small = keep(5, false, 0).id;
  const follower = keep(1, true, 1).id;
  assertNotEquals(follower, 0);
  assertEquals([isKept(large, false), isKept(small, false)], [true, false]);
  assertEquals(keep(99, false, 2).id, 0);
  assertEquals(isKept(follower, true), true);
});

Deno.test("fetch sessions: an old one goes for one of more partitions, a young one does not", () => {
  const { sessions, keep, isKept } = cache(1);
  const first = keep(5, false, 0);
  const request = make(FETCH.request, { sessionId: first.id, sessionEpoch: 1 });
  // It is used, so that only its age counts.
  assertEquals(sessions.advance(first, request, FETCH_SESSION_EVICTION_MS), 0);
  assertEquals(keep(9, false, FETCH_SESSION_EVICTION_MS).id, 0);
  assertEquals(keep(4, false, FETCH_SESSION_EVICTION_MS + 1).id, 0);
  assertNotEquals(keep(9, false, FETCH_SESSION_EVICTION_MS + 1).id, 0);
  assertEquals(isKept(first.id, false), false);
});

Deno.test("fetch sessions: nobody uses a follower's session but a follower", () => {
  const { keep, isKept } = cache(2);
  const { id } = keep(1, true, 0);
  assertEquals([isKept(id, false), isKept(id, true)], [false, true]);
});
