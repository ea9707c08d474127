/**
 * What the operating system's error codes mean to a disk: a kind that code can act on, and plain
 * words for people.
 *
 * @module
 */

import { DiskError, type DiskErrorKind } from "./disk.ts";

const ERRORS: Readonly<Record<string, readonly [DiskErrorKind, string]>> = {
  ENOENT: ["not-found", "no such file or folder"],
  ENOTDIR: ["not-found", "a part of the path is not a folder"],
  EEXIST: ["exists", "it exists already"],
  ENOTEMPTY: ["exists", "the folder is not empty"],
  EISDIR: ["io", "it is a folder"],
  ENOSPC: ["no-space", "no space left on device"],
  EDQUOT: ["no-space", "disk quota exceeded"],
  EROFS: ["read-only", "the file system is read-only"],
  EACCES: ["read-only", "permission denied"],
  EPERM: ["read-only", "operation not permitted"],
  EMFILE: ["too-many-open-files", "too many open files in this process"],
  ENFILE: ["too-many-open-files", "too many open files in the system"],
  EIO: ["io", "input/output error"],
  EFBIG: ["io", "file too large"],
};

/** The code that the system gave an error, or the empty text. */
export function codeOf(cause: unknown): string {
  return (cause as { readonly code?: string } | null)?.code ?? "";
}

/** Whether the error says that nothing stands at the path. */
export function isMissing(cause: unknown): boolean {
  const code = codeOf(cause);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The error of a failed action: `Cannot <action>: <reason>`. */
export function diskError(action: string, cause: unknown): DiskError {
  const known = ERRORS[codeOf(cause)];
  const reason = known?.[1] ?? (cause instanceof Error ? cause.message : String(cause));
  return new DiskError(known?.[0] ?? "io", `Cannot ${action}: ${reason}`, { cause });
}

/** An error of that code that no system gave: of a disk in memory. */
export function madeError(action: string, code: string): DiskError {
  const [kind, reason] = ERRORS[code]!;
  return new DiskError(kind, `Cannot ${action}: ${reason}`);
}
