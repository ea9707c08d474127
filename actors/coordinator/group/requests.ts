/**
 * What a group coordinator can be asked. Each request carries where its one answer goes; where a
 * coordinator cannot serve it, `refusedResponse` says so in the words of its API.
 *
 * @module
 */

import type { Epoch, ProducerId } from "../../../storage/bytes/ids.ts";
import type {
  ConsumerGroupDescribeResponse,
} from "../../../net/messages/consumer_group_describe.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import type { DescribeGroupsResponse } from "../../../net/messages/describe_groups.ts";
import type { ErrorCode } from "../../../net/messages/errors.ts";
import type { HeartbeatRequest, HeartbeatResponse } from "../../../net/messages/heartbeat.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../net/messages/join_group.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../net/messages/leave_group.ts";
import type { ListGroupsRequest, ListGroupsResponse } from "../../../net/messages/list_groups.ts";
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from "../../../net/messages/offset_commit.ts";
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from "../../../net/messages/offset_delete.ts";
import type {
  OffsetFetchRequestGroup,
  OffsetFetchResponseGroup,
} from "../../../net/messages/offset_fetch.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../net/messages/sync_group.ts";
import type {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from "../../../net/messages/txn_offset_commit.ts";
import type { Ref } from "../../runtime/ref.ts";

/** What comes of a request: a response, or why there is none. */
export type Answer<Response> =
  | { readonly kind: "response"; readonly response: Response }
  | { readonly kind: "refused"; readonly error: ErrorCode };

interface Asked<Kind extends string, Request, Response> {
  readonly kind: Kind;
  readonly request: Request;
  readonly replyTo: Ref<Answer<Response>>;
}

/** Who asks, where that is kept with a member. */
export interface GroupClient {
  readonly clientId: string;
  /** As Kafka writes it: `/192.168.0.7`. */
  readonly clientHost: string;
  /** Of the request. */
  readonly version: number;
}

export type JoinGroup = Asked<"join-group", JoinGroupRequest, JoinGroupResponse> & {
  readonly client: GroupClient;
};
export type SyncGroup = Asked<"sync-group", SyncGroupRequest, SyncGroupResponse>;
export type Heartbeat = Asked<"heartbeat", HeartbeatRequest, HeartbeatResponse>;
/** Before version 3 its one member is in `members`, too. */
export type LeaveGroup = Asked<"leave-group", LeaveGroupRequest, LeaveGroupResponse>;
export type OffsetCommit = Asked<"offset-commit", OffsetCommitRequest, OffsetCommitResponse> & {
  readonly version: number;
};
/** The offsets of one group; null topics are all that it has. */
export type OffsetFetch =
  & Asked<"offset-fetch", OffsetFetchRequestGroup, OffsetFetchResponseGroup>
  & { readonly requireStable: boolean };
export type OffsetDelete = Asked<"offset-delete", OffsetDeleteRequest, OffsetDeleteResponse>;

/** Of one group. */
export interface DescribeGroup {
  readonly kind: "describe-group";
  readonly groupId: string;
  readonly replyTo: Ref<Answer<DescribeGroupsResponse["groups"][number]>>;
}

/** Of one group. */
export interface DescribeConsumerGroup {
  readonly kind: "describe-consumer-group";
  readonly groupId: string;
  readonly replyTo: Ref<Answer<ConsumerGroupDescribeResponse["groups"][number]>>;
}

/** Of one group. */
export interface DeleteGroup {
  readonly kind: "delete-group";
  readonly groupId: string;
  readonly replyTo: Ref<Answer<{ readonly errorCode: ErrorCode }>>;
}

/** The groups of one partition. */
export type ListGroups = Asked<"list-groups", ListGroupsRequest, ListGroupsResponse["groups"]>;

export type ConsumerGroupHeartbeat =
  & Asked<
    "consumer-group-heartbeat",
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse
  >
  & { readonly client: GroupClient };

/** Offsets that count when the producer's transaction is committed, which was verified before. */
export type TxnOffsetCommit =
  & Asked<"txn-offset-commit", TxnOffsetCommitRequest, TxnOffsetCommitResponse>
  & { readonly version: number };

/** Writes the marker that decides a producer's transaction in this partition. */
export interface CompleteTransaction {
  readonly kind: "complete-transaction";
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** Of the transaction coordinator. */
  readonly coordinatorEpoch: Epoch;
  /** From 2 on no offset of the transaction was committed in the marker's epoch (KIP-1228). */
  readonly transactionVersion: number;
  readonly outcome: "commit" | "abort";
  readonly replyTo: Ref<Answer<{ readonly errorCode: ErrorCode }>>;
}

export type GroupRequest =
  | JoinGroup
  | SyncGroup
  | Heartbeat
  | LeaveGroup
  | OffsetCommit
  | OffsetFetch
  | OffsetDelete
  | DescribeGroup
  | DescribeConsumerGroup
  | DeleteGroup
  | ListGroups
  | ConsumerGroupHeartbeat
  | TxnOffsetCommit
  | CompleteTransaction;

/** Says that a request is not served. */
export function refuseGroupRequest(request: GroupRequest, error: ErrorCode): void {
  request.replyTo.tell({ kind: "refused", error });
}
