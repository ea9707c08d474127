/**
 * Asking each partition that a request names the same question, and gathering the answers in the
 * request's order.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionRequest } from "../partition/messages.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Call } from "./sessions/call.ts";
import { Gather } from "./gather.ts";
import { OFFLINE } from "./services.ts";

export interface TopicQuestion<Asked> {
  readonly name: string;
  readonly partitions: readonly Asked[];
}

export interface TopicAnswer<Answer> {
  readonly name: string;
  readonly partitions: readonly Answer[];
}

export interface PartitionQuestions<Asked, Reply, Answer> {
  readonly topics: readonly TopicQuestion<Asked>[];
  readonly timeoutMs: number;
  partitionOf(asked: Asked): number;
  question(asked: Asked, replyTo: Ref<Reply>): PartitionRequest;
  answered(asked: Asked, reply: Reply): Answer;
  /** For a partition that is not here, does not answer, or stopped. */
  failed(asked: Asked, errorCode: ErrorCode): Answer;
}

/** Calls `done` once, with an answer for each partition asked. */
export function askPartitions<Asked, Reply, Answer>(
  call: Call<unknown, never>,
  questions: PartitionQuestions<Asked, Reply, Answer>,
  done: (topics: readonly TopicAnswer<Answer>[]) => void,
): void {
  const gather = new Gather<TopicAnswer<Answer>>(questions.topics.length, done);
  questions.topics.forEach(({ name, partitions }, slot) => {
    const answers = new Gather<{ readonly answer: Answer }>(
      partitions.length,
      (gathered) => gather.fill(slot, { name, partitions: gathered.map(({ answer }) => answer) }),
    );
    partitions.forEach((asked, index) => {
      askPartition(call, questions, name, asked, (answer) => answers.fill(index, { answer }));
    });
  });
}

function askPartition<Asked, Reply, Answer>(
  call: Call<unknown, never>,
  questions: PartitionQuestions<Asked, Reply, Answer>,
  topicName: string,
  asked: Asked,
  done: (answer: Answer) => void,
): void {
  const found = findPartition(call, topicName, questions.partitionOf(asked));
  if (typeof found === "number") return done(questions.failed(asked, found));
  call.ask<PartitionRequest, Reply>(
    found,
    questions.timeoutMs,
    (replyTo) => questions.question(asked, replyTo),
    (result) => {
      if (result.kind === "reply") return done(questions.answered(asked, result.reply));
      done(questions.failed(asked, unansweredError(result.kind)));
    },
  );
}

/** The partition's ref, or the error that says why it is not here. */
export function findPartition(
  { broker }: Pick<Call<unknown, never>, "broker">,
  topicName: string,
  partition: number,
): Ref<PartitionRequest> | ErrorCode {
  const topic = broker.image.topicByName(topicName);
  if (topic?.partitions[partition] === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const held = broker.partitions.find(topic.id, partition);
  if (held === OFFLINE) return ErrorCode.KAFKA_STORAGE_ERROR;
  return held ?? ErrorCode.NOT_LEADER_OR_FOLLOWER;
}

/** The error for a question without an answer: retriable, the outcome being unknown. */
export function unansweredError(kind: "timed-out" | "terminated" | "refused"): ErrorCode {
  return kind === "timed-out" ? ErrorCode.REQUEST_TIMED_OUT : ErrorCode.NOT_LEADER_OR_FOLLOWER;
}
