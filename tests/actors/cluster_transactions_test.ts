import { assert, assertEquals } from "@std/assert";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Api } from "../../net/schema.ts";
import type { Draft } from "../../net/schema/make.ts";
import { partitionOfKey } from "../../actors/coordinator/java_hash.ts";
import {
  type AskedOf,
  type Asker,
  committedValues,
  endOffsets,
  findCoordinator,
  RawProducer,
  type TransactionVersion,
} from "./broker/transaction_stage.ts";
import { TestClient } from "./broker/test_client.ts";
import { ClusterWorld } from "./cluster_world.ts";

const PARTITIONS = 3;
const TOPIC = "orders";
const STATE = "__transaction_state";
const PORT = 9192;

const PROPERTIES = {
  "transaction.state.log.num.partitions": "3",
  "offsets.topic.num.partitions": "3",
  "min.insync.replicas": "2",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
  "broker.session.timeout.ms": "3000",
  "broker.heartbeat.interval.ms": "500",
  "replica.lag.time.max.ms": "3000",
};

/** Three nodes, a topic of a partition led by each, and a client of each. */
class Stage implements Asker {
  readonly world: ClusterWorld;
  readonly #clients = new Map<number, TestClient>();

  constructor(properties: Readonly<Record<string, string>> = {}) {
    this.world = ClusterWorld.serving({ properties: { ...PROPERTIES, ...properties } });
    const created = this.#askNode(this.world.active!.id, CREATE_TOPICS, {
      timeoutMs: 10_000,
      topics: [{ name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 3 }],
    });
    assertEquals(created!.topics[0]?.errorMessage, null);
    this.world.until(() => this.#everybodyKnows(TOPIC), "everybody knows the topic");
    findCoordinator(this, "x");
    this.world.until(() => this.#everybodyKnows(STATE), "everybody knows the coordinators");
    this.world.until(
      () => [0, 1, 2].every((partition) => this.#placeOf(STATE, partition)?.isr.length === 3),
      "the log of transactions has its replicas",
    );
  }

  #everybodyKnows(topic: string): boolean {
    return this.world.nodes.every(({ id }) =>
      this.world.partition(id, topic)?.leader !== undefined
    );
  }

  #placeOf(topic: string, partition: number) {
    const up = this.world.nodes.find(({ isReady }) => isReady)!;
    return this.world.partition(up.id, topic, partition);
  }

  leaderOf(topic: string, partition: number): number {
    return this.#placeOf(topic, partition)?.leader ?? -1;
  }

  coordinatorOf(transactionalId: string): number {
    return this.leaderOf(STATE, partitionOfKey(transactionalId, 3));
  }

  /** A transactional id that a node coordinates. */
  idAt(nodeId: number): string {
    for (let number = 0;; number++) {
      if (this.coordinatorOf(`id-${number}`) === nodeId) return `id-${number}`;
    }
  }

  /** Asks whoever is in charge, again where that has just moved. */
  ask<Request, Response>(
    to: AskedOf,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version?: number,
  ): Response {
    for (let tries = 0; tries < 300; tries++) {
      const nodeId = this.#inCharge(to);
      const response = this.#askNode(nodeId < 0 ? 1 : nodeId, api, draft, version);
      if (response !== undefined && !isPassing(response)) return response;
      this.pass(50);
    }
    throw new Error(`Nobody answers ${api.name}`);
  }

  #inCharge(of: AskedOf): number {
    if ("topic" in of) return this.leaderOf(of.topic, of.partition);
    if ("transactionalId" in of) return this.coordinatorOf(of.transactionalId);
    return this.leaderOf("__consumer_offsets", partitionOfKey(of.groupId, 3));
  }

  /** One question to one node; undefined where it gives no answer. */
  #askNode<Request, Response>(
    nodeId: number,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version?: number,
  ): Response | undefined {
    const client = this.#clientOf(nodeId);
    if (client === undefined) return undefined;
    const pending = client.begin(api, draft, version);
    this.world.until(() => pending.isSettled || client.ended.isSettled, `${api.name} is answered`);
    return pending.response;
  }

  #clientOf(nodeId: number): TestClient | undefined {
    const known = this.#clients.get(nodeId);
    if (known !== undefined && !known.ended.isSettled) return known;
    this.#clients.delete(nodeId);
    if (!this.world.node(nodeId).isReady) return undefined;
    let connected = false;
    const client = new TestClient();
    const address = { host: this.world.node(nodeId).name, port: PORT };
    client.connect(this.world.environment.network, address, () => connected = true);
    this.world.until(() => connected || client.ended.isSettled, "a client connects");
    if (!connected) return undefined;
    const handshake = client.handshake();
    this.world.until(() => handshake.isSettled, "a client is greeted");
    this.#clients.set(nodeId, client);
    return client;
  }

  pass(ms: number): void {
    this.world.pass(ms);
  }

  producer(id: string, version: TransactionVersion): RawProducer {
    return new RawProducer(this, id, version);
  }

  /** Waits until a partition is led by somebody who lives. */
  awaitLeaders(): void {
    this.world.until(
      () =>
        [TOPIC, STATE].every((topic) =>
          [0, 1, 2].every((partition) => {
            const leader = this.leaderOf(topic, partition);
            return leader > 0 && this.world.node(leader).isReady;
          })
        ),
      "every partition has a leader",
    );
  }
}

const PASSING: ReadonlySet<number> = new Set<number>([
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.OFFSET_NOT_AVAILABLE,
  ErrorCode.CONCURRENT_TRANSACTIONS,
]);

/** Whether somewhere in a response stands an error upon which clients try again. */
function isPassing(response: unknown): boolean {
  if (Array.isArray(response)) return response.some(isPassing);
  if (response === null || typeof response !== "object" || ArrayBuffer.isView(response)) {
    return false;
  }
  return Object.entries(response).some(([name, value]) =>
    name.toLowerCase().endsWith("errorcode") ? PASSING.has(value as number) : isPassing(value)
  );
}

function sendEverywhere(producer: RawProducer, value: string): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    producer.send(TOPIC, partition, `${value}${partition}`);
  }
}

function allCommitted(stage: Stage): string[][] {
  return [0, 1, 2].map((partition) => committedValues(stage, TOPIC, partition));
}

for (const version of [1, 2] as const) {
  const of = `cluster, transactions version ${version}`;

  Deno.test(`${of}: a transaction over partitions of all brokers counts as a whole`, () => {
    const stage = new Stage();
    const producer = stage.producer(stage.idAt(1), version).init();
    sendEverywhere(producer, "a");
    assertEquals(allCommitted(stage), [[], [], []]);
    producer.commit();
    sendEverywhere(producer, "b");
    producer.abort();
    sendEverywhere(producer, "c");
    producer.commit();
    producer.awaitComplete();
    assertEquals(allCommitted(stage), [["a0", "c0"], ["a1", "c1"], ["a2", "c2"]]);
  });

  Deno.test(`${of}: a coordinator that dies once it has decided is succeeded in that`, () => {
    for (const committed of [true, false]) {
      const stage = new Stage();
      const id = stage.idAt(stage.world.nodes.find(({ id }) => id !== stage.world.active!.id)!.id);
      const producer = stage.producer(id, version).init();
      sendEverywhere(producer, "a");
      const coordinator = stage.coordinatorOf(id);
      assertEquals(producer.tryEnd(committed), "NONE");
      stage.world.crash(coordinator);
      stage.awaitLeaders();
      assert(stage.coordinatorOf(id) !== coordinator);
      producer.awaitComplete();
      assertEquals(producer.state, committed ? "CompleteCommit" : "CompleteAbort");
      const expected = committed ? [["a0"], ["a1"], ["a2"]] : [[], [], []];
      assertEquals(allCommitted(stage), expected);
      stage.world.start(coordinator);
      stage.world.until(() => stage.world.node(coordinator).isReady, "it serves again");
      assertEquals(allCommitted(stage), expected);
    }
  });

  Deno.test(`${of}: leaders that die keep what is open, and what was aborted`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    sendEverywhere(producer, "a");
    producer.abort();
    sendEverywhere(producer, "b");
    const victim = [1, 2, 3].find((id) =>
      id !== stage.coordinatorOf("x") && id !== stage.world.active!.id
    ) ?? [1, 2, 3].find((id) => id !== stage.coordinatorOf("x"))!;
    stage.world.crash(victim);
    stage.awaitLeaders();
    assertEquals(allCommitted(stage), [[], [], []]);
    sendEverywhere(producer, "c");
    producer.commit();
    producer.awaitComplete();
    assertEquals(allCommitted(stage), [["b0", "c0"], ["b1", "c1"], ["b2", "c2"]]);
    stage.world.start(victim);
    stage.world.until(() => stage.world.node(victim).isReady, "it serves again");
    const [stable, end] = endOffsets(stage, TOPIC, 0);
    assertEquals(stable, end);
  });

  Deno.test(`${of}: whoever is open for too long is aborted by whoever coordinates then`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init({ timeoutMs: 6000 });
    sendEverywhere(producer, "a");
    stage.world.crash(stage.coordinatorOf("x"));
    stage.awaitLeaders();
    stage.pass(10_000);
    assertEquals(producer.state, "CompleteAbort");
    assertEquals(allCommitted(stage), [[], [], []]);
    assertEquals(producer.tryEnd(true), "PRODUCER_FENCED");
  });
}

Deno.test("cluster: markers wait for partitions that nobody leads, and the next transaction for them", () => {
  const stage = new Stage({ "min.insync.replicas": "1" });
  const producer = stage.producer("x", 2).init();
  sendEverywhere(producer, "a");
  const coordinator = stage.coordinatorOf("x");
  const cut = [1, 2, 3].find((id) => id !== coordinator && id !== stage.world.active!.id) ??
    [1, 2, 3].find((id) => id !== coordinator)!;
  stage.world.isolate(cut);
  producer.commit();
  stage.pass(6000);
  stage.world.heal();
  producer.awaitComplete();
  assertEquals(allCommitted(stage), [["a0"], ["a1"], ["a2"]]);
});
