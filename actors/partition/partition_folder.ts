/**
 * The folder of one partition: whose it is, and how it goes.
 *
 * Invariants: a folder says whose it is before a log is in it, and until none is in it any more;
 * one that is to go is renamed first, so that a crash of the process leaves nothing half removed
 * under the name of a partition; only the log of a topic that is known to have been deleted is
 * removed: any other is somebody's, and set aside.
 *
 * @module
 */

import type { Uuid } from "../../storage/bytes/ids.ts";
import { replaceSmallFile } from "../../storage/checkpoint.ts";
import type { Disk } from "../../storage/disk.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import { joinPath } from "../../storage/disk_path.ts";
import { LOG_SUFFIX } from "../../storage/log_files.ts";
import {
  PARTITION_METADATA,
  readPartitionMetadata,
  writePartitionMetadata,
} from "../../storage/meta_properties.ts";

/** In a folder whose log was lost, until the leader has given everything anew. */
export const REFETCH_MARK = "refetching";

const DELETED_FOLDER_SUFFIX = "-delete";
const STRAY_FOLDER_SUFFIX = "-stray";
/** Stands for the id of a topic where the folder does not say. */
const UNKNOWN = "unknown";
/** What a file system takes for a name, in bytes. */
const NAME_BYTES_MAX = 255;

/**
 * Makes the folder this topic's. Another topic's of the same name that was left behind goes, if
 * that topic was deleted, and otherwise, or if it does not say whose it is, is set aside: then its
 * new name is returned.
 *
 * @throws {DiskError} @throws {MalformedFileError}
 */
export function claimPartitionFolder(
  directory: LogDirectory,
  folder: string,
  topicId: Uuid,
  deletedTopics: ReadonlySet<Uuid>,
): string | undefined {
  const { disk } = directory;
  const found = readPartitionMetadata(disk, folder);
  if (found === topicId) return undefined;
  let aside: string | undefined;
  if (found !== undefined && deletedTopics.has(found)) removePartitionFolder(disk, folder, found);
  else if (found !== undefined || holdsLog(disk, folder)) {
    aside = setAsidePartitionFolder(disk, folder, found);
  }
  directory.beginAnew(folder);
  disk.makeDirectory(folder);
  writePartitionMetadata(disk, folder, topicId);
  return aside;
}

/**
 * Removes a partition's folder with everything in it; a missing one is fine. @throws {DiskError}
 */
export function removePartitionFolder(
  disk: Disk,
  folder: string,
  topicId: Uuid | undefined,
): void {
  if (disk.status(folder) === undefined) return;
  if (isBeingRemoved(folder)) return disk.remove(folder);
  const doomed = nameAfter(folder, `.${topicId ?? UNKNOWN}${DELETED_FOLDER_SUFFIX}`);
  disk.remove(doomed);
  disk.rename(folder, doomed);
  // A power cut may undo the renaming: what says whose it is goes last.
  for (const { name } of disk.list(doomed)) {
    if (name !== PARTITION_METADATA) disk.remove(joinPath(doomed, name));
  }
  disk.remove(doomed);
}

function holdsLog(disk: Disk, folder: string): boolean {
  return disk.status(folder) !== undefined &&
    disk.list(folder).some(({ name }) => name.endsWith(LOG_SUFFIX));
}

/**
 * Keeps a folder under another name, which is returned, for people to decide. @throws {DiskError}
 */
export function setAsidePartitionFolder(
  disk: Disk,
  folder: string,
  topicId: Uuid | undefined,
): string {
  for (let number = 0;; number++) {
    const mark = number === 0 ? "" : `.${number}`;
    const aside = nameAfter(folder, `.${topicId ?? UNKNOWN}${mark}${STRAY_FOLDER_SUFFIX}`);
    if (disk.status(aside) !== undefined) continue;
    disk.rename(folder, aside);
    return aside;
  }
}

/**
 * Sets a partition's log aside, for people to look at, and begins another that holds nothing and
 * says so. Returns where the old one is. @throws {DiskError}
 */
export function beginRefetch(directory: LogDirectory, folder: string, topicId: Uuid): string {
  const { disk } = directory;
  const aside = setAsidePartitionFolder(disk, folder, topicId);
  directory.beginAnew(folder);
  disk.makeDirectory(folder);
  // First the mark: an empty log without it would be taken for all that there was.
  replaceSmallFile(disk, joinPath(folder, REFETCH_MARK), "", { sync: true });
  writePartitionMetadata(disk, folder, topicId);
  return aside;
}

/** Whether the log lacks records that it once held. */
export function isRefetching(disk: Disk, folder: string): boolean {
  return disk.status(joinPath(folder, REFETCH_MARK)) !== undefined;
}

/** The log holds everything again. @throws {DiskError} */
export function endRefetch(disk: Disk, folder: string): void {
  disk.remove(joinPath(folder, REFETCH_MARK));
}

/** Whether the name is that of a folder that is being removed. */
export function isBeingRemoved(folder: string): boolean {
  return /-[0-9]+\.[A-Za-z0-9_-]+-delete$/.test(folder);
}

/** Whether the name is that of a folder that was set aside. */
export function isSetAside(folder: string): boolean {
  return folder.endsWith(STRAY_FOLDER_SUFFIX);
}

/** The name with something behind it; what is too long goes from the topic's part of it. */
function nameAfter(folder: string, suffix: string): string {
  const dash = folder.lastIndexOf("-");
  const partition = folder.slice(dash);
  const topicBytesMax = NAME_BYTES_MAX - partition.length - suffix.length;
  return folder.slice(0, Math.min(dash, topicBytesMax)) + partition + suffix;
}
