/**
 * What the client's promises reject with. Each error bears the name and the code of Kafka's error
 * table and says whether the same call may succeed later; the client has then already retried for
 * as long as its configs allow.
 *
 * Owns the choice of a class by its code, and the classes of what is not a matter of the
 * connection: the others are in actors/link/errors.ts. The table is in net/messages/errors.ts.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import { ClientError, messageForCode, refusalError, TimeoutError } from "../link/errors.ts";

export {
  ApiError,
  AuthorizationError,
  ClientError,
  ClosedError,
  DisconnectedError,
  TimeoutError,
} from "../link/errors.ts";

/** The buffer stayed full for `maxBlockMs`; the record was not taken. */
export class BufferExhaustedError extends TimeoutError {
  /** @ignore */
  override readonly name: string = "BufferExhaustedError";
}

/** The topic or the partition does not exist. */
export class UnknownTopicError extends ClientError {
  /** @ignore */
  override readonly name: string = "UnknownTopicError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message, options);
  }
}

/** The record is larger than `maxRequestSize`, `bufferMemory`, or what the topic accepts. */
export class RecordTooLargeError extends ClientError {
  /** @ignore */
  override readonly name: string = "RecordTooLargeError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.MESSAGE_TOO_LARGE, message, options);
  }
}

/** No broker can be reached. The causes, one for each address, are in the message. */
export class BrokerNotAvailableError extends ClientError {
  /** @ignore */
  override readonly name: string = "BrokerNotAvailableError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.BROKER_NOT_AVAILABLE, message, options);
  }
}

/** The position lies outside the log and `autoOffsetReset` is `none`. */
export class OffsetOutOfRangeError extends ClientError {
  /** @ignore */
  override readonly name: string = "OffsetOutOfRangeError";
  /** @ignore */
  constructor(
    message: string,
    readonly topic: string,
    readonly partition: number,
    readonly offset: number,
  ) {
    super(ErrorCode.OFFSET_OUT_OF_RANGE, message);
  }
}

/**
 * The leader's log parts from what was read: records that were read are no more (KIP-320), and
 * `autoOffsetReset` is `none`.
 */
export class LogTruncationError extends OffsetOutOfRangeError {
  /** @ignore */
  override readonly name: string = "LogTruncationError";
  /** @ignore */
  constructor(
    topic: string,
    partition: number,
    offset: number,
    /** The first offset at which the logs differ; undefined where that is not known. */
    readonly divergentOffset: number | undefined,
  ) {
    const where = divergentOffset === undefined ? "" : ` from ${divergentOffset} on`;
    super(
      `Cannot go on at offset ${offset} of ${topic}-${partition}: the log has changed${where}`,
      topic,
      partition,
      offset,
    );
  }
}

/** Bytes from a broker are torn, fail their checksum, or cannot be read. */
export class CorruptRecordError extends ClientError {
  /** @ignore */
  override readonly name: string = "CorruptRecordError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.CORRUPT_MESSAGE, message, options);
  }
}

/** A config, or an argument of a call, cannot be used; the message names it. */
export class InvalidConfigError extends ClientError {
  /** @ignore */
  override readonly name: string = "InvalidConfigError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.INVALID_CONFIG, message, options);
  }
}

/** A serializer, partitioner or interceptor threw or gave what cannot be used; see `cause`. */
export class SerializationError extends ClientError {
  /** @ignore */
  override readonly name: string = "SerializationError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.INVALID_RECORD, message, options);
  }
}

/**
 * The offsets were not committed, because the member is no longer part of the group as it was when
 * it had the partitions: others have them now, and will give their records out again.
 */
export class CommitFailedError extends ClientError {
  /** @ignore */
  override readonly name: string = "CommitFailedError";
}

/** The group is rebalancing: the call may succeed once the consumer has polled again. */
export class RebalanceInProgressError extends ClientError {
  /** @ignore */
  override readonly name: string = "RebalanceInProgressError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.REBALANCE_IN_PROGRESS, message, options);
  }
}

/** Another consumer with the same `groupInstanceId` has taken this one's place in the group. */
export class FencedInstanceError extends ClientError {
  /** @ignore */
  override readonly name: string = "FencedInstanceError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.FENCED_INSTANCE_ID, message, options);
  }
}

/** The group has committed no offset of the partition and `autoOffsetReset` is `none`. */
export class NoOffsetForPartitionError extends ClientError {
  /** @ignore */
  override readonly name: string = "NoOffsetForPartitionError";
  /** @ignore */
  constructor(readonly topic: string, readonly partition: number, groupId: string) {
    super(
      ErrorCode.OFFSET_OUT_OF_RANGE,
      `Cannot consume ${topic}-${partition}: group ${groupId} has committed no offset of it`,
    );
  }
}

/**
 * A newer producer uses the transactional id, or the coordinator gave the transaction up: this
 * producer can do nothing more. Close it.
 */
export class ProducerFencedError extends ClientError {
  /** @ignore */
  override readonly name: string = "ProducerFencedError";
}

/** The transaction was aborted, or must be; the producer may begin another. */
export class TransactionAbortedError extends ClientError {
  /** @ignore */
  override readonly name: string = "TransactionAbortedError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.TRANSACTION_ABORTABLE, message, options);
  }
}

/** Makes the error for a code of Kafka's table, of the class that stands for it. */
export function errorForCode(code: number, action: string, detail?: string | null): ClientError {
  const message = messageForCode(code, action, detail);
  switch (code) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.UNKNOWN_TOPIC_ID:
      return new UnknownTopicError(message);
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
      return new RecordTooLargeError(message);
    case ErrorCode.BROKER_NOT_AVAILABLE:
      return new BrokerNotAvailableError(message);
    case ErrorCode.CORRUPT_MESSAGE:
      return new CorruptRecordError(message);
    case ErrorCode.REBALANCE_IN_PROGRESS:
      return new RebalanceInProgressError(message);
    case ErrorCode.FENCED_INSTANCE_ID:
      return new FencedInstanceError(message);
    case ErrorCode.PRODUCER_FENCED:
      return new ProducerFencedError(code, message);
    default:
      return refusalError(code, action, detail);
  }
}
