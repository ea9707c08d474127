/** Batches with right checksums whose content is not what it says. */

import { gzipSync } from "node:zlib";
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  encodeAttributes,
  sealBatch,
} from "../../../storage/record_batch.ts";
import { batchOf } from "./broker_world.ts";

const BOMB_BYTES = 80 << 20;
let bomb: Uint8Array | undefined;

/** A batch that says it is gzip, of noise, or of far more zeros than may come out. */
export function compressWith(kind: "garbage" | "bomb", timestamp: number): Uint8Array {
  bomb ??= kind === "bomb" ? gzipSync(new Uint8Array(BOMB_BYTES)) : undefined;
  const body = kind === "bomb" ? bomb! : new Uint8Array(100).fill(0xa5);
  const header = batchOf(["x"], { timestamp }).subarray(0, BATCH_HEADER_BYTES);
  const batch = new Uint8Array(BATCH_HEADER_BYTES + body.length);
  batch.set(header);
  batch.set(body, BATCH_HEADER_BYTES);
  const view = new DataView(batch.buffer);
  view.setInt32(BATCH_FIELD.batchLength, batch.length - 12);
  view.setInt16(BATCH_FIELD.attributes, encodeAttributes({ compression: "gzip" }));
  sealBatch(batch, 0);
  return batch;
}
