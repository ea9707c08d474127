/**
 * Commits that wait: their order, their time, their number, and what becomes of them at the end.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { CommitQueue } from "../../../../actors/client/consumer/commit_queue.ts";
import { Simulation } from "../../../../actors/sim/simulation.ts";
import { CALM_WORLD } from "../../../../actors/sim/world_options.ts";
import type { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { ClosedError, TimeoutError } from "../../../../actors/client/errors.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../../net/messages/find_coordinator.ts";
import { OFFSET_COMMIT, type OffsetCommitRequest } from "../../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../../net/messages/offset_fetch.ts";
import type { ClientWorld } from "../client_world.ts";
import { failure, setUp, store, take } from "./consumer_setup.ts";

const PARTITIONS = 4;

/** A coordinator that keeps the offsets, and answers commits when it is let. */
class Coordinator {
  readonly world: ClientWorld;
  /** Each commit, as `partition:offset` and so on. */
  readonly commits: string[] = [];
  readonly stored = new Map<number, number>();
  isHolding = false;
  isSilent = false;
  readonly #held: (() => void)[] = [];

  constructor(world: ClientWorld) {
    this.world = world;
    const { handlers } = world.cluster;
    handlers.set(FIND_COORDINATOR, (_request, { nodeId, host }, reply) => {
      if (!this.isSilent) {
        reply({ coordinators: [{ key: "g", nodeId, host, port: 9192 }] });
      }
    });
    handlers.set(OFFSET_FETCH, (_request, _broker, reply) => {
      const partitions = Array.from(this.stored, ([partitionIndex, committedOffset]) => ({
        partitionIndex,
        committedOffset,
      }));
      reply({ groups: [{ groupId: "g", topics: [{ name: "t", partitions }] }] });
    });
    handlers.set(OFFSET_COMMIT, ({ topics }: OffsetCommitRequest, _broker, reply) => {
      const partitions = topics.flatMap(({ partitions }) => partitions);
      const places = partitions.map((p) => ({ at: p.partitionIndex, offset: p.committedOffset }));
      this.commits.push(places.map(({ at, offset }) => `${at}:${offset}`).join(" "));
      const answer = () => {
        for (const { at, offset } of places) this.stored.set(at, offset);
        const stored = places.map(({ at }) => ({ partitionIndex: at, errorCode: 0 }));
        reply({ topics: [{ name: "t", partitions: stored }] });
      };
      if (this.isHolding) this.#held.push(answer);
      else answer();
    });
  }

  /** Answers what it held back, and what comes. */
  letGo(): void {
    this.isHolding = false;
    for (const answer of this.#held.splice(0)) answer();
  }
}

interface Committer {
  readonly world: ClientWorld;
  readonly coordinator: Coordinator;
  readonly consumer: Consumer;
}

async function committer(config: Partial<ConsumerConfig> = {}): Promise<Committer> {
  const made: { coordinator?: Coordinator } = {};
  const assign = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: "t", partition }));
  const setup = await setUp(
    { assign, from: "earliest", group: "g", enableAutoCommit: false, ...config } as ConsumerConfig,
    (world) => made.coordinator = new Coordinator(world),
    { partitions: PARTITIONS },
  );
  await setup.world.pass(1000);
  return { ...setup, coordinator: made.coordinator! };
}

function at(partition: number, offset: number) {
  return [{ topic: "t", partition, offset }];
}

Deno.test("commits: whoever waits for the coordinator waits no longer than it may", async () => {
  const { world, coordinator, consumer } = await committer({
    defaultApiTimeoutMs: 5_000,
    requestTimeoutMs: 60_000,
    // With positions that are given nothing is to be asked of the coordinator at first.
    assign: [{ topic: "t", partition: 0, offset: 0 }],
  });
  coordinator.isSilent = true;
  const start = world.nowMs;
  assertInstanceOf(await failure(world, consumer.commit(at(0, 1))), TimeoutError);
  assertEquals(world.nowMs - start, 5_000);
  await world.settled(consumer.close());
});

Deno.test("commits: one that waits for another to be answered has a time of its own", async () => {
  const { world, coordinator, consumer } = await committer({ defaultApiTimeoutMs: 5_000 });
  coordinator.isHolding = true;
  const first = failure(world, consumer.commit(at(0, 1)));
  await world.pass(1_000);
  const start = world.nowMs;
  const second = failure(world, consumer.commit(at(1, 1)));
  assertInstanceOf(await first, TimeoutError);
  assertInstanceOf(await second, TimeoutError);
  assertEquals(world.nowMs - start, 5_000);
  await world.settled(consumer.close());
});

Deno.test("commits: a later one of the same partitions takes the place of one that waits", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  const ends: string[] = [];
  const commit = (name: string, partition: number, offset: number) => {
    consumer.commitAsync(at(partition, offset), (error) => ends.push(`${name} ${error?.message}`));
  };
  commit("first", 0, 1);
  commit("second", 0, 2);
  commit("other", 1, 7);
  for (let offset = 3; offset < 100; offset++) commit("later", 0, offset);
  // Back again: that is what was said last.
  commit("last", 0, 50);
  await world.pass(1_000);
  assertEquals(ends, []);
  coordinator.letGo();
  await world.pass(1_000);
  assertEquals(coordinator.commits, ["0:1", "0:50", "1:7"]);
  assertEquals([...coordinator.stored], [[0, 50], [1, 7]]);
  assertEquals(ends.length, 101);
  assert(ends.every((end) => end.endsWith("undefined")));
  await world.settled(consumer.close());
});

Deno.test("commits: one that says something else besides takes no one's place", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  consumer.commitAsync(at(0, 1));
  consumer.commitAsync([{ topic: "t", partition: 0, offset: 2, metadata: "two" }]);
  consumer.commitAsync([...at(0, 3), ...at(1, 3)]);
  consumer.commitAsync(at(0, 4));
  await world.pass(100);
  coordinator.letGo();
  await world.pass(1_000);
  assertEquals(coordinator.commits, ["0:1", "0:2", "0:3 1:3", "0:4"]);
  await world.settled(consumer.close());
});

Deno.test("commits: there are never more than so many, and one too many is told at once", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  const errors: unknown[] = [];
  for (let offset = 1; offset <= 10_005; offset++) {
    consumer.commitAsync(at(offset % PARTITIONS, offset), (error) => errors.push(error));
  }
  await world.pass(100);
  assertEquals(errors.length, 5);
  for (const error of errors) assertInstanceOf(error, TimeoutError);
  coordinator.letGo();
  await world.pass(1_000);
  assertEquals(errors.filter((error) => error === undefined).length, 10_000);
  assertEquals(coordinator.stored.get(0), 10_000);
  await world.settled(consumer.close());
});

Deno.test("commits: who asks what is committed sees all that was asked for before", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  consumer.commitAsync(at(0, 1));
  consumer.commitAsync(at(0, 2));
  const committed = consumer.committed([{ topic: "t", partition: 0 }]);
  consumer.commitAsync(at(1, 1));
  await world.pass(100);
  coordinator.letGo();
  assertEquals((await world.settled(committed))[0]!.offset, 2);
  await world.settled(consumer.close());
});

Deno.test("commits: those that wait are waited for at the end", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  const commits = [0, 1, 2].map((partition) => consumer.commit(at(partition, 5)));
  const closed = consumer.close();
  await world.pass(3_000);
  coordinator.letGo();
  await world.settled(Promise.all([closed, ...commits]));
  assertEquals(coordinator.stored.size, 3);
});

Deno.test("commits: the last is made behind all that wait", async () => {
  const setup = await committer({ enableAutoCommit: true, autoCommitIntervalMs: 3_600_000 });
  const { world, coordinator, consumer } = setup;
  store(world, 3, ["a", "b"]);
  await take(setup, 2);
  await world.settled(consumer.poll(0));
  coordinator.isHolding = true;
  const commits = [0, 1, 2].map((partition) => consumer.commit(at(partition, 5)));
  const closed = consumer.close();
  await world.pass(8_000);
  coordinator.letGo();
  await world.settled(Promise.all([closed, ...commits]));
  assertEquals(coordinator.commits.at(-1), "0:0 1:0 2:0 3:2");
});

Deno.test("commits: what could not be made within the time of close has failed", async () => {
  const { world, coordinator, consumer } = await committer();
  coordinator.isHolding = true;
  const commits = [0, 1].map((partition) => failure(world, consumer.commit(at(partition, 5))));
  const start = world.nowMs;
  await world.settled(consumer.close({ timeoutMs: 2_000 }));
  assert(world.nowMs - start < 2_100, `it took ${world.nowMs - start} ms`);
  for (const error of await Promise.all(commits)) assertInstanceOf(error, ClosedError);
  assert(world.logged.some((line) => line.includes("closed before all was committed")));
});

Deno.test("commits: the last one bears the epoch that the group has come to meanwhile", async () => {
  const group: { epoch: number; committed?: OffsetCommitRequest } = { epoch: 1 };
  const setup = await setUp(
    { topics: ["t"], group: "g", from: "earliest", autoCommitIntervalMs: 3_600_000 },
    (world) => {
      void new Coordinator(world);
      store(world, 0, ["a", "b"]);
      const { handlers, topics } = world.cluster;
      handlers.set(CONSUMER_GROUP_HEARTBEAT, ({ memberEpoch }, _broker, reply) => {
        const { topicId } = topics.get("t")!;
        const assignment = memberEpoch === 0
          ? { topicPartitions: [{ topicId, partitions: [0] }] }
          : null;
        reply({ memberEpoch: group.epoch, heartbeatIntervalMs: 60_000, assignment });
      });
      handlers.set(OFFSET_COMMIT, (request: OffsetCommitRequest, _broker, reply) => {
        const isStale = request.generationIdOrMemberEpoch !== group.epoch;
        const errorCode = isStale ? ErrorCode.STALE_MEMBER_EPOCH : ErrorCode.NONE;
        if (!isStale) group.committed = request;
        reply({ topics: [{ name: "t", partitions: [{ partitionIndex: 0, errorCode }] }] });
      });
    },
  );
  const { world, consumer } = setup;
  assertEquals((await take(setup, 2)).length, 2);
  await world.settled(consumer.poll(0));
  group.epoch = 2;
  await world.settled(consumer.close());
  assertEquals(group.committed!.topics[0]!.partitions[0]!.committedOffset, 2);
});

Deno.test("commits: those of a partition that come faster than they are answered starve no others", () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  simulation.node("client").start(() => ({ crash: () => {} }));
  const environment = simulation.node("client").environment!;
  const begun = [0, 0];
  const queue: CommitQueue = new CommitQueue(environment, (commit) => {
    begun[commit.offsets[0]!.partition]!++;
    commit.isAsked = true;
    environment.timers.schedule(15, () => {
      commit.isAsked = false;
      if (queue.current === commit) queue.end(undefined);
    });
  });
  const member = { groupId: "g", memberId: "m", generationId: 1, groupInstanceId: null };
  const turn = () => {
    for (const partition of [0, 1]) {
      const offsets = [{ topic: "t", partition, offset: 1 }];
      queue.add(offsets, { timeoutMs: 60_000, mayRetry: false }, member, () => {});
    }
    environment.timers.schedule(10, turn);
  };
  turn();
  simulation.run({ forMs: 1_000 });
  const [first, second] = begun as [number, number];
  assert(second > 10 && Math.abs(first - second) <= 1, `${begun}`);
});
