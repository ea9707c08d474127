import { assert, assertEquals } from "@std/assert";
import {
  ApiError,
  ErrorCode,
  errorMessage,
  errorName,
  isRetriable,
} from "../../../net/messages/errors.ts";

Deno.test("errors: every code from -1 to 128 has one name", () => {
  const codes = Object.values(ErrorCode).sort((a, b) => a - b);
  assertEquals(codes, Array.from({ length: 130 }, (_, index) => index - 1) as typeof codes);
  for (const [name, code] of Object.entries(ErrorCode)) assertEquals(errorName(code), name);
});

Deno.test("errors: a code that is not known counts as UNKNOWN_SERVER_ERROR", () => {
  assertEquals(errorName(12345), "UNKNOWN_SERVER_ERROR");
  assertEquals(isRetriable(12345), false);
  assertEquals(errorMessage(12345), errorMessage(-1));
});

Deno.test("errors: retriable are those that a Kafka client retries", () => {
  for (const code of [2, 3, 5, 6, 7, 14, 15, 16, 19, 20, 41, 51, 56, 74, 75, 78, 89, 100]) {
    assert(isRetriable(code), errorName(code));
  }
  for (const code of [-1, 0, 1, 10, 17, 22, 25, 27, 29, 35, 36, 45, 47, 48, 87, 90]) {
    assert(!isRetriable(code), errorName(code));
  }
});

Deno.test("errors: an ApiError tells its name, and the message that came with it", () => {
  const error = new ApiError(ErrorCode.TOPIC_ALREADY_EXISTS);
  assertEquals(error.message, "TOPIC_ALREADY_EXISTS: A topic of this name exists");
  assertEquals([error.code, error.errorName, error.retriable], [36, "TOPIC_ALREADY_EXISTS", false]);
  assertEquals(new ApiError(41, "ask node 3").message, "NOT_CONTROLLER: ask node 3");
  assertEquals(new ApiError(41, null).retriable, true);
});
