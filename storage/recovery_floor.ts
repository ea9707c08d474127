/**
 * An offset from which a log must be scanned after a crash, although the checkpoint of recovery
 * points may say that more of it is durable.
 *
 * That checkpoint is written now and then, for all logs at once, by someone else. When a log is cut
 * below what it says and then appended to, it speaks of bytes that are no more. So the log notes
 * here where it was cut, durably and before it cuts, and removes the note when as much is durable
 * again as the checkpoint can claim. The note is no file of Kafka's, and Kafka passes over it.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import {
  MalformedFileError,
  parseEntries,
  parseWhole,
  readSmallText,
  replaceSmallFile,
} from "./checkpoint.ts";
import type { Disk } from "./disk.ts";

/** Name of the file in a partition's folder. */
export const RECOVERY_FLOOR = "recovery-floor";

/** The noted offset; undefined where there is no note, 0 where it cannot be read. */
export function readRecoveryFloor(disk: Disk, folder: string): Offset | undefined {
  const path = `${folder}/${RECOVERY_FLOOR}`;
  const text = readSmallText(disk, path);
  if (text === undefined) return undefined;
  try {
    return parseWhole(parseEntries(text, path, 1)[0]?.[0] ?? "", path);
  } catch (error) {
    if (error instanceof MalformedFileError) return 0;
    throw error;
  }
}

/** Notes the offset, durably. @throws {DiskError} */
export function writeRecoveryFloor(disk: Disk, folder: string, offset: Offset): void {
  replaceSmallFile(disk, `${folder}/${RECOVERY_FLOOR}`, `0\n1\n${offset}\n`, { sync: true });
}

/** Removes the note. It may come back after a crash: then more is scanned than need be. */
export function removeRecoveryFloor(disk: Disk, folder: string): void {
  disk.remove(`${folder}/${RECOVERY_FLOOR}`);
}
