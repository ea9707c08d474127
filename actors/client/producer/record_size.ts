/**
 * How many bytes a record can take in a batch, before it is written.
 *
 * @module
 */

import type { HeaderContent, RecordContent } from "../../../storage/record_batch_builder.ts";

/** Length, attributes, two deltas and three counts, each at its longest. */
const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 3 * 5;
const HEADER_OVERHEAD_BYTES_MAX = 2 * 5;
/** A UTF-16 unit takes at most this many bytes in UTF-8. */
const UTF8_BYTES_MAX = 3;

const encoder = new TextEncoder();

/** At least as many bytes as the record takes; exact within its overhead where there is no text. */
export function recordBytesMax(
  key: RecordContent,
  value: RecordContent,
  headers: readonly HeaderContent[] | undefined,
): number {
  let bytes = RECORD_OVERHEAD_BYTES_MAX + contentBytesMax(key) + contentBytesMax(value);
  if (headers === undefined) return bytes;
  for (const header of headers) {
    bytes += HEADER_OVERHEAD_BYTES_MAX + contentBytesMax(header.key) +
      contentBytesMax(header.value);
  }
  return bytes;
}

function contentBytesMax(content: RecordContent): number {
  if (content === null) return 0;
  return typeof content === "string" ? content.length * UTF8_BYTES_MAX : content.length;
}

/** The content with text made bytes. */
export function contentBytes(content: RecordContent): Uint8Array | null {
  return typeof content === "string" ? encoder.encode(content) : content;
}
