/**
 * What goes wrong with a connection to a node, and with what is asked over it. Each error bears the
 * name and the code of Kafka's error table and says whether the same may succeed later.
 *
 * These are also what the client's promises reject with, whose further errors are in
 * actors/client/errors.ts.
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

/** The connection was lost before the response came: what was asked may have been done. */
export class DisconnectedError extends ClientError {
  /** @ignore */
  override readonly name: string = "DisconnectedError";
  /** @ignore */
  constructor(message: string, options?: ErrorOptions) {
    super(ErrorCode.NETWORK_EXCEPTION, message, options);
  }
}

/** The node, or the secret it asks for, does not let this client in. */
export class AuthorizationError extends ClientError {
  /** @ignore */
  override readonly name: string = "AuthorizationError";
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

/** Makes the error for a code with which a connection or a request is refused. */
export function refusalError(code: number, action: string, detail?: string | null): ClientError {
  const message = messageForCode(code, action, detail);
  switch (code) {
    case ErrorCode.REQUEST_TIMED_OUT:
      return new TimeoutError(message);
    case ErrorCode.NETWORK_EXCEPTION:
      return new DisconnectedError(message);
    case ErrorCode.TOPIC_AUTHORIZATION_FAILED:
    case ErrorCode.GROUP_AUTHORIZATION_FAILED:
    case ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
    case ErrorCode.SASL_AUTHENTICATION_FAILED:
      return new AuthorizationError(code, message);
    default:
      return new ApiError(code, message);
  }
}

/** What the error for a code says. */
export function messageForCode(code: number, action: string, detail?: string | null): string {
  return `${action}: ${detail ?? errorMessage(code)} (${errorName(code)})`;
}
