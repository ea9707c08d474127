/**
 * What may go wrong with a disk in memory, who decides it, and when its slow operations complete.
 * A `MemoryDisk` draws nothing and waits for nothing of its own: it is told.
 *
 * @module
 */

/** A source of chance; a `RandomStream` of the environment is one. */
export interface DiskChance {
  /** A whole number from 0 up to, not including, `below` (at most 2^32). */
  integer(below: number): number;
}

export type DiskAction =
  | "open"
  | "create"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "list"
  | "make-folder"
  | "rename"
  | "remove"
  | "sync-folder"
  | "lock";

/** An operation that is about to be done. */
export interface DiskOperation {
  readonly action: DiskAction;
  readonly path: string;
  /** Where it reads or writes, or the length it truncates to; else 0. */
  readonly position: number;
  /** How many bytes it reads or writes; else 0. */
  readonly length: number;
}

/** What befalls an operation. */
export type DiskFault =
  | {
    /**
     * It fails with this error of the system. Of a write, the first `written` bytes (default 0)
     * still reach the file before it is cut back, and `cutFails` makes the cutting fail, too. Of a
     * sync, what was unsynced may never become durable although later syncs succeed (fsyncgate).
     */
    readonly kind: "fail";
    readonly code: "EIO" | "ENOSPC" | "EROFS" | "EMFILE";
    readonly written?: number;
    readonly cutFails?: boolean;
  }
  /** A write succeeds, but its bytes land at `position` of the same file instead. */
  | { readonly kind: "misdirect"; readonly position: number }
  /**
   * The bit of that number, counted from the operation's position, is the other way round on the
   * medium: after a write, or before a read. Reading again does not heal it.
   */
  | { readonly kind: "flip"; readonly bit: number }
  /** A sync is said to be done, and made nothing durable. */
  | { readonly kind: "lie" };

export interface DiskFaults {
  /** Asked once for each operation, in order, when it takes effect. */
  befall(operation: DiskOperation): DiskFault | undefined;
}

/** Completes slow operations: calls `run` once, after the call that gave it has returned. */
export type DiskScheduler = (operation: DiskOperation, run: () => void) => void;

/** What a power cut may do to what was not synced. */
export interface CrashModel {
  /** How many of 1024 unsynced sectors that reached the medium are torn; default 100. */
  readonly tornOf1024?: number;
  /** What stands in sectors within a file's length that never reached the medium; default noise. */
  readonly unwritten?: "zeros" | "noise";
  /**
   * Whether the changes of names in one folder become durable in their order (ext4), or each on its
   * own; either way a rename is whole. Default in order.
   */
  readonly names?: "in-order" | "any-order";
}
