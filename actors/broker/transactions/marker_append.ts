/**
 * Writing the marker of a transaction into a partition that this broker leads.
 *
 * Markers of `__consumer_offsets` go by way of the group coordinator of the partition, which alone
 * writes there and has offsets that count from then on, or not.
 *
 * @module
 */

import type { Epoch, ProducerId } from "../../../storage/bytes/ids.ts";
import { buildTransactionMarker } from "../../../storage/control_record.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { CoordinatorRequest } from "../../coordinator/coordinator_actor.ts";
import type { Answer, GroupRequest } from "../../coordinator/group/requests.ts";
import { OFFSETS_TOPIC, TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type { AppendReply, PartitionRequest } from "../../partition/messages.ts";
import type { AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import { findPartition, unansweredError } from "../partition_questions.ts";
import type { BrokerServices } from "../services.ts";

/** The outcome of a producer's transaction. */
export interface TransactionOutcome {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly committed: boolean;
  readonly coordinatorEpoch: Epoch;
  /** From 2 on no record of the transaction has the marker's epoch (KIP-1228). */
  readonly transactionVersion: number;
}

/** Asks an actor; `answered` comes later, in the asker's turn. */
export type Ask = <Question, Reply>(
  other: Ref<Question>,
  timeoutMs: number,
  question: (replyTo: Ref<Reply>) => Question,
  answered: (result: AskResult<Reply>) => void,
) => void;

/** Writes a marker; `done` is called once, with NONE when it is committed. */
export function appendMarker(
  broker: BrokerServices,
  ask: Ask,
  outcome: TransactionOutcome,
  topic: string,
  partition: number,
  done: (error: ErrorCode) => void,
): void {
  // A marker there would be taken for another coordinator's.
  if (topic === TRANSACTION_TOPIC) return done(ErrorCode.INVALID_TOPIC_EXCEPTION);
  if (topic === OFFSETS_TOPIC) return completeOffsets(broker, ask, outcome, partition, done);
  const found = findPartition({ broker }, topic, partition);
  if (typeof found === "number") return done(found);
  const { committed, transactionVersion, ...marker } = outcome;
  ask<PartitionRequest, AppendReply>(
    found,
    broker.config.requestTimeoutMs,
    (replyTo) => ({
      kind: "append",
      records: buildTransactionMarker({
        ...marker,
        kind: committed ? "COMMIT" : "ABORT",
        timestamp: broker.environment.clock.wall(),
      }),
      acks: "all",
      origin: "coordinator",
      transactionVersion,
      replyTo,
      release: () => {},
    }),
    (result) => done(result.kind === "reply" ? result.reply.error : unansweredError(result.kind)),
  );
}

function completeOffsets(
  broker: BrokerServices,
  ask: Ask,
  { committed, ...outcome }: TransactionOutcome,
  partition: number,
  done: (error: ErrorCode) => void,
): void {
  const coordinator = broker.coordinators.at<GroupRequest>(OFFSETS_TOPIC, partition);
  if (typeof coordinator === "number") return done(ofCoordinator(coordinator));
  ask<CoordinatorRequest<GroupRequest>, Answer<{ readonly errorCode: ErrorCode }>>(
    coordinator,
    broker.config.requestTimeoutMs,
    (replyTo) => ({
      kind: "coordinate",
      request: {
        kind: "complete-transaction",
        ...outcome,
        outcome: committed ? "commit" : "abort",
        replyTo,
      },
    }),
    (result) => {
      if (result.kind !== "reply") return done(unansweredError(result.kind));
      const { reply } = result;
      done(ofCoordinator(reply.kind === "refused" ? reply.error : reply.response.errorCode));
    },
  );
}

/** Transaction coordinators know of leaders, not of group coordinators: they are to try again. */
function ofCoordinator(error: ErrorCode): ErrorCode {
  switch (error) {
    case ErrorCode.NOT_COORDINATOR:
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
      return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    default:
      return error;
  }
}
