/**
 * What the client's promises reject with. Each error bears the name and the code of Kafka's error
 * table and says whether the same call may succeed later; the client has then already retried for
 * as long as its configs allow.
 *
 * Owns the classes and the choice of one by its code. The table is in net/messages/errors.ts.
 *
 * @module
 */

import {
  ErrorCode,
  errorMessage,
  type ErrorName,
  errorName,
  isRetriable,
} from "../../net/messages/errors.ts";

/** The base of all errors that a producer, consumer or admin client rejects with. */
export class ClientError extends Error {
  /** @ignore */
  override readonly name: string = "ClientError";
  /** The number of the error in Kafka's table. */
  readonly code: number;
  /** The name of the error in Kafka's table, as `NOT_LEADER_OR_FOLLOWER`. */
  readonly errorName: ErrorName;
  /** Whether the same call may succeed later. */
  readonly retriable: boolean;

  /** @ignore */
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.errorName = errorName(code);
    this.retriable = isRetriable(code);
  }
}

/** The broker answered with an error that has no class of its own here. */
export class ApiError extends ClientError {
  /** @ignore */
  override readonly name: string = "ApiError";
}

/** A deadline passed: of a request, of a delivery, or of a wait for metadata. */
export class TimeoutError extends ClientError {
  /** @ignore */
  override readonly name: string = "TimeoutError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.REQUEST_TIMED_OUT, message, options);
  }
}

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

/** The connection was lost before the response came: what was asked may have been done. */
export class DisconnectedError extends ClientError {
  /** @ignore */
  override readonly name: string = "DisconnectedError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.NETWORK_EXCEPTION, message, options);
  }
}

/** The broker, or the secret it asks for, does not let this client in. */
export class AuthorizationError extends ClientError {
  /** @ignore */
  override readonly name: string = "AuthorizationError";
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

/** The client was closed. */
export class ClosedError extends ClientError {
  /** @ignore */
  override readonly name: string = "ClosedError";
  /** @ignore */
  constructor(message: string) {
    super(ErrorCode.UNKNOWN_SERVER_ERROR, message);
  }
}

/** Makes the error for a code of Kafka's table, of the class that stands for it. */
export function errorForCode(code: number, action: string, detail?: string | null): ClientError {
  const message = `${action}: ${detail ?? errorMessage(code)} (${errorName(code)})`;
  switch (code) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.UNKNOWN_TOPIC_ID:
      return new UnknownTopicError(message);
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
      return new RecordTooLargeError(message);
    case ErrorCode.REQUEST_TIMED_OUT:
      return new TimeoutError(message);
    case ErrorCode.BROKER_NOT_AVAILABLE:
      return new BrokerNotAvailableError(message);
    case ErrorCode.NETWORK_EXCEPTION:
      return new DisconnectedError(message);
    case ErrorCode.CORRUPT_MESSAGE:
      return new CorruptRecordError(message);
    case ErrorCode.TOPIC_AUTHORIZATION_FAILED:
    case ErrorCode.GROUP_AUTHORIZATION_FAILED:
    case ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
    case ErrorCode.SASL_AUTHENTICATION_FAILED:
      return new AuthorizationError(code, message);
    default:
      return new ApiError(code, message);
  }
}
