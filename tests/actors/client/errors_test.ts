import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  ApiError,
  AuthorizationError,
  BufferExhaustedError,
  ClientError,
  DisconnectedError,
  errorForCode,
  RecordTooLargeError,
  TimeoutError,
  UnknownTopicError,
} from "../../../actors/client/errors.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";

Deno.test("errors: a code gets the class that stands for it, and keeps its name and number", () => {
  const classes = [
    [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, UnknownTopicError],
    [ErrorCode.MESSAGE_TOO_LARGE, RecordTooLargeError],
    [ErrorCode.REQUEST_TIMED_OUT, TimeoutError],
    [ErrorCode.NETWORK_EXCEPTION, DisconnectedError],
    [ErrorCode.TOPIC_AUTHORIZATION_FAILED, AuthorizationError],
    [ErrorCode.INVALID_PARTITIONS, ApiError],
  ] as const;
  for (const [code, type] of classes) {
    const error = errorForCode(code, "Cannot do it");
    assertInstanceOf(error, type);
    assertInstanceOf(error, ClientError);
    assertEquals(error.code, code);
    assertEquals(error.name, type.name);
  }
  const error = errorForCode(ErrorCode.INVALID_PARTITIONS, "Cannot create topic t", "no such");
  assertEquals(error.message, "Cannot create topic t: no such (INVALID_PARTITIONS)");
  assertEquals(error.errorName, "INVALID_PARTITIONS");
});

Deno.test("errors: each says whether the same call may succeed later", () => {
  assert(new BufferExhaustedError("x").retriable);
  assert(errorForCode(ErrorCode.NOT_LEADER_OR_FOLLOWER, "x").retriable);
  assert(!new RecordTooLargeError("x").retriable);
});

Deno.test("errors: a full buffer is a kind of timeout, as in Kafka", () => {
  assertInstanceOf(new BufferExhaustedError("x"), TimeoutError);
});
