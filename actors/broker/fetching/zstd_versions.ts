/**
 * Zstandard and clients that are older than it (KIP-110): they do not send it, and are not given
 * topics that are all stored so.
 *
 * @module
 */

import { BATCH_HEADER_BYTES, BatchView } from "../../../storage/record_batch.ts";
import type { TopicConfig } from "../../config/topic_config.ts";

/** The first versions whose clients know it. */
const PRODUCE_VERSION = 7;
const FETCH_VERSION = 10;

const CODEC_MASK = 7;
const ZSTD = 4;

/** Whether a client that asks in this version may send these bytes, which may be no batch. */
export function maySend(records: Uint8Array, produceVersion: number): boolean {
  return produceVersion >= PRODUCE_VERSION || records.length < BATCH_HEADER_BYTES ||
    !isZstd(new BatchView(records));
}

/**
 * Whether a client that asks in this version is given records of a topic by what it is stored in.
 * Zstd that came from producers is handed on, as Kafka does: a client may well know it that asks in
 * an old version.
 */
export function mayRead(
  fetchVersion: number,
  compressionType: () => TopicConfig["compressionType"],
): boolean {
  return fetchVersion >= FETCH_VERSION || compressionType() !== "zstd";
}

function isZstd(batch: BatchView): boolean {
  return (batch.attributes & CODEC_MASK) === ZSTD;
}
