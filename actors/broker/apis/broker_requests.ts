/**
 * BrokerRegistration, BrokerHeartbeat, AlterPartition, AllocateProducerIds and FailReplicas: what
 * brokers ask of the active controller on their own behalf, decided by this node's controller where
 * that leads.
 *
 * Nodes of this kind send them in a ControllerEnvelope; that they are served is also what says in
 * which versions an envelope may hold them.
 *
 * @module
 */

import {
  ALLOCATE_PRODUCER_IDS,
  type AllocateProducerIdsRequest,
  type AllocateProducerIdsResponse,
} from "../../../net/messages/allocate_producer_ids.ts";
import {
  ALTER_PARTITION,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
} from "../../../net/messages/alter_partition.ts";
import {
  BROKER_HEARTBEAT,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
} from "../../../net/messages/broker_heartbeat.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
} from "../../../net/messages/broker_registration.ts";
import {
  FAIL_REPLICAS,
  type FailReplicasRequest,
  type FailReplicasResponse,
} from "../../../net/messages/fail_replicas.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { CLUSTER_ACTION, decidedHere } from "../quorum_questions.ts";

/** The handler of an API whose response has an error for the whole request. */
function handlerFor<Request, Response extends { readonly errorCode: number }>(
  api: Api<Request, Response>,
): ApiHandler<Request, Response> {
  const handler: ApiHandler<Request, Response> = {
    api,
    access: () => CLUSTER_ACTION,
    handle: (call) => decidedHere(call, handler),
    failed: (_request, errorCode) => make(api.response, { errorCode } as Draft<Response>),
  };
  return handler;
}

export const brokerRegistration: ApiHandler<BrokerRegistrationRequest, BrokerRegistrationResponse> =
  handlerFor(BROKER_REGISTRATION);

export const brokerHeartbeat: ApiHandler<BrokerHeartbeatRequest, BrokerHeartbeatResponse> =
  handlerFor(BROKER_HEARTBEAT);

export const alterPartition: ApiHandler<AlterPartitionRequest, AlterPartitionResponse> = handlerFor(
  ALTER_PARTITION,
);

export const allocateProducerIds: ApiHandler<
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse
> = handlerFor(ALLOCATE_PRODUCER_IDS);

export const failReplicas: ApiHandler<FailReplicasRequest, FailReplicasResponse> = handlerFor(
  FAIL_REPLICAS,
);
