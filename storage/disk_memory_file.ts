/**
 * A file of a disk in memory: turns what it is asked, and the faults that befall it, into
 * operations on its contents.
 *
 * @module
 */

import { DiskError, type File } from "./disk.ts";
import { madeError } from "./disk_errors.ts";
import type {
  DiskAction,
  DiskChance,
  DiskFault,
  DiskFaults,
  DiskScheduler,
} from "./disk_faults.ts";
import { type MemoryFileNode, pathOf } from "./disk_names.ts";

/** What the files of a disk share with it. */
export interface MemoryDiskState {
  incarnation: number;
  capacityBytes: number;
  readOnly: boolean;
  usedBytes: number;
  readonly faults: DiskFaults | undefined;
  readonly chance: DiskChance | undefined;
  readonly complete: DiskScheduler;
  /** Files that a power cut could change, in the order they became so. */
  readonly unsynced: Set<MemoryFileNode>;
}

/** A file of a `MemoryDisk`; see there. */
export class MemoryFile implements File {
  readonly #disk: MemoryDiskState;
  readonly #node: MemoryFileNode;
  readonly #incarnation: number;
  #lastPath: string;

  constructor(disk: MemoryDiskState, node: MemoryFileNode) {
    this.#disk = disk;
    this.#node = node;
    this.#incarnation = disk.incarnation;
    this.#lastPath = pathOf(node);
  }

  get path(): string {
    if (this.#node.parent !== undefined) this.#lastPath = pathOf(this.#node);
    return this.#lastPath;
  }

  size(): number {
    this.#checkAlive("measure");
    return this.#node.contents.size;
  }

  read(target: Uint8Array, position: number): number {
    checkPosition(position);
    this.#checkAlive("read");
    return this.#read(target, position);
  }

  readLater(
    target: Uint8Array,
    position: number,
    done: (result: number | DiskError) => void,
  ): void {
    checkPosition(position);
    this.#later("read", position, target.length, () => this.#read(target, position), done);
  }

  write(source: Uint8Array, position: number): void {
    checkPosition(position);
    this.#checkAlive("write");
    const { contents } = this.#node;
    const size = contents.size;
    const fault = this.#befall("write", position, source.length);
    if (this.#disk.readOnly) throw this.#failure("write", position, "EROFS");
    if (fault?.kind === "fail") return this.#failWrite(source, position, fault);
    const room = this.#disk.capacityBytes - this.#disk.usedBytes;
    if (position + source.length - size > room) {
      const written = Math.max(0, Math.min(source.length, size + room - position));
      return this.#failWrite(source, position, { code: "ENOSPC", written });
    }
    if (fault?.kind === "misdirect") this.#misdirect(source, position, fault.position);
    else contents.write(source, position);
    if (fault?.kind === "flip") contents.flip(position * 8 + fault.bit);
    this.#changed(size);
  }

  truncate(size: number): void {
    checkPosition(size);
    this.#checkAlive("truncate");
    const was = this.#node.contents.size;
    const fault = this.#befall("truncate", size, 0);
    if (fault?.kind === "fail") throw this.#failure("truncate", size, fault.code);
    if (this.#disk.readOnly) throw this.#failure("truncate", size, "EROFS");
    if (size - was > this.#disk.capacityBytes - this.#disk.usedBytes) {
      throw this.#failure("truncate", size, "ENOSPC");
    }
    this.#node.contents.truncate(size);
    this.#changed(was);
  }

  sync(): void {
    this.#checkAlive("sync");
    this.#sync(this.#node.contents.mark());
  }

  syncLater(done: (failure: DiskError | undefined) => void): void {
    const mark = this.#node.contents.mark();
    this.#later("sync", 0, 0, () => void this.#sync(mark), done);
  }

  close(): void {}

  #read(target: Uint8Array, position: number): number {
    const { contents } = this.#node;
    const fault = this.#befall("read", position, target.length);
    if (fault?.kind === "fail") throw this.#failure("read", position, fault.code);
    if (fault?.kind === "flip") contents.flip(position * 8 + fault.bit);
    return contents.read(target, position);
  }

  #sync(mark: number): void {
    const { contents } = this.#node;
    const fault = this.#befall("sync", 0, 0);
    if (fault?.kind === "fail") {
      contents.failSync(this.#disk.chance);
      throw this.#failure("sync", undefined, fault.code);
    }
    if (fault?.kind === "lie") return;
    contents.settle(mark);
    if (!contents.unsynced) this.#disk.unsynced.delete(this.#node);
  }

  /** Runs an operation when it is completed; nobody is told of one that a crash overtook. */
  #later<Result>(
    action: DiskAction,
    position: number,
    length: number,
    run: () => Result,
    done: (result: Result | DiskError) => void,
  ): void {
    const disk = this.#disk;
    let refusal: DiskError | undefined;
    try {
      this.#checkAlive(action);
    } catch (error) {
      refusal = error as DiskError;
    }
    const { incarnation } = disk;
    disk.complete({ action, path: this.path, position, length }, () => {
      if (disk.incarnation !== incarnation) return;
      let result: Result | DiskError;
      try {
        if (refusal !== undefined) throw refusal;
        result = run();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        result = error;
      }
      done(result);
    });
  }

  #befall(action: DiskAction, position: number, length: number): DiskFault | undefined {
    const { faults } = this.#disk;
    if (faults === undefined) return undefined;
    return faults.befall({ action, path: this.path, position, length });
  }

  /** Part of a write reaches the file, which is then cut back to the length it had. */
  #failWrite(
    source: Uint8Array,
    position: number,
    fault: { readonly code: string; readonly written?: number; readonly cutFails?: boolean },
  ): never {
    const { contents } = this.#node;
    const size = contents.size;
    contents.write(source.subarray(0, fault.written ?? 0), position);
    const failure = this.#failure("write", position, fault.code);
    if (contents.size > size && fault.cutFails) {
      this.#changed(size);
      throw new DiskError("io", `${failure.message}, and cannot cut it back to ${size}`);
    }
    if (contents.size > size) contents.truncate(size);
    this.#changed(size);
    throw failure;
  }

  /** The length grows as if the write had landed where it should. */
  #misdirect(source: Uint8Array, position: number, landing: number): void {
    const { contents } = this.#node;
    const end = position + source.length;
    if (end > contents.size) contents.truncate(end);
    const room = Math.max(0, contents.size - landing);
    contents.write(source.subarray(0, room), Math.max(0, landing));
  }

  #changed(sizeBefore: number): void {
    const { contents } = this.#node;
    this.#disk.usedBytes += contents.size - sizeBefore;
    if (contents.unsynced) this.#disk.unsynced.add(this.#node);
  }

  #checkAlive(action: string): void {
    if (this.#incarnation !== this.#disk.incarnation) {
      throw new DiskError(
        "io",
        `Cannot ${action} ${this.#lastPath}: the process that opened it died`,
      );
    }
    if (this.#node.parent === undefined) {
      throw new DiskError(
        "not-found",
        `Cannot ${action} ${this.#lastPath}: it was removed or replaced`,
      );
    }
  }

  #failure(action: string, position: number | undefined, code: string): DiskError {
    const where = position === undefined
      ? ""
      : action === "truncate"
      ? ` to ${position}`
      : ` at ${position}`;
    return madeError(`${action} ${this.path}${where}`, code);
  }
}

function checkPosition(position: number): void {
  if (!(position >= 0)) throw new RangeError(`Cannot use position ${position} of a file`);
}
