/**
 * What a user gives as key, value or headers, in the form that goes into a batch.
 *
 * @module
 */

import type { HeaderContent, RecordContent } from "../../../storage/record_batch_builder.ts";
import { SerializationError } from "../errors.ts";
import type { RecordHeaders } from "../records.ts";
import type { Serializer } from "../serializers.ts";

/** The content of a key or value. @throws {SerializationError} for what is no content. */
export function contentOf<T>(
  topic: string,
  given: T | null | undefined,
  serializer: Serializer<T> | undefined,
): RecordContent {
  if (given === null || given === undefined) return null;
  const content: unknown = serializer === undefined ? given : serialized(topic, given, serializer);
  if (typeof content === "string" || content === null || content instanceof Uint8Array) {
    return content;
  }
  const what = typeof content === "object" ? "an object" : `a ${typeof content}`;
  throw new SerializationError(
    `Cannot send to ${topic}: ${what} is neither text nor bytes nor null`,
  );
}

function serialized<T>(topic: string, given: T, serializer: Serializer<T>): unknown {
  try {
    return serializer(topic, given);
  } catch (cause) {
    throw new SerializationError(`Cannot send to ${topic}: the serializer threw`, { cause });
  }
}

/** The headers as a list; undefined for none. */
export function headersOf(
  topic: string,
  headers: RecordHeaders | undefined,
): readonly HeaderContent[] | undefined {
  if (headers === undefined) return undefined;
  const list = Array.isArray(headers)
    ? headers as readonly { readonly key: string; readonly value: unknown }[]
    : Object.entries(headers).map(([key, value]) => ({ key, value: value as unknown }));
  return list.map(({ key, value }) => {
    if (typeof key !== "string") {
      throw new SerializationError(`Cannot send to ${topic}: the name of a header is no text`);
    }
    return { key, value: contentOf(topic, value, undefined) };
  });
}

/** The content in memory of its own. */
export function copyOf(content: RecordContent): RecordContent {
  return content instanceof Uint8Array ? content.slice() : content;
}

/** The headers in memory of their own. */
export function copyOfHeaders(
  headers: readonly HeaderContent[] | undefined,
): readonly HeaderContent[] | undefined {
  return headers?.map(({ key, value }) => ({ key, value: copyOf(value) }));
}

/** @throws {SerializationError} for what is no time since 1970. */
export function checkTimestamp(timestamp: number, topic: string): void {
  if (Number.isSafeInteger(timestamp) && timestamp >= 0) return;
  throw new SerializationError(`Cannot send to ${topic}: ${timestamp} is no timestamp`);
}
