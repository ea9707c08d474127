/**
 * Folders of partitions that this broker is not to hold: what to do with them when it starts.
 *
 * Owns the rule: what the metadata say is deleted or elsewhere is removed; what they never knew is
 * set aside, as it may be the metadata that are wrong, as from an old backup.
 *
 * @module
 */

import type { NodeId, Uuid } from "../../../storage/bytes/ids.ts";
import { MalformedFileError, parsePartitionFolder } from "../../../storage/checkpoint.ts";
import { type Disk, DiskError } from "../../../storage/disk.ts";
import type { LogDirectory } from "../../../storage/log_directory.ts";
import { readPartitionMetadata } from "../../../storage/meta_properties.ts";
import type { ClusterImage, TopicImage } from "../../controller/cluster_image.ts";
import { METADATA_FOLDER } from "../../controller/metadata_log.ts";
import {
  isBeingRemoved,
  isSetAside,
  removePartitionFolder,
  setAsidePartitionFolder,
} from "../../partition/partition_folder.ts";
import type { Logger, LogLevel } from "../../runtime/environment.ts";

export interface StrayLogsOptions {
  readonly nodeId: NodeId;
  readonly directory: LogDirectory;
  readonly disk: Disk;
  readonly logger: Logger;
  /** Topics that were deleted, as the metadata tell: of no others may a log be removed. */
  readonly deletedTopics: ReadonlySet<Uuid>;
}

export class StrayLogs {
  readonly #options: StrayLogsOptions;

  constructor(options: StrayLogsOptions) {
    this.#options = options;
  }

  /**
   * Removes the logs of deleted topics and of replicas that were moved away: that was committed,
   * but the node stopped before it was done. What was not removed whole has no metadata any more,
   * but the name of a folder that is being removed. A partition that is held sees to its folder
   * itself when it opens.
   */
  remove(image: ClusterImage, isHeld: (folder: string) => boolean): void {
    const { disk, deletedTopics } = this.#options;
    for (const { name, isDirectory } of disk.list("")) {
      if (!isDirectory || name === METADATA_FOLDER || isHeld(name)) continue;
      const topicId = this.#topicOf(name);
      if (isBeingRemoved(name) || (topicId === undefined && this.#isEmptied(name))) {
        this.removeFolder(name, topicId);
        continue;
      }
      if (topicId === undefined) continue;
      const topic = image.topicById(topicId);
      if (topic !== undefined) {
        if (this.#isMovedAway(name, topic)) this.removeFolder(name, topicId);
      } else if (deletedTopics.has(topicId)) {
        this.removeFolder(name, topicId);
      } else if (!isSetAside(name)) {
        this.#setAside(name, topicId);
      }
    }
  }

  /** What cannot be removed is tried again at the next start. */
  removeFolder(folder: string, topicId: Uuid | undefined): void {
    try {
      removePartitionFolder(this.#options.disk, folder, topicId);
      this.#options.directory.forget(folder);
      this.#log("info", "removed the log of a deleted topic", folder, undefined);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#log("warn", "log of a deleted topic not removed", folder, error.message);
    }
  }

  /** Whether the metadata say that the partition has replicas, on other brokers. */
  #isMovedAway(folder: string, topic: TopicImage): boolean {
    const partition = parsePartitionFolder(folder)?.partition;
    const replicas = partition === undefined ? undefined : topic.partitions[partition]?.replicas;
    return replicas !== undefined && !replicas.includes(this.#options.nodeId);
  }

  /** Whether all that is left of a partition's folder is its name. */
  #isEmptied(folder: string): boolean {
    const { disk } = this.#options;
    return parsePartitionFolder(folder) !== undefined && disk.list(folder).length === 0;
  }

  #setAside(folder: string, topicId: Uuid): void {
    try {
      const aside = setAsidePartitionFolder(this.#options.disk, folder, topicId);
      this.#options.directory.forget(folder);
      this.#log("warn", "set aside the log of an unknown topic", folder, `it is in ${aside}`);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#log("warn", "log of an unknown topic not set aside", folder, error.message);
    }
  }

  #topicOf(folder: string): Uuid | undefined {
    try {
      return readPartitionMetadata(this.#options.disk, folder);
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof MalformedFileError)) throw error;
      this.#log("warn", "folder not understood", folder, error.message);
      return undefined;
    }
  }

  #log(level: LogLevel, event: string, partition: string, reason: string | undefined): void {
    this.#options.logger.log(level, event, { partition, reason });
  }
}
