/**
 * What an append that failed means to a coordinator and to its clients.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";

/** Errors of an append after which the records are not in the log. */
const NOTHING_APPENDED: ReadonlySet<number> = new Set<number>([
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_TXN_STATE,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.TRANSACTION_COORDINATOR_FENCED,
]);

/** Whether an append that failed so may be in the log none the less. */
export function isUnknownOutcome(error: ErrorCode): boolean {
  return !NOTHING_APPENDED.has(error);
}

/** What clients are told of an append that failed so: to try again, there or elsewhere. */
export function coordinatorError(error: ErrorCode): ErrorCode {
  switch (error) {
    case ErrorCode.NOT_ENOUGH_REPLICAS:
    case ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ErrorCode.REQUEST_TIMED_OUT:
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR;
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
    case ErrorCode.INVALID_RECORD:
      return ErrorCode.UNKNOWN_SERVER_ERROR;
    default:
      return error;
  }
}
