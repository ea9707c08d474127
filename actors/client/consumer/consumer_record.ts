/**
 * A record as a consumer gives it.
 *
 * @module
 */

import type { Offset, Timestamp } from "../../../storage/bytes/ids.ts";
import type { RecordHeader } from "../../../storage/record.ts";
import { textOf } from "../serializers.ts";

export type { RecordHeader } from "../../../storage/record.ts";

/** One record. Its bytes stay as they are for as long as it is kept. */
export class ConsumerRecord<K = Uint8Array | null, V = Uint8Array | null> {
  /** Made by the consumer. */
  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly offset: Offset,
    /** The producer's time, or the broker's when the topic has LogAppendTime. */
    readonly timestamp: Timestamp,
    readonly key: K,
    readonly value: V,
    readonly headers: readonly RecordHeader[],
  ) {}

  /** The value as text, whatever it is; "" for null. */
  text(): string {
    const value: unknown = this.value;
    if (value instanceof Uint8Array) return textOf(value);
    return value === null || value === undefined ? "" : String(value);
  }
}
