/**
 * Asking the coordinator of a transactional id, where it is on this broker.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { CoordinatorRequest } from "../../coordinator/coordinator_actor.ts";
import { TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type { TransactionRequest } from "../../coordinator/transaction/requests.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { Access, Operation } from "../sessions/access.ts";
import type { Call } from "../sessions/call.ts";

/** Asks the coordinator of a transactional id; `failed` is told what is to be tried again. */
export function askTransactions<Reply>(
  call: Call<unknown, never>,
  transactionalId: string,
  question: (replyTo: Ref<Reply>) => TransactionRequest,
  answered: (reply: Reply) => void,
  failed: (error: ErrorCode) => void,
): void {
  const { coordinators, config } = call.broker;
  const found = coordinators.find<TransactionRequest>(TRANSACTION_TOPIC, transactionalId);
  if (typeof found === "number") return failed(found);
  call.ask<CoordinatorRequest<TransactionRequest>, Reply>(
    found,
    config.requestTimeoutMs,
    (replyTo) => ({ kind: "coordinate", request: question(replyTo) }),
    (result) => {
      if (result.kind === "reply") return answered(result.reply);
      failed(
        result.kind === "terminated"
          ? ErrorCode.NOT_COORDINATOR
          : ErrorCode.COORDINATOR_NOT_AVAILABLE,
      );
    },
  );
}

/** What is done to a transactional id. */
export function transactionAccess(operation: Operation, resourceName: string): Access {
  return { operation, resourceType: "transactional-id", resourceName };
}

/** The first version of most of these APIs whose clients know PRODUCER_FENCED (KIP-588). */
const PRODUCER_FENCED = 2;

/** The error as clients of a version know it. */
export function producerError(
  error: ErrorCode,
  version: number,
  fencedSince = PRODUCER_FENCED,
): ErrorCode {
  return error === ErrorCode.PRODUCER_FENCED && version < fencedSince
    ? ErrorCode.INVALID_PRODUCER_EPOCH
    : error;
}
