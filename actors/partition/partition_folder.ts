/**
 * The folder of one partition: whose it is, and how it goes.
 *
 * Invariants: a folder says whose it is, durably, before a log is in it; one that is to go is
 * renamed, durably, before anything in it goes, so that no crash leaves the remains of one topic
 * under the name of a partition of another.
 *
 * @module
 */

import type { Uuid } from "../../storage/bytes/ids.ts";
import type { Disk } from "../../storage/disk.ts";
import { folderOf } from "../../storage/disk_path.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import { readPartitionMetadata, writePartitionMetadata } from "../../storage/meta_properties.ts";

/** What the name of a folder ends with that is being removed. */
export const DELETED_FOLDER_SUFFIX = "-delete";

/**
 * Makes the folder this topic's: another topic's of the same name, if it was left behind, goes.
 *
 * @throws {DiskError} @throws {MalformedFileError}
 */
export function claimPartitionFolder(directory: LogDirectory, folder: string, topicId: Uuid): void {
  const { disk } = directory;
  const found = readPartitionMetadata(disk, folder);
  if (found === topicId) return;
  if (found !== undefined) {
    removePartitionFolder(disk, folder, found);
    directory.forget(folder);
  }
  disk.makeDirectory(folder);
  writePartitionMetadata(disk, folder, topicId);
}

/** Removes a partition's folder with everything in it; a missing one is fine. @throws {DiskError} */
export function removePartitionFolder(
  disk: Disk,
  folder: string,
  topicId: Uuid | undefined,
): void {
  if (disk.status(folder) === undefined) return;
  if (folder.endsWith(DELETED_FOLDER_SUFFIX)) return disk.remove(folder);
  const doomed = `${folder}.${topicId ?? "unknown"}${DELETED_FOLDER_SUFFIX}`;
  disk.remove(doomed);
  disk.rename(folder, doomed);
  disk.syncDirectory(folderOf(folder));
  disk.remove(doomed);
}
