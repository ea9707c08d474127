/**
 * Topics that come and go under few names, while the node is stopped, killed, or its power cut at
 * any moment: each is as its producers left it, and holds nothing of those before.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../net/messages/delete_topics.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { batchOf, beginProduce, BrokerWorld } from "../actors/broker/broker_world.ts";
import type { Pending, TestClient } from "../actors/broker/test_client.ts";
import { SeededChance } from "../storage/disk_chance.ts";

const NAMES = ["a", "b"];
const STEPS = 14;
const LIVES = 5;
const PROPERTIES = {
  "log.flush.offset.checkpoint.interval.ms": "1000",
  "log.retention.check.interval.ms": "1500",
  "log.retention.ms": "-1",
  "log.segment.bytes": "600",
  "log.segment.delete.delay.ms": "0",
  "log.index.interval.bytes": "100",
};

/** A topic as far as its clients were told. */
interface Topic {
  readonly id: string;
  readonly values: Map<number, string>;
  /** Records before this offset may be gone. */
  start: number;
}

class TopicLives {
  readonly #chance: SeededChance;
  readonly #world: BrokerWorld;
  #client: TestClient;
  readonly #topics = new Map<string, Topic>();
  /** What was asked last and not answered: it was done, or not. */
  #unanswered: { readonly name: string; readonly isCreation: boolean } | undefined;
  #sent = 0;

  constructor(seed: number) {
    this.#chance = new SeededChance(seed);
    this.#world = BrokerWorld.serving({ seed, properties: PROPERTIES });
    this.#client = this.#world.client();
  }

  /** Does this and that, the last of which may be cut off. */
  live(): void {
    this.#unanswered = undefined;
    for (let left = STEPS; left > 0; left--) {
      const name = NAMES[this.#chance.integer(NAMES.length)]!;
      const topic = this.#topics.get(name);
      const kind = this.#chance.integer(12);
      if (topic === undefined) this.#create(name, left === 1);
      else if (kind < 7) this.#produce(name, topic, left === 1);
      else if (kind < 9) this.#delete(name, left === 1);
      else if (kind === 9) this.#deleteRecords(name, topic);
      else if (kind === 10) this.#world.pass(this.#chance.integer(3000));
    }
  }

  /** The response; undefined where the node ends before it comes. */
  #answer<Response>(pending: Pending<Response>, isCutOff: boolean): Response | undefined {
    if (!isCutOff) return this.#world.settled(pending);
    this.#world.simulation.run({ events: this.#chance.integer(40) });
    return pending.response;
  }

  #create(name: string, isCutOff: boolean): void {
    const configs = [{ name: "flush.before.ack", value: "true" }];
    const topics = [{ name, numPartitions: 1, replicationFactor: 1, configs }];
    const pending = this.#client.begin(CREATE_TOPICS, { timeoutMs: 10_000, topics });
    const response = this.#answer(pending, isCutOff);
    if (response === undefined) this.#unanswered = { name, isCreation: true };
    else this.#created(name, response.topics[0]!.topicId);
    assertEquals(response?.topics[0]?.errorCode ?? 0, 0);
  }

  #created(name: string, id: string): void {
    this.#topics.set(name, { id, values: new Map(), start: 0 });
  }

  #delete(name: string, isCutOff: boolean): void {
    const pending = this.#client.begin(DELETE_TOPICS, { timeoutMs: 10_000, topics: [{ name }] });
    const response = this.#answer(pending, isCutOff);
    if (response === undefined) this.#unanswered = { name, isCreation: false };
    else this.#topics.delete(name);
    assertEquals(response?.responses[0]?.errorCode ?? 0, 0);
  }

  #produce(name: string, { id, values }: Topic, isCutOff: boolean): void {
    const value = `${id} ${this.#sent++}`.padEnd(this.#chance.integer(120), ".");
    const pending = beginProduce(this.#client, name, batchOf([value]));
    const answer = this.#answer(pending, isCutOff)?.responses[0]?.partitionResponses[0];
    if (answer === undefined) return;
    assertEquals([answer.errorCode, answer.errorMessage], [0, null]);
    assert(answer.baseOffset > Math.max(-1, ...values.keys()), "an offset is given once");
    values.set(answer.baseOffset, value);
  }

  #deleteRecords(name: string, topic: Topic): void {
    const before = this.#chance.integer(Math.max(-1, ...topic.values.keys()) + 2);
    assertEquals(this.#world.deleteRecords(this.#client, name, before)[0], 0);
    topic.start = Math.max(topic.start, before);
  }

  restart(): void {
    const world = this.#world;
    const how = this.#chance.integer(3);
    if (how === 0) world.stop();
    else world.crash(how === 1 ? false : { tornOf1024: 300, unwritten: "noise" });
    assertEquals(world.closeFailures, []);
    world.start();
    world.pass(200);
    this.#client = world.client();
  }

  verify(): void {
    const world = this.#world;
    const { topics } = world.ask(this.#client, METADATA, { topics: null });
    const present = new Map(topics.map(({ name, topicId }) => [name!, topicId]));
    this.#settle(present);
    for (const name of NAMES) {
      assertEquals(present.get(name), this.#topics.get(name)?.id, name);
      if (present.has(name)) this.#verifyTopic(name, this.#topics.get(name)!);
    }
    assertEquals(world.linesWith("partition offline"), []);
    const folders = world.disk.list("").filter(({ isDirectory }) => isDirectory);
    const expected = ["__cluster_metadata-0", ...[...present.keys()].map((name) => `${name}-0`)];
    assertEquals(folders.map(({ name }) => name), expected.sort());
  }

  #settle(present: ReadonlyMap<string, string>): void {
    if (this.#unanswered === undefined) return;
    const { name, isCreation } = this.#unanswered;
    const id = present.get(name);
    if (isCreation && id !== undefined) this.#created(name, id);
    if (!isCreation && id === undefined) this.#topics.delete(name);
  }

  #verifyTopic(name: string, topic: Topic): void {
    const start = this.#world.listOffset(this.#client, name, -2).offset;
    assert(start <= topic.start, `${name} starts at ${start}, was cut at ${topic.start}`);
    const values = this.#world.values(this.#client, name);
    for (const [offset, value] of topic.values) {
      if (offset >= start) assertEquals(values[offset - start], value, `${name} at ${offset}`);
    }
    for (const value of values) assert(value.startsWith(topic.id), `${name} holds ${value}`);
  }
}

Deno.test("topics: whatever comes of the node, each is as its producers left it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const lives = new TopicLives(seed);
      for (let life = 0; life < LIVES; life++) {
        lives.live();
        lives.restart();
        lives.verify();
      }
    }),
    { numRuns: 40, endOnFailure: true },
  );
});
