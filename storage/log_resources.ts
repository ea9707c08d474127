/**
 * What the logs of a node share, so that an idle one holds nothing: the disk, the memory for
 * indexes, and buffers for reading that no call keeps.
 *
 * @module
 */

import type { Disk } from "./disk.ts";
import { AppendedBytes } from "./hot_tail.ts";
import { IndexCache } from "./index_cache.ts";

/** Enough for the batches between two index entries, by default. */
const HEADER_BUFFER_BYTES = 4096 + 64;
const SCAN_BUFFER_BYTES = 1024 * 1024;

/** Little enough for the page cache of any machine that a node runs on. */
const HOT_BYTES_MAX = 1024 * 1024 * 1024;

export interface LogResourcesOptions {
  readonly indexCache?: IndexCache;
  /** So many bytes appended last, to all logs, are taken to be in the page cache; default 1 GiB. */
  readonly hotBytesMax?: number;
}

/** Shared by logs that live on one event loop. */
export class LogResources {
  readonly disk: Disk;
  readonly indexCache: IndexCache;
  readonly appendedBytes: AppendedBytes;
  /** For walking over headers; used within one call. */
  readonly headerBuffer: Uint8Array = new Uint8Array(HEADER_BUFFER_BYTES);
  #scanBuffer: Uint8Array | undefined;

  constructor(disk: Disk, options: LogResourcesOptions = {}) {
    this.disk = disk;
    this.indexCache = options.indexCache ?? new IndexCache();
    this.appendedBytes = new AppendedBytes(options.hotBytesMax ?? HOT_BYTES_MAX);
  }

  /** For scanning whole batches; used within one call. */
  get scanBuffer(): Uint8Array {
    return this.#scanBuffer ??= new Uint8Array(SCAN_BUFFER_BYTES);
  }

  /** Gives the large buffer back, as after the last recovery. */
  releaseScanBuffer(): void {
    this.#scanBuffer = undefined;
  }
}
