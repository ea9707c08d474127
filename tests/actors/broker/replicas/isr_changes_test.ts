import { assertEquals } from "@std/assert";
import { isrChangesActor } from "../../../../actors/broker/replicas/isr_changes.ts";
import type { Committed, Decide } from "../../../../actors/controller/messages.ts";
import type { IsrAnswer, ProposeIsr } from "../../../../actors/partition/messages.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import { encodeMessage } from "../../../../net/kafka/codec.ts";
import {
  ALTER_PARTITION,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
} from "../../../../net/messages/alter_partition.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { Stage } from "../../runtime/puppet.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAAQ";

/** Partitions that propose, and a controller that answers when it is told to. */
class Scene {
  readonly stage = new Stage();
  readonly questions: Decide[] = [];
  brokerEpoch = 7;
  readonly #changes: Ref<ProposeIsr>;
  readonly #asker: Ref<IsrAnswer>;
  readonly #answers: IsrAnswer[] = [];

  constructor() {
    const { system } = this.stage;
    const controller = system.spawn<Decide>("controller", () => ({
      receive: (question) => void this.questions.push(question),
    }));
    this.#asker = system.spawn<IsrAnswer>("asker", () => ({
      receive: (answer) => void this.#answers.push(answer),
    }));
    const brokerEpoch = () => this.brokerEpoch;
    this.#changes = system.spawn(
      "changes",
      isrChangesActor({ nodeId: 1, brokerEpoch, controller, timeoutMs: 1000 }),
    );
  }

  /** Partitions propose within one turn. */
  propose(...partitions: readonly number[]): void {
    for (const partition of partitions) {
      this.#changes.tell({
        kind: "propose-isr",
        topicId: TOPIC,
        partition,
        leaderEpoch: 3,
        partitionEpoch: 10 + partition,
        newIsr: [{ brokerId: 1, brokerEpoch: -1 }, { brokerId: 2, brokerEpoch: 5 }],
        leaderRecoveryState: 0,
        replyTo: this.#asker,
      });
    }
    this.stage.run();
  }

  /** The request under way. */
  get request(): AlterPartitionRequest {
    assertEquals(this.questions.length, 1, "requests under way");
    return this.questions[0]!.request as AlterPartitionRequest;
  }

  get partitions(): number[] {
    return this.request.topics.flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex }) => partitionIndex)
    );
  }

  /** The controller says yes to what is under way. */
  commit(): void {
    const topics = this.request.topics.map(({ topicId, partitions }) => ({
      topicName: "",
      topicId,
      partitions: partitions.map(({ partitionIndex, leaderEpoch, partitionEpoch }) => ({
        partitionIndex,
        errorCode: ErrorCode.NONE,
        leaderId: 1,
        leaderEpoch,
        isr: [1, 2],
        leaderRecoveryState: 0,
        partitionEpoch: partitionEpoch + 1,
      })),
    }));
    this.#answer({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics });
  }

  /** Nobody knows, or the broker is not who it says. */
  fail(error: ErrorCode, inResponse = false): void {
    if (inResponse) this.#answer({ throttleTimeMs: 0, errorCode: error, topics: [] });
    else this.#answer(undefined, error);
  }

  pass(ms: number): void {
    this.stage.environment.advance(ms);
    this.stage.run();
  }

  /** Partition epochs, or errors below zero. */
  taken(): number[] {
    return this.#answers.splice(0).map(({ error, partitionEpoch }) =>
      error === ErrorCode.NONE ? partitionEpoch : -error
    );
  }

  #answer(
    response: AlterPartitionResponse | undefined,
    error: ErrorCode = ErrorCode.NONE,
  ): void {
    const { replyTo } = this.questions.shift()!;
    (replyTo as Ref<Committed<AlterPartitionResponse>>).tell({
      response,
      error,
      errorMessage: null,
      endOffset: 0,
    });
    this.stage.run();
  }
}

Deno.test("isr changes: what is proposed in one turn is one request, of the broker as it is registered", () => {
  const scene = new Scene();
  scene.propose(0, 1, 2);
  assertEquals(scene.partitions, [0, 1, 2]);
  const { brokerId, brokerEpoch, topics } = scene.request;
  assertEquals([brokerId, brokerEpoch], [1, 7]);
  // The leader's own epoch is the broker's.
  assertEquals(topics[0]!.partitions[0]!.newIsrWithEpochs, [
    { brokerId: 1, brokerEpoch: 7 },
    { brokerId: 2, brokerEpoch: 5 },
  ]);
  encodeMessage(ALTER_PARTITION.request, 3, scene.request);
  assertEquals(scene.taken(), []);
  scene.commit();
  assertEquals(scene.taken(), [11, 12, 13]);
  scene.pass(60_000);
  assertEquals(scene.questions.length, 0);
});

Deno.test("isr changes: one request is under way; what is proposed meanwhile goes into the next", () => {
  const scene = new Scene();
  scene.propose(0);
  scene.propose(1);
  scene.propose(2);
  assertEquals(scene.partitions, [0]);
  scene.commit();
  assertEquals(scene.taken(), [11]);
  assertEquals(scene.partitions, [1, 2]);
  scene.commit();
  assertEquals(scene.taken(), [12, 13]);
});

Deno.test("isr changes: a request of which nobody knows the outcome is sent again as it was", () => {
  const scene = new Scene();
  scene.propose(0);
  const { topics } = scene.request;
  for (const error of [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_CONTROLLER] as const) {
    scene.fail(error);
    scene.pass(100);
    assertEquals(scene.request.topics, topics);
  }
  // No answer at all.
  scene.questions.shift();
  scene.pass(1000);
  scene.pass(500);
  assertEquals(scene.request.topics, topics);
  assertEquals(scene.taken(), []);
  scene.commit();
  assertEquals(scene.taken(), [11]);
});

Deno.test("isr changes: a broker that has registered anew asks as who it is now", () => {
  const scene = new Scene();
  scene.propose(0);
  scene.fail(ErrorCode.STALE_BROKER_EPOCH, true);
  scene.brokerEpoch = 8;
  scene.pass(1000);
  assertEquals(scene.request.brokerEpoch, 8);
  assertEquals(scene.request.topics[0]!.partitions[0]!.newIsrWithEpochs[0]!.brokerEpoch, 8);
  scene.commit();
  assertEquals(scene.taken(), [11]);
});

Deno.test("isr changes: of a partition that proposes something else the first has an unknown outcome", () => {
  const scene = new Scene();
  scene.propose(0, 1);
  scene.propose(0);
  scene.fail(ErrorCode.REQUEST_TIMED_OUT);
  assertEquals(scene.taken(), [-ErrorCode.REQUEST_TIMED_OUT]);
  scene.pass(1000);
  assertEquals(scene.partitions, [1]);
  scene.commit();
  assertEquals(scene.partitions, [0]);
  scene.commit();
  assertEquals(scene.taken(), [12, 11]);
});
