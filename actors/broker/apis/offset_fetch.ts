/**
 * OffsetFetch: what groups have committed; from version 8 on of several groups at once (KIP-709).
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  OFFSET_FETCH,
  type OffsetFetchRequest,
  type OffsetFetchRequestGroup,
  type OffsetFetchResponse,
  type OffsetFetchResponseGroup,
} from "../../../net/messages/offset_fetch.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { groupAccess, topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { askGroup } from "../coordinator_questions.ts";
import { Gather } from "../gather.ts";

const ASKS_FOR_SEVERAL = 8;
/** An error of the whole group has a place of its own. */
const HAS_GROUP_ERROR = 2;

export const offsetFetch: ApiHandler<OffsetFetchRequest, OffsetFetchResponse> = {
  api: OFFSET_FETCH,
  access: ({ groupId, groups }) =>
    groups.length > 0
      ? groups.map((group) => groupAccess("describe", group.groupId))
      : [groupAccess("describe", groupId)],
  elements: { of: ["groups"], results: "groups" },
  handle(call) {
    const { request, version } = call;
    if (version >= ASKS_FOR_SEVERAL) {
      const gather = new Gather<OffsetFetchResponseGroup>(
        request.groups.length,
        (groups) => call.reply({ throttleTimeMs: 0, topics: [], errorCode: 0, groups }),
      );
      return request.groups.forEach((group, slot) => {
        fetch(call, group, (answer) => gather.fill(slot, answer));
      });
    }
    const { groupId } = request;
    const topics = request.topics === null
      ? null
      : request.topics.map((topic) => ({ ...topic, topicId: ZERO_UUID }));
    fetch(call, { groupId, memberId: null, memberEpoch: -1, topics }, ({ errorCode, topics }) => {
      if (errorCode !== ErrorCode.NONE && version < HAS_GROUP_ERROR) {
        return call.reply(offsetFetch.failed(request, errorCode, null));
      }
      call.reply({ throttleTimeMs: 0, topics, errorCode, groups: [] });
    });
  },
  failed: ({ topics, groups }, errorCode) => ({
    throttleTimeMs: 0,
    topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partition) => absent(partition, errorCode)),
    })),
    errorCode,
    groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })),
  }),
};

function absent(partitionIndex: number, errorCode: number) {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: "", errorCode };
}

function fetch(
  call: Call<OffsetFetchRequest, OffsetFetchResponse>,
  asked: OffsetFetchRequestGroup,
  done: (answer: OffsetFetchResponseGroup) => void,
): void {
  const { groupId } = asked;
  const { requireStable } = call.request;
  const mayDescribe = (name: string) => call.allows(topicAccess("describe", name));
  const refused = asked.topics?.filter(({ name }) => !mayDescribe(name)) ?? [];
  const topics = asked.topics?.filter(({ name }) => mayDescribe(name)) ?? null;
  const request = { ...asked, topics };
  const refusals = refused.map(({ name, partitionIndexes }) => ({
    name,
    topicId: ZERO_UUID,
    partitions: partitionIndexes.map((partition) =>
      absent(partition, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    ),
  }));
  askGroup<OffsetFetchResponseGroup>(
    call,
    groupId,
    call.broker.config.offsetsCommitTimeoutMs,
    (replyTo) => ({ kind: "offset-fetch", request, requireStable, replyTo }),
    {
      answered: (group) => {
        const seen = group.topics.filter(({ name }) => topics !== null || mayDescribe(name));
        done({ ...group, topics: [...seen, ...refusals] });
      },
      failed: (error) => done({ groupId, topics: [], errorCode: fetchError(error) }),
    },
  );
}

/** Consumers before Kafka 3.9 give up at COORDINATOR_NOT_AVAILABLE here; this they try again. */
function fetchError(error: ErrorCode): ErrorCode {
  return error === ErrorCode.COORDINATOR_NOT_AVAILABLE ? ErrorCode.NOT_COORDINATOR : error;
}
