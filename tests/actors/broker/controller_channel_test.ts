/** A node's way to the active controller: node 2 asks, and node 1 leads, or another, or nobody. */

import { assert, assertEquals } from "@std/assert";
import { controllerChannelActor } from "../../../actors/broker/controller_channel.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import {
  type Committed,
  type ControllerChanged,
  type ControllerRequest,
  type Decide,
  decide,
} from "../../../actors/controller/messages.ts";
import type { Actor, ActorContext, AskResult } from "../../../actors/runtime/actor.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { ALLOCATE_PRODUCER_IDS } from "../../../net/messages/allocate_producer_ids.ts";
import { BROKER_HEARTBEAT } from "../../../net/messages/broker_heartbeat.ts";
import { CREATE_TOPICS, type CreateTopicsResponse } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import type { VersionLimits } from "../../../net/messages/version_limits.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import { BrokerWorld, NODE, PORT } from "./broker_world.ts";

/** The controller of node 2, played by the test. */
class LocalController {
  readonly decided: Decide[] = [];
  #subscriber: Ref<ControllerChanged> | undefined;

  receive(message: ControllerRequest): void {
    if (message.kind === "decide") this.decided.push(message);
    if (message.kind === "subscribe-controller") this.#subscriber = message.subscriber;
  }

  /** Says who leads. */
  lead(leaderId: number, epoch: number, port = PORT): void {
    const address = leaderId === 1 ? { host: NODE, port } : undefined;
    this.#subscriber!.tell({ kind: "controller-changed", leaderId, epoch, address });
  }

  answer(committed: Partial<Committed<unknown>>): void {
    this.decided.shift()!.replyTo.tell({
      response: undefined,
      error: ErrorCode.NONE,
      errorMessage: null,
      endOffset: 7,
      ...committed,
    });
  }
}

type Answer = AskResult<Committed<unknown>>;
type AskerMessage =
  | { readonly kind: "ask"; readonly run: (context: ActorContext<AskerMessage>) => void }
  | { readonly kind: "answer"; readonly run: () => void };

class Stage {
  readonly world: BrokerWorld;
  readonly local = new LocalController();
  readonly system: ActorSystem;
  readonly channel: Ref<Decide>;
  readonly buffers = new BufferPool();
  readonly #asker: Ref<AskerMessage>;

  constructor(world: BrokerWorld, versionLimits?: VersionLimits) {
    this.world = world;
    const { environment } = world.simulation.node("client");
    this.system = new ActorSystem({ environment: environment!, node: 2 });
    const controller = this.system.spawn<ControllerRequest>("controller", () => this.local);
    this.channel = this.system.spawn(
      "channel",
      controllerChannelActor({
        nodeId: 2,
        clusterId: world.booted.clusterId,
        controller,
        buffers: this.buffers,
        config: parseBrokerConfig({}),
        versionLimits,
      }),
    );
    this.#asker = this.system.spawn<AskerMessage>("asker", (context) => new Asker(context));
    world.pass(1);
  }

  /** Asks; the answers come into what is returned. */
  ask<Request>(api: Api<Request, unknown>, draft: Draft<Request>, timeoutMs = 60_000): Answer[] {
    const answers: Answer[] = [];
    const request = make(api.request, draft);
    this.#asker.tell({
      kind: "ask",
      run: (context) =>
        context.ask<Decide, Committed<unknown>>(
          this.channel,
          timeoutMs,
          (replyTo) => decide(api, request, replyTo),
          (result) => ({ kind: "answer", run: () => void answers.push(result) }),
        ),
    });
    return answers;
  }

  createTopic(name: string, timeoutMs?: number): Answer[] {
    const topic = { name, numPartitions: 1, replicationFactor: 1 };
    return this.ask(CREATE_TOPICS, { timeoutMs: 60_000, topics: [topic] }, timeoutMs);
  }

  answered(answers: readonly Answer[]): Committed<unknown> {
    this.world.until(() => answers.length > 0, "an answer");
    const [answer] = answers;
    assert(answer?.kind === "reply", answer?.kind);
    return answer.reply;
  }

  topics(): string[] {
    const { topics } = this.world.ask(this.world.client(), METADATA, { topics: null });
    return topics.map(({ name }) => name!).sort();
  }
}

class Asker implements Actor<AskerMessage> {
  constructor(readonly context: ActorContext<AskerMessage>) {}

  receive(message: AskerMessage): void {
    message.run(this.context);
  }
}

const HEARTBEAT = { brokerId: 1, brokerEpoch: 0, currentMetadataOffset: 0 };

Deno.test("controller channel: what the leader on another node decides comes back as decided", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  const { response, error, endOffset } = stage.answered(stage.createTopic("t"));
  assertEquals(error, ErrorCode.NONE);
  const [topic] = (response as CreateTopicsResponse).topics;
  assertEquals([topic?.name, topic?.errorCode], ["t", 0]);
  assert(endOffset > 0);
  assertEquals(stage.topics(), ["t"]);
  assertEquals(stage.local.decided, []);
});

Deno.test("controller channel: the node's own controller decides while it leads", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(2, 3);
  const answers = stage.createTopic("t");
  stage.world.until(() => stage.local.decided.length === 1, "a question");
  assertEquals(stage.local.decided[0]!.api.name, "CreateTopics");
  stage.local.answer({ response: "decided", endOffset: 9 });
  const { response, endOffset } = stage.answered(answers);
  assertEquals([response, endOffset], ["decided", 9]);
  assertEquals(stage.topics(), []);
});

Deno.test("controller channel: what is asked while nobody leads goes to the first who does", () => {
  const stage = new Stage(BrokerWorld.serving());
  const answers = [stage.createTopic("a"), stage.createTopic("b")];
  stage.local.lead(-1, 3);
  stage.world.pass(1000);
  assertEquals(answers, [[], []]);
  stage.local.lead(1, 4);
  for (const one of answers) assertEquals(stage.answered(one).error, ErrorCode.NONE);
  assertEquals(stage.topics(), ["a", "b"]);
});

Deno.test("controller channel: what nobody waits for any more is not asked", () => {
  const stage = new Stage(BrokerWorld.serving());
  const answers = stage.createTopic("late", 500);
  stage.world.until(() => answers.length > 0, "a time-out");
  assertEquals(answers, [{ kind: "timed-out" }]);
  stage.local.lead(1, 3);
  assertEquals(stage.answered(stage.createTopic("in-time")).error, ErrorCode.NONE);
  assertEquals(stage.topics(), ["in-time"]);
});

Deno.test("controller channel: clients' requests are sent again after NOT_CONTROLLER", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(2, 3);
  const answers = stage.createTopic("t");
  for (let i = 0; i < 3; i++) {
    stage.world.until(() => stage.local.decided.length === 1, "a question");
    stage.local.answer({ error: ErrorCode.NOT_CONTROLLER });
  }
  stage.world.until(() => stage.local.decided.length === 1, "a question");
  stage.local.lead(1, 4);
  stage.local.answer({ error: ErrorCode.NOT_CONTROLLER });
  assertEquals(stage.answered(answers).error, ErrorCode.NONE);
  assertEquals(stage.topics(), ["t"]);
});

Deno.test("controller channel: brokers' own requests are sent once", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(2, 3);
  const beat = stage.ask(BROKER_HEARTBEAT, HEARTBEAT);
  stage.world.until(() => stage.local.decided.length === 1, "a question");
  stage.local.answer({ error: ErrorCode.NOT_CONTROLLER });
  assertEquals(stage.answered(beat).error, ErrorCode.NOT_CONTROLLER);
  stage.local.lead(-1, 3);
  const waiting = stage.ask(ALLOCATE_PRODUCER_IDS, { brokerId: 1, brokerEpoch: 0 });
  stage.world.pass(1000);
  assertEquals(waiting, [], "it waits for somebody to be sent to");
  stage.world.crash();
  stage.local.lead(1, 4);
  assertEquals(stage.answered(waiting).error, ErrorCode.NOT_CONTROLLER);
});

Deno.test("controller channel: an outcome that nobody knows is told as such, and nothing repeated", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  assertEquals(stage.answered(stage.createTopic("before")).error, ErrorCode.NONE);
  stage.world.node.disk.slowSyncs(5000);
  const answers = stage.createTopic("t");
  stage.world.pass(100);
  assertEquals(answers, []);
  stage.world.crash();
  assertEquals(stage.answered(answers).error, ErrorCode.REQUEST_TIMED_OUT);
  stage.local.lead(2, 4);
  stage.world.pass(1000);
  assertEquals(stage.local.decided, []);
});

Deno.test("controller channel: a leader that cannot be reached is tried until it can", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  stage.world.crash();
  const beat = stage.ask(BROKER_HEARTBEAT, HEARTBEAT);
  const answers = stage.createTopic("t");
  assertEquals(stage.answered(beat).error, ErrorCode.NOT_CONTROLLER);
  stage.world.pass(3000);
  assertEquals(answers, []);
  stage.world.start();
  assertEquals(stage.answered(answers).error, ErrorCode.NONE);
  assertEquals(stage.topics(), ["t"]);
});

Deno.test("controller channel: what one leader was asked it may answer after the next was named", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  assertEquals(stage.answered(stage.createTopic("before")).error, ErrorCode.NONE);
  stage.world.node.disk.slowSyncs(500);
  const answers = stage.createTopic("t");
  stage.world.pass(100);
  stage.local.lead(2, 4);
  assertEquals(stage.answered(answers).error, ErrorCode.NONE);
  assertEquals(stage.local.decided, []);
});

Deno.test("controller channel: an envelope holds what both sides speak", () => {
  const stage = new Stage(BrokerWorld.serving(), { CreateTopics: 4 });
  stage.local.lead(1, 3);
  const { response } = stage.answered(stage.createTopic("t"));
  const [topic] = (response as CreateTopicsResponse).topics;
  // Version 5 brought the number of partitions, 7 the id.
  assertEquals([topic?.name, topic?.errorCode, topic?.numPartitions], ["t", 0, -1]);
  const other = new Stage(BrokerWorld.serving(), { CreateTopics: -1 });
  other.local.lead(1, 3);
  assertEquals(other.answered(other.createTopic("t")).error, ErrorCode.UNSUPPORTED_VERSION);
});

Deno.test("controller channel: requests and responses of a megabyte get through", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  const topics = Array.from({ length: 6000 }, (_, i) => ({
    name: `${"x".repeat(200)}${i}`,
    numPartitions: 1,
    replicationFactor: 1,
  }));
  const request = { timeoutMs: 60_000, validateOnly: true, topics };
  const { response, error } = stage.answered(stage.ask(CREATE_TOPICS, request));
  assertEquals(error, ErrorCode.NONE);
  assertEquals((response as CreateTopicsResponse).topics.length, 6000);
});

Deno.test("controller channel: holds nothing when all is answered", () => {
  const stage = new Stage(BrokerWorld.serving());
  stage.local.lead(1, 3);
  for (const name of ["a", "b", "c"]) stage.answered(stage.createTopic(name));
  stage.system.stop(stage.channel);
  stage.world.pass(100);
  assertEquals(stage.buffers.statistics.lentBytes, 0);
  stage.world.assertNothingHeld();
});
