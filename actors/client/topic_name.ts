/**
 * Which texts can be the name of a topic at all; what a broker accepts is its own affair.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import { errorForCode } from "./errors.ts";

/** Kafka's limit: a topic's name is part of the name of a folder. */
const TOPIC_NAME_CHARACTERS_MAX = 249;

/**
 * Refuses what no broker need be asked about, and what could not be put into a request.
 * @throws {ApiError} INVALID_TOPIC_EXCEPTION
 */
export function checkTopicName(name: unknown, action: string): void {
  if (typeof name === "string" && name !== "" && name.length <= TOPIC_NAME_CHARACTERS_MAX) return;
  const detail = typeof name === "string" && name !== ""
    ? `A topic name has at most ${TOPIC_NAME_CHARACTERS_MAX} characters`
    : "A topic name must be given";
  throw errorForCode(ErrorCode.INVALID_TOPIC_EXCEPTION, action, detail);
}
