/**
 * The disk of a simulated node: a `MemoryDisk`, how long it takes, and what is wrong with it now.
 *
 * Owns the state that faults change. What is on it outlives crashes; `guardedDisk` is how one
 * incarnation of the node sees it, and only that incarnation.
 *
 * @module
 */

import { type Disk, DiskError } from "../../storage/disk.ts";
import type { CrashModel, DiskFault, DiskOperation } from "../../storage/disk_faults.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import type { RandomStream } from "../runtime/environment.ts";
import { exponential, pick } from "./random.ts";
import type { WorldOptions } from "./world_options.ts";

export interface SimulatedDiskHost {
  readonly world: WorldOptions;
  readonly chance: RandomStream;
  /** Whether it is whoever looks on that reads, which is spared what is wrong. */
  isLookedAt(): boolean;
  schedule(delayUs: number, what: string, run: () => void): void;
}

export class SimulatedDisk {
  readonly contents: MemoryDisk;
  /** False has it lie: a sync of a log is said to be done and makes nothing durable. */
  syncs = true;
  /** A sync has failed: what it covered may be gone, whatever later syncs say. */
  hasFailedSync = false;
  readonly #host: SimulatedDiskHost;
  #failingSyncs = 0;
  #failingWrites = 0;
  #failingReads = 0;
  #extraSyncMs = 0;

  constructor(host: SimulatedDiskHost) {
    this.#host = host;
    this.contents = new MemoryDisk({
      faults: { befall: (operation) => this.#befall(operation) },
      chance: host.chance,
      complete: (operation, run) => this.#complete(operation, run),
    });
  }

  /** Makes the next syncs fail; what they covered may be lost although later ones succeed. */
  failSyncs(count: number): void {
    this.#failingSyncs += count;
  }

  /** Makes the next writes fail, with some of their bytes written and cut back. */
  failWrites(count: number): void {
    this.#failingWrites += count;
  }

  /** Makes the next reads of its node fail. */
  failReads(count: number): void {
    this.#failingReads += count;
  }

  /** Adds to what each sync takes; a negative number takes away. */
  slowSyncs(byMs: number): void {
    this.#extraSyncMs = Math.max(0, this.#extraSyncMs + byMs);
  }

  /** Leaves room for this many bytes more. */
  fill(roomBytes: number): void {
    this.contents.capacityBytes = this.contents.usedBytes + roomBytes;
  }

  /** Turns a drawn bit of a drawn file round; returns which, or undefined on an empty disk. */
  flipSomeBit(): { readonly path: string; readonly bit: number } | undefined {
    const files = [...this.contents.image()].filter(([, bytes]) => bytes.length > 0);
    if (files.length === 0) return undefined;
    const [path, bytes] = pick(this.#host.chance, files);
    const bit = this.#host.chance.integer(bytes.length) * 8 + this.#host.chance.integer(8);
    this.contents.flipBit(path, bit);
    return { path, bit };
  }

  /** Ends what faults began; damage that was done stays. */
  heal(): void {
    this.#failingSyncs = 0;
    this.#failingWrites = 0;
    this.#failingReads = 0;
    this.#extraSyncMs = 0;
    this.contents.capacityBytes = Infinity;
    this.contents.readOnly = false;
  }

  /** Takes everything off it, durably, as if it were another. */
  wipe(): void {
    this.contents.killProcess();
    this.heal();
    this.hasFailedSync = false;
    for (const { name } of this.contents.list("")) this.contents.remove(name);
    this.contents.syncDirectory("");
    this.contents.killProcess();
  }

  killProcess(): void {
    this.contents.killProcess();
  }

  cutPower(model: CrashModel): void {
    this.contents.crash(this.#host.chance, model);
  }

  #befall(operation: DiskOperation): DiskFault | undefined {
    switch (operation.action) {
      case "sync":
      case "sync-folder":
        if (!this.syncs && operation.path.endsWith(".log")) return { kind: "lie" };
        if (this.#failingSyncs === 0) return undefined;
        this.#failingSyncs--;
        this.hasFailedSync = true;
        return { kind: "fail", code: "EIO" };
      case "write": {
        if (this.#failingWrites === 0) return undefined;
        this.#failingWrites--;
        const written = this.#host.chance.integer(operation.length + 1);
        return { kind: "fail", code: "EIO", written };
      }
      case "read":
        if (this.#failingReads === 0 || this.#host.isLookedAt()) return undefined;
        this.#failingReads--;
        return { kind: "fail", code: "EIO" };
      default:
        return undefined;
    }
  }

  #complete(operation: DiskOperation, run: () => void): void {
    const { world, chance } = this.#host;
    if (operation.action === "sync") {
      const us = world.diskSyncMinUs + exponential(chance, world.diskSyncMeanUs);
      this.#host.schedule(us + this.#extraSyncMs * 1000, "disk sync", run);
    } else {
      this.#host.schedule(exponential(chance, world.diskReadMeanUs), "disk read", run);
    }
  }
}

/** A disk that works only while `isAlive`; after that every operation of it fails. */
export function guardedDisk(disk: Disk, isAlive: () => boolean): Disk {
  const check = (operation: string, path: string) => {
    if (isAlive()) return;
    throw new DiskError("io", `Cannot ${operation} ${path || "/"}: the process is gone`);
  };
  return {
    root: disk.root,
    space: () => disk.space(),
    open(path, options) {
      check("open", path);
      return disk.open(path, options);
    },
    list(path) {
      check("list", path);
      return disk.list(path);
    },
    status(path) {
      check("look at", path);
      return disk.status(path);
    },
    makeDirectory(path) {
      check("make folder", path);
      disk.makeDirectory(path);
    },
    rename(from, to) {
      check("rename", from);
      disk.rename(from, to);
    },
    remove(path) {
      check("remove", path);
      disk.remove(path);
    },
    syncDirectory(path) {
      check("sync folder", path);
      disk.syncDirectory(path);
    },
    lock(path, holder) {
      check("lock", path);
      return disk.lock(path, holder);
    },
  };
}
