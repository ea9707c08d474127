/**
 * The coordinators that a broker has, and the internal topics that they live on.
 *
 * @module
 */

import { groupCoordinatorKind } from "../coordinator/group/group_coordinator.ts";
import { coordinatorsActor, type CoordinatorsRequest } from "../coordinator/coordinators.ts";
import {
  internalTopicsActor,
  type InternalTopicsOptions,
  type InternalTopicsRequest,
} from "../coordinator/internal_topics.ts";
import { transactionCoordinatorKind } from "../coordinator/transaction/kind.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { ProducerIdReply, ProducerIdsRequest } from "./transactions/producer_ids.ts";
import { type BrokerServices, OFFLINE } from "./services.ts";

/** Starts what keeps coordinators where this broker leads; it is to be told of the metadata. */
export function spawnCoordinators(
  context: ActorContext<never>,
  services: BrokerServices,
): Ref<CoordinatorsRequest> {
  return context.spawn(
    "coordinators",
    coordinatorsActor({
      nodeId: services.nodeId,
      image: services.image,
      kinds: [groupCoordinatorKind(services.transactions), transactionKind(services)],
      directory: services.coordinators,
      config: () => services.config,
      logOf: (topicId, partition) => {
        const held = services.partitions.find(topicId, partition);
        return held === OFFLINE ? undefined : held;
      },
    }),
    // What it is told of the metadata must not be lost.
    { mailboxLimit: Number.MAX_SAFE_INTEGER },
  );
}

function transactionKind({ producerIds, transactions, config }: BrokerServices) {
  return transactionCoordinatorKind({
    newProducerId: (context, answered) =>
      context.ask<ProducerIdsRequest, ProducerIdReply>(
        producerIds,
        config.requestTimeoutMs,
        (replyTo) => ({ kind: "next-producer-id", replyTo }),
        (result) => {
          // Retriable, whatever the reason: no id was used.
          const error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
          answered(result.kind === "reply" ? result.reply : { error, producerId: -1 });
        },
      ),
    markers: transactions,
  });
}

/** Starts what makes internal topics; it is to be told of the metadata. */
export function spawnInternalTopics(
  context: ActorContext<never>,
  options: InternalTopicsOptions,
): Ref<InternalTopicsRequest> {
  return context.spawn("internal-topics", internalTopicsActor(options), {
    // As many wait as requests may be open; and the metadata must not be lost.
    mailboxLimit: Number.MAX_SAFE_INTEGER,
  });
}
