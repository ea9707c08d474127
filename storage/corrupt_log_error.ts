/**
 * What is thrown inside the log where bytes that were read are not what was written; at its edge it
 * becomes data.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";

/** Bytes of a log that are not what was written; found by reading them. */
export class CorruptLogError extends Error {
  override readonly name = "CorruptLogError";
  constructor(
    /** The first offset that cannot be read. */
    readonly offset: Offset,
    readonly file: string,
    readonly position: number,
    readonly reason: string,
  ) {
    super(`Cannot read offset ${offset} from ${file} at ${position}: ${reason}`);
  }
}
