/**
 * Fetch of the metadata log, which no partition of this broker is: voters and observers replicate
 * it by the quorum protocol, so that the node's controller answers.
 *
 * @module
 */

import { PeerRole } from "../../../net/handshake.ts";
import type { FetchRequest, FetchResponse } from "../../../net/messages/fetch.ts";
import { METADATA_TOPIC, METADATA_TOPIC_ID } from "../../controller/metadata_topic.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { answeredByQuorum } from "../quorum_questions.ts";

/** The first version that names topics by id (KIP-516). */
const TOPIC_IDS = 13;
/** The first version that tells where leaders are (KIP-951). */
const NODE_ENDPOINTS = 16;

/**
 * Whether a fellow node fetches the metadata log. Nobody else may: it holds what clients cannot
 * see.
 */
export function isMetadataFetch({ request, version, peer }: Call<FetchRequest, unknown>): boolean {
  const [topic, ...others] = request.topics;
  if (peer.role !== PeerRole.NODE || topic === undefined || others.length > 0) return false;
  return version < TOPIC_IDS ? topic.topic === METADATA_TOPIC : topic.topicId === METADATA_TOPIC_ID;
}

/** Answers when there is something new, or when the fetch has waited for as long as it wants to. */
export function fetchMetadataLog(
  call: Call<FetchRequest, FetchResponse>,
  handler: ApiHandler<FetchRequest, FetchResponse>,
): void {
  const waitMs = Math.max(1, call.request.maxWaitMs);
  answeredByQuorum(call, handler, { endpointsSince: NODE_ENDPOINTS, waitMs });
}
