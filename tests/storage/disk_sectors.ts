/**
 * Files of disks in memory, written and read as one letter for each sector.
 *
 * @module
 */

import type { File } from "../../storage/disk.ts";
import type { MemoryDisk } from "../../storage/memory_disk.ts";
import { contentOf } from "../conformance/disk_subject.ts";

export const SECTOR = 512;

/** A file whose name and `content` are durable. */
export function durableFile(disk: MemoryDisk, path: string, content: string | Uint8Array): File {
  const file = disk.open(path, { create: true });
  file.write(typeof content === "string" ? letters(content) : content, 0);
  file.sync();
  disk.syncDirectory(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  return file;
}

/** Each letter filling a sector. */
export function letters(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * SECTOR);
  for (let index = 0; index < text.length; index++) {
    bytes.fill(text.charCodeAt(index), index * SECTOR, (index + 1) * SECTOR);
  }
  return bytes;
}

/** The file as the letters of its sectors, `.` for zeros, `?` for a mixed one; `-` for no file. */
export function sectorsOf(disk: MemoryDisk, path: string): string {
  if (disk.status(path) === undefined) return "-";
  const bytes = contentOf(disk, path);
  let text = "";
  for (let start = 0; start < bytes.length; start += SECTOR) {
    const sector = bytes.subarray(start, start + SECTOR);
    const same = sector.every((byte) => byte === sector[0]);
    text += !same ? "?" : sector[0] === 0 ? "." : String.fromCharCode(sector[0]!);
  }
  return text;
}
