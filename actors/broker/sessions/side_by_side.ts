/**
 * Which requests of one Kafka connection may be worked on at the same time.
 *
 * A broker of Kafka works on one request of a connection at a time, and clients may rely on it:
 * they see what they have written. To wait is needless for requests that take effect in the order
 * in which they begin, as they pass through the same partition or coordinator, and for small
 * questions; it would make produce requests wait for each other's replication, and heartbeats for a
 * fetch. A coordinator answers OffsetFetch with what it has begun to store, once that is stored.
 * What only shows once it is replicated, or when all members have come, is waited for by those who
 * look.
 *
 * In the native encoding there is no such order: answers come as they are ready, and a client that
 * wants one request to see another's effect awaits that, as this project's does.
 *
 * @module
 */

import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../../net/messages/consumer_group_heartbeat.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../net/messages/leave_group.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../net/messages/offset_for_leader_epoch.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { SYNC_GROUP } from "../../../net/messages/sync_group.ts";

const SIDE_BY_SIDE: ReadonlySet<number> = new Set(
  [
    PRODUCE,
    LIST_OFFSETS,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    FIND_COORDINATOR,
    JOIN_GROUP,
    HEARTBEAT,
    LEAVE_GROUP,
    SYNC_GROUP,
    API_VERSIONS,
    OFFSET_FOR_LEADER_EPOCH,
    CONSUMER_GROUP_HEARTBEAT,
  ].map(({ key }) => key),
);

/** Whether a request may begin before those before it were answered. */
export function isSideBySide(apiKey: number): boolean {
  return SIDE_BY_SIDE.has(apiKey);
}

/** What a request waits for: it would not see the effect of those, or be refused for their sake. */
const AFTER: ReadonlyMap<number, number> = new Map([
  [LIST_OFFSETS.key, PRODUCE.key],
  [OFFSET_COMMIT.key, SYNC_GROUP.key],
]);

/** The API whose requests must all have ended before one of this begins, if there is one. */
export function isAfter(apiKey: number): number | undefined {
  return AFTER.get(apiKey);
}

/** Whether others may begin before this one was answered, though it waits for those before it. */
export function isFetch(apiKey: number): boolean {
  return apiKey === FETCH.key;
}
