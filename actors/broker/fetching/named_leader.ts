/**
 * Whom a client should ask instead of this broker (KIP-951).
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { LeaderIdAndEpoch, NodeEndpoint } from "../../../net/messages/produce.ts";
import type { PartitionImage } from "../../controller/cluster_image.ts";
import type { Call } from "../sessions/call.ts";
import { endPointOf } from "../services.ts";

/** No leader is named. */
export const NO_LEADER: LeaderIdAndEpoch = { leaderId: -1, leaderEpoch: -1 };

/**
 * The leader that the metadata name, where the error says that it is another; its address goes into
 * `endpoints`.
 */
export function namedLeader(
  { broker, listener }: Pick<Call<unknown, never>, "broker" | "listener">,
  partition: PartitionImage | undefined,
  error: ErrorCode | number,
  endpoints: Map<number, NodeEndpoint>,
): LeaderIdAndEpoch {
  const isElsewhere = error === ErrorCode.NOT_LEADER_OR_FOLLOWER ||
    error === ErrorCode.FENCED_LEADER_EPOCH;
  if (!isElsewhere || partition === undefined || partition.leader < 0) return NO_LEADER;
  const { image } = broker;
  const { leader: leaderId, leaderEpoch } = partition;
  const address = endPointOf(image, leaderId, listener);
  if (address !== undefined) {
    const { host, port } = address;
    const rack = image.brokers.get(leaderId)?.rack ?? null;
    endpoints.set(leaderId, { nodeId: leaderId, host, port, rack });
  }
  return { leaderId, leaderEpoch };
}
