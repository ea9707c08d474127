/**
 * FindCoordinator: who leads the partition of the internal topic that a group or a transactional id
 * belongs to. The topic is made at first use.
 *
 * @module
 */

import { make } from "../../../net/schema/make.ts";
import { NONE } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type Coordinator,
  FIND_COORDINATOR,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
} from "../../../net/messages/find_coordinator.ts";
import {
  type InternalTopicsRequest,
  OFFSETS_TOPIC,
  type TopicEnsured,
  TRANSACTION_TOPIC,
} from "../../coordinator/internal_topics.ts";
import { type Access, groupAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { reachableBrokers } from "../reachable_brokers.ts";

/** The kinds of key. */
const GROUP = 0;
const TRANSACTION = 1;

/** The first version that asks for several keys at once (KIP-699). */
const ASKS_FOR_SEVERAL = 4;

export const findCoordinator: ApiHandler<FindCoordinatorRequest, FindCoordinatorResponse> = {
  api: FIND_COORDINATOR,
  access: ({ key, keyType, coordinatorKeys }) =>
    (coordinatorKeys.length > 0 ? coordinatorKeys : [key]).map((one) => accessTo(one, keyType)),
  elements: { of: ["coordinatorKeys"], results: "coordinators" },
  handle(call) {
    const { request, version, broker } = call;
    const keys = version >= ASKS_FOR_SEVERAL ? request.coordinatorKeys : [request.key];
    const topic = topicOf(request.keyType);
    if (topic === undefined) {
      const reason = `Key type ${request.keyType} is neither a group nor a transaction`;
      return call.reply(findCoordinator.failed(request, ErrorCode.INVALID_REQUEST, reason));
    }
    if (broker.image.topicByName(topic) !== undefined) return reply(call, topic, keys);
    call.ask<InternalTopicsRequest, TopicEnsured>(
      broker.internalTopics,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "ensure-topic", topic, replyTo }),
      () => reply(call, topic, keys),
    );
  },
  failed: ({ key, coordinatorKeys }, errorCode, message) =>
    coordinatorKeys.length > 0
      ? several(coordinatorKeys.map((one) => notFound(one, errorCode, message)))
      : single(notFound(key, errorCode, message)),
};

function accessTo(key: string, keyType: number): Access {
  return keyType === TRANSACTION
    ? { operation: "describe", resourceType: "transactional-id", resourceName: key }
    : groupAccess("describe", key);
}

function topicOf(keyType: number): string | undefined {
  return keyType === GROUP
    ? OFFSETS_TOPIC
    : keyType === TRANSACTION
    ? TRANSACTION_TOPIC
    : undefined;
}

function reply(
  call: Call<FindCoordinatorRequest, FindCoordinatorResponse>,
  topic: string,
  keys: readonly string[],
): void {
  const found = keys.map((key) => find(call, topic, key));
  const [only] = found;
  call.reply(call.version >= ASKS_FOR_SEVERAL ? several(found) : single(only as Coordinator));
}

function find(
  { broker, listener }: Call<FindCoordinatorRequest, FindCoordinatorResponse>,
  topic: string,
  key: string,
): Coordinator {
  const { image, coordinators } = broker;
  const partition = coordinators.partitionOf(topic, key);
  const leader = partition === undefined
    ? NONE
    : image.topicByName(topic)?.partitions[partition]?.leader;
  const node = reachableBrokers(image, listener).find(({ id }) => id === leader);
  if (node === undefined) return notFound(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, null);
  const { id: nodeId, host, port } = node;
  return { key, nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null };
}

function notFound(key: string, errorCode: number, errorMessage: string | null): Coordinator {
  return { key, nodeId: NONE, host: "", port: -1, errorCode, errorMessage };
}

/** The response before version 4. */
function single({ key: _, ...coordinator }: Coordinator): FindCoordinatorResponse {
  return { throttleTimeMs: 0, ...coordinator, coordinators: [] };
}

/** The response from version 4 on. */
function several(coordinators: readonly Coordinator[]): FindCoordinatorResponse {
  return make(FIND_COORDINATOR.response, { coordinators });
}
