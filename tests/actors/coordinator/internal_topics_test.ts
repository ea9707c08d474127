/** The topics of coordinators, over a controller that does what the test says. */

import { assertEquals } from "@std/assert";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import type { Committed, Decide } from "../../../actors/controller/messages.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import {
  type EnsureTopic,
  internalTopicsActor,
  type InternalTopicsRequest,
  TRANSACTION_TOPIC,
} from "../../../actors/coordinator/internal_topics.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import {
  ALTER_PARTITION_REASSIGNMENTS,
  type AlterPartitionReassignmentsRequest,
} from "../../../net/messages/alter_partition_reassignments.ts";
import { CREATE_TOPICS, type CreateTopicsRequest } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
} from "../../../net/messages/incremental_alter_configs.ts";
import { make } from "../../../net/schema/make.ts";
import {
  brokerRecord,
  idOf,
  leaderRecord,
  partitionRecord,
  topicConfigRecord,
  topicRecord,
} from "../controller/images.ts";
import { ManualEnvironment } from "../runtime/manual_environment.ts";

const TOPIC = TRANSACTION_TOPIC;

/** A partition that has other replicas now, all in sync. */
function replicasRecord(
  topicId: string,
  partitionId: number,
  replicas: readonly number[],
): MetadataRecord {
  const record = leaderRecord(topicId, partitionId, -2);
  return { ...record, value: { ...record.value, replicas, isr: replicas } } as MetadataRecord;
}

class Stage {
  readonly environment = new ManualEnvironment();
  readonly image = new ClusterImage();
  /** What the controller was asked and has not answered. */
  readonly asked: Decide[] = [];
  readonly ref: Ref<InternalTopicsRequest>;
  readonly #system = new ActorSystem({ environment: this.environment, node: 1 });

  constructor(brokers: readonly number[]) {
    for (const id of brokers) this.image.replay(brokerRecord(id));
    const config = parseBrokerConfig({ "transaction.state.log.num.partitions": "2" });
    this.ref = this.#system.spawn(
      "topics",
      internalTopicsActor({
        nodeId: 1,
        image: this.image,
        config: () => config,
        controller: this.#system.spawn<Decide>("controller", () => ({
          receive: (message) => void this.asked.push(message),
        })),
      }),
    );
    this.changed();
    this.environment.advance(2000);
  }

  changed(...records: MetadataRecord[]): void {
    for (const record of records) this.image.replay(record);
    this.ref.tell({ kind: "metadata-changed" });
    this.environment.run();
  }

  ensure(): number[] {
    const errors: number[] = [];
    const replyTo = { tell: ({ error }: { error: number }) => errors.push(error) > 0 };
    this.ref.tell({ kind: "ensure-topic", topic: TOPIC, replyTo } as unknown as EnsureTopic);
    this.environment.run();
    return errors;
  }

  /** The oldest question to the controller, of the API given. */
  question<Request>(name: string): Request {
    const [asked] = this.asked;
    assertEquals(asked?.api.name, name);
    return asked!.request as Request;
  }

  answer(response: unknown): void {
    const { replyTo } = this.asked.shift()!;
    replyTo.tell({ response } as Committed<unknown>);
    this.environment.run();
  }

  /** The topic, with these replicas of its partitions, all in sync. */
  topic(...replicas: number[][]): MetadataRecord[] {
    const id = idOf(TOPIC);
    return [topicRecord(TOPIC), ...replicas.map((of, index) => partitionRecord(id, index, of))];
  }

  minInsyncReplicas(value: number): MetadataRecord {
    return topicConfigRecord(TOPIC, "min.insync.replicas", String(value));
  }

  answerReassigned(...errors: number[]): void {
    const partitions = errors.map((errorCode, partitionIndex) => ({ errorCode, partitionIndex }));
    this.answer(make(ALTER_PARTITION_REASSIGNMENTS.response, {
      responses: [{ name: TOPIC, partitions }],
    }));
  }
}

Deno.test("internal topics: a topic is made once for all who wait, with as many replicas as can be", () => {
  const stage = new Stage([1]);
  const waiting = [stage.ensure(), stage.ensure()];
  assertEquals(stage.asked.length, 1);
  const { topics: [topic] } = stage.question<CreateTopicsRequest>("CreateTopics");
  assertEquals([topic!.numPartitions, topic!.replicationFactor], [2, 1]);
  assertEquals(topic!.configs.find(({ name }) => name === "min.insync.replicas")?.value, "1");
  stage.answer(make(CREATE_TOPICS.response, { topics: [{ name: TOPIC, errorCode: 0 }] }));
  // Told when this broker knows of it.
  assertEquals(waiting, [[], []]);
  stage.changed(...stage.topic([1], [1]));
  assertEquals(waiting, [[0], [0]]);
  assertEquals(stage.ensure(), [0]);
});

Deno.test("internal topics: a topic that cannot be made is tried again when it is asked for again", () => {
  const stage = new Stage([1]);
  const waiting = stage.ensure();
  stage.answer(make(CREATE_TOPICS.response, {
    topics: [{ name: TOPIC, errorCode: ErrorCode.INVALID_REPLICATION_FACTOR }],
  }));
  assertEquals(waiting, [ErrorCode.COORDINATOR_NOT_AVAILABLE]);
  stage.ensure();
  assertEquals(stage.asked.length, 1);
});

Deno.test("internal topics: with more brokers there are more replicas, tried until all are placed", () => {
  const stage = new Stage([1]);
  stage.changed(...stage.topic([1], [1]));
  stage.changed(brokerRecord(2));
  stage.changed(brokerRecord(3));
  stage.environment.advance(1000);
  const { topics: [topic] } = stage.question<AlterPartitionReassignmentsRequest>(
    "AlterPartitionReassignments",
  );
  assertEquals(topic!.partitions.map(({ replicas }) => replicas), [[1, 2, 3], [1, 2, 3]]);
  stage.answerReassigned(0, ErrorCode.REQUEST_TIMED_OUT);
  stage.environment.advance(9000);
  assertEquals(stage.asked.length, 0);
  stage.environment.advance(1000);
  stage.answerReassigned(0, 0);
  stage.environment.advance(20_000);
  assertEquals(stage.asked.length, 0);
});

Deno.test("internal topics: a broker that came while the topic was made is given replicas, too", () => {
  const stage = new Stage([1]);
  stage.ensure();
  stage.changed(brokerRecord(2));
  stage.environment.advance(2000);
  stage.answer(make(CREATE_TOPICS.response, { topics: [{ name: TOPIC, errorCode: 0 }] }));
  stage.changed(...stage.topic([1], [1]));
  stage.environment.advance(1000);
  stage.question("AlterPartitionReassignments");
});

Deno.test("internal topics: what must be in sync rises when it is", () => {
  const stage = new Stage([1]);
  stage.changed(...stage.topic([1], [1]), stage.minInsyncReplicas(1));
  stage.changed(brokerRecord(2), brokerRecord(3));
  stage.environment.advance(1000);
  stage.answerReassigned(0, 0);
  const id = idOf(TOPIC);
  stage.changed(replicasRecord(id, 0, [1, 2, 3]));
  stage.environment.advance(1000);
  assertEquals(stage.asked.length, 0);
  stage.changed(replicasRecord(id, 1, [1, 2, 3]));
  stage.environment.advance(1000);
  const { resources } = stage.question<IncrementalAlterConfigsRequest>("IncrementalAlterConfigs");
  assertEquals(resources.map(({ resourceName, configs }) => [resourceName, configs]), [
    [TOPIC, [{ name: "min.insync.replicas", configOperation: 0, value: "2" }]],
  ]);
  stage.answer(make(INCREMENTAL_ALTER_CONFIGS.response, { responses: [{ errorCode: 0 }] }));
  stage.changed(stage.minInsyncReplicas(2), brokerRecord(4));
  stage.environment.advance(20_000);
  assertEquals(stage.asked.length, 0);
});
