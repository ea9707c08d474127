import { assertEquals } from "@std/assert";
import {
  type ProducerIdReply,
  producerIdsActor,
  type ProducerIdsRequest,
} from "../../../../actors/broker/transactions/producer_ids.ts";
import type { ClusterImage } from "../../../../actors/controller/cluster_image.ts";
import type { Committed, Decide } from "../../../../actors/controller/messages.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import type {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from "../../../../net/messages/allocate_producer_ids.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../../net/messages/init_producer_id.ts";
import { Stage } from "../../runtime/puppet.ts";
import { BrokerWorld } from "../broker_world.ts";
import type { TestClient } from "../test_client.ts";

/** A controller that answers when it is told to. */
class Scene {
  readonly stage = new Stage();
  readonly questions: Decide[] = [];
  readonly replies: ProducerIdReply[] = [];
  readonly #controller: Ref<Decide>;
  readonly ids: Ref<ProducerIdsRequest>;
  readonly #asker: Ref<ProducerIdReply>;

  constructor() {
    const { system } = this.stage;
    this.#controller = system.spawn<Decide>("controller", () => ({
      receive: (question) => void this.questions.push(question),
    }));
    this.#asker = system.spawn<ProducerIdReply>("asker", () => ({
      receive: (reply) => void this.replies.push(reply),
    }));
    const brokers = new Map([[1, { epoch: 77 }]]) as unknown as ClusterImage["brokers"];
    this.ids = system.spawn(
      "ids",
      producerIdsActor({ nodeId: 1, image: { brokers }, controller: this.#controller }),
    );
  }

  ask(count = 1): void {
    for (let i = 0; i < count; i++) {
      this.ids.tell({ kind: "next-producer-id", replyTo: this.#asker });
    }
    this.stage.run();
  }

  /** The ids, and the errors by their codes, that came since the last look. */
  taken(): number[] {
    return this.replies.splice(0).map(({ error, producerId }) => error === 0 ? producerId : -error);
  }

  /** Answers the oldest question. */
  answer(response: Partial<AllocateProducerIdsResponse>, error: ErrorCode = ErrorCode.NONE): void {
    const { replyTo } = this.questions.shift()!;
    const whole = {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      producerIdStart: -1,
      producerIdLen: 0,
      ...response,
    };
    (replyTo as Ref<Committed<AllocateProducerIdsResponse>>).tell({
      response: error === ErrorCode.NONE ? whole : undefined,
      error,
      errorMessage: null,
      endOffset: 0,
    });
    this.stage.run();
  }

  give(producerIdStart: number, producerIdLen = 10): void {
    this.answer({ producerIdStart, producerIdLen });
  }
}

const BUSY = -ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;

Deno.test("producer ids: the first block is asked for with the first id, as the broker that it is", () => {
  const scene = new Scene();
  scene.stage.run();
  assertEquals(scene.questions.length, 0);
  scene.ask(3);
  assertEquals(scene.questions.length, 1, "one question for all");
  const request = scene.questions[0]!.request as AllocateProducerIdsRequest;
  assertEquals([request.brokerId, request.brokerEpoch], [1, 77]);
  assertEquals(scene.taken(), []);
  scene.give(1000);
  assertEquals(scene.taken(), [1000, 1001, 1002]);
});

Deno.test("producer ids: the next block is there before the last is used up, and follows it", () => {
  const scene = new Scene();
  scene.ask();
  scene.give(0);
  scene.ask(8);
  assertEquals(scene.questions.length, 0);
  scene.ask();
  assertEquals(scene.questions.length, 1, "nine of ten are used");
  scene.give(50);
  scene.ask(3);
  assertEquals(scene.taken(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 50, 51, 52]);
});

Deno.test("producer ids: more that wait than a block holds are served from the next ones", () => {
  const scene = new Scene();
  scene.ask(25);
  scene.give(0);
  assertEquals(scene.taken().length, 10);
  scene.give(100);
  scene.give(200);
  assertEquals(scene.taken(), [
    ...Array.from({ length: 10 }, (_, i) => 100 + i),
    ...Array.from({ length: 5 }, (_, i) => 200 + i),
  ]);
});

Deno.test("producer ids: without a controller whoever asks is told to ask again, and it is spared", () => {
  const scene = new Scene();
  scene.ask(2);
  scene.answer({}, ErrorCode.NOT_CONTROLLER);
  assertEquals(scene.taken(), [BUSY, BUSY]);
  scene.ask();
  assertEquals(scene.taken(), [BUSY]);
  assertEquals(scene.questions.length, 0, "within the backoff");
  scene.stage.environment.advance(50);
  scene.ask();
  scene.give(0);
  assertEquals(scene.taken(), [0]);
});

Deno.test("producer ids: a controller that says nothing is not waited for for ever", () => {
  const scene = new Scene();
  scene.ask();
  scene.stage.environment.advance(5_000);
  assertEquals(scene.taken(), [BUSY]);
});

Deno.test("producer ids: a refusal, or a block that goes back or is none, is not used", () => {
  const scene = new Scene();
  scene.ask();
  scene.give(100);
  scene.ask(9);
  scene.taken();
  for (
    const wrong of [
      { errorCode: ErrorCode.STALE_BROKER_EPOCH },
      { producerIdStart: 105, producerIdLen: 10 },
      { producerIdStart: 200, producerIdLen: 0 },
      { producerIdStart: Number.MAX_SAFE_INTEGER, producerIdLen: 10 },
    ]
  ) {
    if (scene.questions.length === 0) scene.ask();
    scene.answer(wrong);
    scene.stage.environment.advance(50);
    assertEquals(scene.taken().every((taken) => taken === BUSY), true);
  }
  scene.ask();
  scene.give(110);
  assertEquals(scene.taken(), [110]);
});

Deno.test("node: producer ids are given once each, also after a restart", () => {
  const world = BrokerWorld.serving();
  const seen = new Set<number>();
  const askFor = (client: TestClient) =>
    world.ask(client, INIT_PRODUCER_ID, { transactionalId: null, transactionTimeoutMs: 1 });
  for (const end of [() => world.stop(), () => world.crash()]) {
    const client = world.client();
    for (let i = 0; i < 5; i++) {
      const { errorCode, producerId, producerEpoch } = askFor(client);
      assertEquals([errorCode, producerEpoch], [0, 0]);
      seen.add(producerId);
    }
    end();
    world.start();
  }
  assertEquals(seen.size, 10);
});
