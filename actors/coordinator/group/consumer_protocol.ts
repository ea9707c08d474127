/**
 * What consumers say of themselves within the classic protocol: `int16 version | subscription`, of
 * which every version begins with the topics.
 *
 * @module
 */

import { readInt16, readInt32 } from "../../../storage/bytes/big_endian.ts";

/** The protocol type of consumers. */
export const CONSUMER_PROTOCOL = "consumer";

const textDecoder = new TextDecoder();

/** The topics that members are subscribed to; undefined where that cannot be read. */
export function subscribedTopicsOf(
  subscriptions: readonly Uint8Array[],
): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  for (const bytes of subscriptions) {
    if (!readTopics(bytes, topics)) return undefined;
  }
  return topics;
}

function readTopics(bytes: Uint8Array, into: Set<string>): boolean {
  if (bytes.length < 6) return false;
  const count = readInt32(bytes, 2);
  let position = 6;
  for (let index = 0; index < count; index++) {
    if (position + 2 > bytes.length) return false;
    const length = readInt16(bytes, position);
    const end = position + 2 + length;
    if (length < 0 || end > bytes.length) return false;
    into.add(textDecoder.decode(bytes.subarray(position + 2, end)));
    position = end;
  }
  return true;
}
