/**
 * A file of the operating system, used by explicit positions. Owns the file's length and its place
 * in the budget of descriptors; names, folders and the budget itself are the disk's.
 *
 * @module
 */

import fs from "node:fs";
import { type DescriptorBudget, DescriptorSlot } from "./disk_descriptors.ts";
import { DiskError, type File } from "./disk.ts";
import { codeOf, diskError } from "./disk_errors.ts";

const { O_RDONLY, O_RDWR } = fs.constants;

/** What a file asks of its disk. */
export interface FileOwner {
  readonly budget: DescriptorBudget;
  absolute(path: string): string;
  /** Opens a descriptor, making room where the system has none left. */
  openDescriptor(path: string, flags: number): number;
  /** Runs `start` now, or as soon as the slot may be pinned. */
  whenPinnable(slot: DescriptorSlot, start: () => void): void;
  unpin(slot: DescriptorSlot): void;
}

/** A file of a `DenoDisk`; see there. */
export class DenoFile implements File {
  readonly #owner: FileOwner;
  readonly #slot = new DescriptorSlot();
  #path: string;
  #size: number;
  #gone = false;

  constructor(owner: FileOwner, path: string, size: number) {
    this.#owner = owner;
    this.#path = path;
    this.#size = size;
  }

  get path(): string {
    return this.#path;
  }

  /** Whether an operation off the loop is under way. */
  get isInUse(): boolean {
    return this.#slot.pins > 0;
  }

  size(): number {
    if (this.#gone) throw this.#missing("measure");
    return this.#size;
  }

  read(target: Uint8Array, position: number): number {
    checkPosition(position);
    const descriptor = this.#descriptor("read");
    const length = target.length;
    let done = 0;
    try {
      while (done < length) {
        const read = fs.readSync(descriptor, target, done, length - done, position + done);
        if (read === 0) break;
        done += read;
        if (position + done >= this.#size) break;
      }
    } catch (cause) {
      throw diskError(`read ${this.#path} at ${position}`, cause);
    }
    return done;
  }

  readLater(
    target: Uint8Array,
    position: number,
    done: (result: number | DiskError) => void,
  ): void {
    checkPosition(position);
    this.#later(`read ${this.#path} at ${position}`, (descriptor, settle) => {
      let count = 0;
      const next = (cause: unknown, read: number) => {
        if (cause) return settle(cause);
        count += read;
        if (read === 0 || count === target.length) return settle(null);
        fs.read(descriptor, target, count, target.length - count, position + count, next);
      };
      fs.read(descriptor, target, 0, target.length, position, next);
      return () => done(count);
    }, done);
  }

  write(source: Uint8Array, position: number): void {
    checkPosition(position);
    const descriptor = this.#descriptor("write");
    const length = source.length;
    let done = 0;
    try {
      while (done < length) {
        const wrote = fs.writeSync(descriptor, source, done, length - done, position + done);
        if (wrote === 0) throw new Error("The system wrote nothing");
        done += wrote;
      }
    } catch (cause) {
      throw this.#cutBack(descriptor, position, length, cause);
    }
    if (position + length > this.#size && length > 0) this.#size = position + length;
  }

  truncate(size: number): void {
    checkPosition(size);
    const descriptor = this.#descriptor("truncate");
    try {
      fs.ftruncateSync(descriptor, size);
    } catch (cause) {
      throw this.#writeError(`truncate ${this.#path} to ${size}`, cause);
    }
    this.#size = size;
  }

  sync(): void {
    const descriptor = this.#descriptor("sync");
    try {
      fs.fdatasyncSync(descriptor);
    } catch (cause) {
      throw diskError(`sync ${this.#path}`, cause);
    }
  }

  syncLater(done: (failure: DiskError | undefined) => void): void {
    this.#later(`sync ${this.#path}`, (descriptor, settle) => {
      fs.fdatasync(descriptor, settle);
      return () => done(undefined);
    }, done);
  }

  close(): void {
    this.#owner.budget.release(this.#slot);
  }

  /** The disk found another length when the file was opened again. */
  measured(size: number): void {
    if (this.#slot.pins === 0) this.#size = size;
  }

  /** The file was just created, with this descriptor. */
  created(descriptor: number): void {
    this.#owner.budget.admit(this.#slot, descriptor);
  }

  moved(path: string): void {
    this.#path = path;
  }

  /** The file was removed or replaced: whoever still holds it is told so. */
  vanished(): void {
    this.#gone = true;
    this.close();
  }

  #descriptor(action: string): number {
    const slot = this.#slot;
    if (this.#gone) throw this.#missing(action);
    if (slot.descriptor >= 0) {
      this.#owner.budget.touch(slot);
      return slot.descriptor;
    }
    let opened: number;
    try {
      opened = this.#owner.openDescriptor(this.#path, O_RDWR);
    } catch (cause) {
      const code = codeOf(cause);
      if (code !== "EROFS" && code !== "EACCES") throw diskError(`open ${this.#path}`, cause);
      opened = this.#openReadOnly();
    }
    this.#owner.budget.admit(slot, opened);
    return opened;
  }

  #openReadOnly(): number {
    try {
      return this.#owner.openDescriptor(this.#path, O_RDONLY);
    } catch (cause) {
      throw diskError(`open ${this.#path}`, cause);
    }
  }

  #missing(action: string): DiskError {
    return new DiskError(
      "not-found",
      `Cannot ${action} ${this.#path}: it was removed or replaced`,
    );
  }

  /** A descriptor that could be opened for reading only refuses writes with these two codes. */
  #writeError(action: string, cause: unknown): DiskError {
    const code = codeOf(cause);
    if (code !== "EBADF" && code !== "EINVAL") return diskError(action, cause);
    return new DiskError("read-only", `Cannot ${action}: it is open for reading only`, { cause });
  }

  /** Cuts what a failed write may have added, before anything else sees it. */
  #cutBack(descriptor: number, position: number, length: number, cause: unknown): DiskError {
    const failure = this.#writeError(`write ${this.#path} at ${position}`, cause);
    if (position + length <= this.#size || failure.kind === "read-only") return failure;
    try {
      fs.ftruncateSync(descriptor, this.#size);
    } catch (cutting) {
      return new DiskError(
        "io",
        `${failure.message}, and cannot cut it back to ${this.#size}: ${
          diskError("truncate", cutting).message
        }`,
        { cause },
      );
    }
    return failure;
  }

  /**
   * Runs an operation off the loop with the descriptor pinned. `start` gets the descriptor and what
   * to call at the end, and returns what to tell then; `fail` is told instead when it failed.
   */
  #later(
    action: string,
    start: (descriptor: number, settle: (cause: unknown) => void) => () => void,
    fail: (failure: DiskError) => void,
  ): void {
    const slot = this.#slot;
    this.#owner.whenPinnable(slot, () => {
      let descriptor: number;
      try {
        descriptor = this.#descriptor(action.slice(0, action.indexOf(" ")));
      } catch (failure) {
        queueMicrotask(() => fail(failure as DiskError));
        return;
      }
      this.#owner.budget.pin(slot);
      const succeed = start(descriptor, (cause) => {
        this.#owner.unpin(slot);
        if (cause) fail(diskError(action, cause));
        else succeed();
      });
    });
  }
}

function checkPosition(position: number): void {
  if (!(position >= 0)) throw new RangeError(`Cannot use position ${position} of a file`);
}
