/**
 * OffsetCommit: answered by the group's coordinator when as many replicas hold the offsets as its
 * topic asks for.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../../../net/messages/offset_commit.ts";
import { groupAccess, topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askGroup } from "../coordinator_questions.ts";

export const offsetCommit: ApiHandler<OffsetCommitRequest, OffsetCommitResponse> = {
  api: OFFSET_COMMIT,
  access: ({ groupId }) => [groupAccess("read", groupId)],
  handle(call) {
    const { version, broker } = call;
    const whole = call.request;
    const errors = new Map<string, ErrorCode>();
    for (const { name } of whole.topics) {
      if (!call.allows(topicAccess("read", name))) {
        errors.set(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      } else if (broker.image.topicByName(name) === undefined) {
        errors.set(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      }
    }
    const isThere = (name: string, { partitionIndex }: { readonly partitionIndex: number }) =>
      broker.image.topicByName(name)?.partitions[partitionIndex] !== undefined;
    const kept = whole.topics.filter(({ name }) => !errors.has(name)).map((topic) => {
      const partitions = topic.partitions.filter((partition) => isThere(topic.name, partition));
      return partitions.length === topic.partitions.length ? topic : { ...topic, partitions };
    });
    const request = { ...whole, topics: kept.filter(({ partitions }) => partitions.length > 0) };
    const isWhole = request.topics.length === whole.topics.length &&
      request.topics.every((topic, index) => topic === whole.topics[index]);
    const reply = (topics: OffsetCommitResponse["topics"]) =>
      call.reply({
        throttleTimeMs: 0,
        // What is refused keeps its place.
        topics: isWhole ? topics : whole.topics.map((topic) => {
          const error = errors.get(topic.name);
          if (error !== undefined) return refused(topic, error);
          const answer = topics.find(({ name }) => name === topic.name);
          const codes = new Map(
            answer?.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
          );
          return {
            name: topic.name,
            topicId: answer?.topicId ?? ZERO_UUID,
            partitions: topic.partitions.map(({ partitionIndex }) => ({
              partitionIndex,
              errorCode: codes.get(partitionIndex) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            })),
          };
        }),
      });
    if (request.topics.length === 0) return reply([]);
    askGroup<OffsetCommitResponse>(
      call,
      request.groupId,
      broker.config.offsetsCommitTimeoutMs,
      (replyTo) => ({ kind: "offset-commit", request, version, replyTo }),
      {
        answered: ({ topics }) => reply(topics),
        failed: (error) => reply(offsetCommit.failed(request, error, null).topics),
      },
    );
  },
  failed: ({ topics }, errorCode) => ({
    throttleTimeMs: 0,
    topics: topics.map((topic) => refused(topic, errorCode)),
  }),
};

function refused({ name, partitions }: OffsetCommitRequest["topics"][number], errorCode: number) {
  return {
    name,
    topicId: ZERO_UUID,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  };
}
