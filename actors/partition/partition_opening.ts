/**
 * Opening the log of a partition, by slices: its folder is made its own, then the log recovers.
 *
 * Owns what is said of that in the log lines. Does not own when it is tried, nor what becomes of
 * who waits for it.
 *
 * @module
 */

import type { Epoch, Timestamp, Uuid } from "../../storage/bytes/ids.ts";
import { MalformedFileError } from "../../storage/checkpoint.ts";
import { DiskError } from "../../storage/disk.ts";
import { Log, type LogOpenSlices } from "../../storage/log.ts";
import type { LogConfig } from "../../storage/log_config.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { Logger } from "../runtime/environment.ts";
import { claimPartitionFolder } from "./partition_folder.ts";

/** Bytes of a log that are scanned before others get their turn. */
const SLICE_BYTES = 1024 * 1024;

export interface PartitionOpeningOptions {
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly folder: string;
  readonly topicId: Uuid;
  /** Topics whose logs may go, should one of them be found in the folder. */
  readonly deletedTopics: ReadonlySet<Uuid>;
  readonly config: LogConfig;
  /** Whether the log was closed in order when the data folder was: then it is open at once. */
  readonly clean: boolean;
  /** No record can have a higher one. */
  readonly leaderEpochMax: Epoch;
  readonly now: Timestamp;
  /** From 0 to 1: which part of `segment.jitter.ms` the log takes. */
  readonly jitter: number;
  readonly logger: Logger;
}

export type PartitionOpeningStep =
  | { readonly kind: "more" }
  | { readonly kind: "open"; readonly log: Log }
  /** The disk did not do it. */
  | { readonly kind: "failed"; readonly failure: DiskError }
  /** Records that were durable or committed cannot be read; nothing was cut. */
  | { readonly kind: "corrupt"; readonly reason: string }
  /** What is on the disk cannot be served. */
  | { readonly kind: "offline"; readonly reason: string };

export class PartitionOpening {
  readonly #options: PartitionOpeningOptions;
  #slices: LogOpenSlices | undefined;

  constructor(options: PartitionOpeningOptions) {
    this.#options = options;
  }

  /** Goes on for a slice; not to be called again after anything but `more`. */
  step(): PartitionOpeningStep {
    try {
      this.#slices ??= this.#begin();
    } catch (error) {
      if (error instanceof DiskError) return { kind: "failed", failure: error };
      if (error instanceof MalformedFileError) return { kind: "offline", reason: error.message };
      throw error;
    }
    const step = this.#slices.step(SLICE_BYTES);
    switch (step.kind) {
      case "more":
      case "failed":
        return step;
      case "corrupt": {
        const { offset, file, position, reason } = step;
        const place = `offset ${offset} cannot be read, ${file} at ${position}`;
        return { kind: "corrupt", reason: `${place}: ${reason}` };
      }
      case "open": {
        const { bytesScanned, bytesCut, cutReason: reason } = step.recovery;
        if (bytesCut > 0) this.#warn("cut a torn log", { bytesScanned, bytesCut, reason });
        return this.#opened(step.log);
      }
    }
  }

  /** Before anything is appended: the crash may have come in the middle of a cut. */
  #opened(log: Log): PartitionOpeningStep {
    const { directory, folder, now } = this.#options;
    try {
      directory.noteCut(folder, log.logEndOffset);
      return { kind: "open", log };
    } catch (failure) {
      if (!(failure instanceof DiskError)) throw failure;
      log.close({ clean: false, now });
      return { kind: "failed", failure };
    }
  }

  #begin(): LogOpenSlices {
    const { directory, resources, folder, topicId, deletedTopics } = this.#options;
    const { config, now, clean, leaderEpochMax, jitter } = this.#options;
    const aside = claimPartitionFolder(directory, folder, topicId, deletedTopics);
    if (aside !== undefined) this.#warn("set aside the log of another topic", { reason: aside });
    return Log.opening({
      resources,
      folder,
      config,
      now,
      clean,
      ...directory.progress(folder),
      leaderEpochMax,
      jitter,
    });
  }

  #warn(event: string, fields: Readonly<Record<string, string | number | undefined>>): void {
    this.#options.logger.log("warn", event, { partition: this.#options.folder, ...fields });
  }
}

/** Whether what failed may work later, without a restart and with nothing lost. */
export function mayRecover({ kind }: DiskError): boolean {
  return kind === "no-space" || kind === "read-only" || kind === "too-many-open-files";
}
