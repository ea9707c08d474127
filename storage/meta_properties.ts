/**
 * Who a data folder belongs to (`meta.properties`) and which topic a partition's folder holds
 * (`partition.metadata`): Kafka's two identity files.
 *
 * Owns their text forms and the refusal of a format newer than this code knows. It does not own
 * the ids, nor the lock of the folder.
 *
 * @module
 */

import type { NodeId, Uuid } from "./bytes/ids.ts";
import { MalformedFileError, readSmallText, replaceSmallFile } from "./checkpoint.ts";
import type { Disk } from "./disk.ts";
import { joinPath } from "./disk_path.ts";

/** Name of the file in a data folder. */
export const META_PROPERTIES = "meta.properties";
/** Name of the file in a partition's folder. */
export const PARTITION_METADATA = "partition.metadata";

const META_VERSION = 1;
const PARTITION_VERSION = 0;
const UUID = /^[A-Za-z0-9_-]{22}$/;

/** The identity of a data folder. */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Unlike the path, it stays when the folder moves and changes when it is wiped (KIP-858). */
  readonly directoryId: Uuid;
}

/**
 * Reads the identity of the data folder at `folder`; undefined when it was never formatted.
 *
 * @throws {MalformedFileError} when the file is damaged, or written by a newer version
 */
export function readMetaProperties(disk: Disk, folder: string): MetaProperties | undefined {
  const path = joinPath(folder, META_PROPERTIES);
  const text = readSmallText(disk, path);
  return text === undefined ? undefined : parseMetaProperties(text, path);
}

/** Writes the identity of the data folder at `folder`, durably. */
export function writeMetaProperties(disk: Disk, folder: string, value: MetaProperties): void {
  replaceSmallFile(disk, joinPath(folder, META_PROPERTIES), formatMetaProperties(value), {
    sync: true,
  });
}

/** @throws {MalformedFileError} naming `path` and what is wrong */
export function parseMetaProperties(text: string, path: string): MetaProperties {
  const properties = parseProperties(text, "=");
  checkVersion(properties.get("version"), META_VERSION, path);
  const nodeId = Number(properties.get("node.id") ?? "");
  const clusterId = properties.get("cluster.id") ?? "";
  const directoryId = properties.get("directory.id") ?? "";
  if (!/^[0-9]+$/.test(properties.get("node.id") ?? "") || nodeId > 0x7fffffff) {
    throw new MalformedFileError(`Cannot read ${path}: node.id is missing or no int32`);
  }
  if (clusterId === "") throw new MalformedFileError(`Cannot read ${path}: cluster.id is missing`);
  if (!UUID.test(directoryId)) {
    throw new MalformedFileError(`Cannot read ${path}: directory.id is missing or no id`);
  }
  return { clusterId, nodeId, directoryId };
}

/** The text of `meta.properties`. */
export function formatMetaProperties(value: MetaProperties): string {
  return `version=${META_VERSION}\ncluster.id=${value.clusterId}\n` +
    `node.id=${value.nodeId}\ndirectory.id=${value.directoryId}\n`;
}

/**
 * Reads the topic id of the partition's folder at `folder`; undefined when it has none.
 *
 * @throws {MalformedFileError} when the file is damaged, or written by a newer version
 */
export function readPartitionMetadata(disk: Disk, folder: string): Uuid | undefined {
  const path = joinPath(folder, PARTITION_METADATA);
  const text = readSmallText(disk, path);
  return text === undefined ? undefined : parsePartitionMetadata(text, path);
}

/** Writes the topic id into the partition's folder, durably. */
export function writePartitionMetadata(disk: Disk, folder: string, topicId: Uuid): void {
  replaceSmallFile(disk, joinPath(folder, PARTITION_METADATA), formatPartitionMetadata(topicId), {
    sync: true,
  });
}

/** @throws {MalformedFileError} naming `path` and what is wrong */
export function parsePartitionMetadata(text: string, path: string): Uuid {
  const properties = parseProperties(text, ":");
  checkVersion(properties.get("version"), PARTITION_VERSION, path);
  const topicId = properties.get("topic_id") ?? "";
  if (!UUID.test(topicId)) {
    throw new MalformedFileError(`Cannot read ${path}: topic_id is missing or no id`);
  }
  return topicId;
}

/** The text of `partition.metadata`. */
export function formatPartitionMetadata(topicId: Uuid): string {
  return `version: ${PARTITION_VERSION}\ntopic_id: ${topicId}\n`;
}

function checkVersion(text: string | undefined, known: number, path: string): void {
  const version = Number(text ?? "");
  if (text === undefined || !/^[0-9]+$/.test(text)) {
    throw new MalformedFileError(`Cannot read ${path}: version is missing or no number`);
  }
  if (version > known) {
    throw new MalformedFileError(
      `Cannot read ${path}: version ${version} is newer than ${known}, the newest known`,
    );
  }
}

function parseProperties(text: string, separator: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of text.split("\n")) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const at = trimmed.indexOf(separator);
    if (at > 0) properties.set(trimmed.slice(0, at).trim(), trimmed.slice(at + 1).trim());
  }
  return properties;
}
