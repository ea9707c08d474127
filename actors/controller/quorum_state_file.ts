/**
 * The file `quorum-state` in the metadata log's folder: the JSON text that Kafka keeps there.
 *
 * @module
 */

import { NONE, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { MalformedFileError, readSmallText, replaceSmallFile } from "../../storage/checkpoint.ts";
import type { Disk } from "../../storage/disk.ts";
import { folderOf } from "../../storage/disk_path.ts";
import { METADATA_FOLDER } from "./metadata_topic.ts";
import type { PersistedQuorumState } from "./quorum_state.ts";

const PATH = `${METADATA_FOLDER}/quorum-state`;

const DATA_VERSION = 1;

/**
 * What was written last, or undefined at the first start.
 * @throws {MalformedFileError} when the file is damaged or of a newer version
 */
export function readQuorumState(disk: Disk): PersistedQuorumState | undefined {
  const text = readSmallText(disk, PATH);
  if (text === undefined) return undefined;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MalformedFileError(`Cannot read ${PATH}: it is no JSON`, { cause });
  }
  if (value["data_version"] !== DATA_VERSION) {
    throw new MalformedFileError(
      `Cannot read ${PATH}: version ${value["data_version"]} is not ${DATA_VERSION}`,
    );
  }
  const { leaderId, leaderEpoch, votedId, votedDirectoryId } = value;
  if (
    !isWhole(leaderId) || !isWhole(leaderEpoch) || !isWhole(votedId) ||
    typeof votedDirectoryId !== "string"
  ) {
    throw new MalformedFileError(`Cannot read ${PATH}: a field is missing or no number`);
  }
  return { leaderId, leaderEpoch, votedId, votedDirectoryId: votedDirectoryId || ZERO_UUID };
}

/** Durable when it returns, unless `durable` is false. @throws {DiskError} */
export function writeQuorumState(disk: Disk, state: PersistedQuorumState, durable = true): void {
  const text = JSON.stringify({ ...state, data_version: DATA_VERSION });
  const isFirst = disk.status(PATH) === undefined;
  replaceSmallFile(disk, PATH, text, { sync: durable });
  // A vote may be given before the folder itself has got a durable name.
  if (isFirst && durable) disk.syncDirectory(folderOf(METADATA_FOLDER));
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= NONE;
}
