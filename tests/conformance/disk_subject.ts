/**
 * A disk under test, and what tests of disks share.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Disk, DiskError, type DiskErrorKind } from "../../storage/disk.ts";

/** A disk under test. */
export interface DiskSubject {
  readonly disk: Disk;
  /** Lets operations off the loop complete, where they do not do so by themselves. */
  complete(): void;
  discard(): void;
}

export interface DiskMaker {
  readonly name: string;
  /** Makes an empty disk. */
  make(): DiskSubject;
  /** Makes an empty disk with room for about that many bytes. */
  makeSmall?(bytes: number): DiskSubject;
  /** Why the tests that need a small disk cannot run here. */
  readonly skipSmall?: string | undefined;
}

/** Registers one rule of the suite. */
export type Rule = (name: string, run: (subject: DiskSubject) => void | Promise<void>) => void;

/** Bytes that differ from each other and from those of another seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + seed * 31) % 251 + 1;
  return bytes;
}

/** All bytes of a file. */
export function contentOf(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path);
  const bytes = new Uint8Array(file.size());
  assertEquals(file.read(bytes, 0), bytes.length);
  return bytes;
}

/** Asserts that `run` throws a DiskError of that kind whose message begins so. */
export function assertDiskError(kind: DiskErrorKind, message: string, run: () => unknown): void {
  const error = assertThrows(run, DiskError);
  assertEquals(error.kind, kind);
  assert(error.message.startsWith(message), `"${error.message}" does not begin "${message}"`);
}
