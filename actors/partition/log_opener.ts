/**
 * When the log of a replica is opened, and what becomes of one that cannot be: what is damaged is
 * set aside and fetched anew where somebody else leads and has it; what a disk refuses for now is
 * tried again; anything else takes the partition offline.
 *
 * Owns who waits to be told that it is open. Opens it in slices, in turns of the replica's actor.
 *
 * @module
 */

import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Troubles } from "../runtime/troubles.ts";
import type { Opened, PartitionAssignment } from "./messages.ts";
import { beginRefetch } from "./partition_folder.ts";
import { mayRecover, PartitionOpening } from "./partition_opening.ts";
import type { PartitionOptions } from "./partition_options.ts";
import { canRefetch } from "./partition_parts.ts";

export interface LogOpenerOptions {
  readonly partition: PartitionOptions;
  readonly folder: string;
  readonly environment: Environment;
  readonly troubles: Troubles;
  /** As it is now. */
  assignment(): PartitionAssignment;
  /** As it is now. */
  config(): PartitionConfig;
  /** Has `step` called in another turn. */
  later(): void;
  /** Wraps what is called when a sync has ended. */
  afterSync(run: (failure: DiskError | undefined) => void): (failure?: DiskError) => void;
  /** The log is open, and serves. */
  opened(log: Log): void;
  /** The disk does not open it now; it is tried again when it is asked for. */
  refused(): void;
  /** What is on the disk is in doubt. @throws {DiskError} always */
  syncFailed(failure: DiskError): never;
}

export class LogOpener {
  readonly #options: LogOpenerOptions;
  #opening: PartitionOpening | undefined;
  #openers: Ref<Opened>[] = [];
  #awaitsDisk = false;

  constructor(options: LogOpenerOptions) {
    this.#options = options;
  }

  get isOpening(): boolean {
    return this.#opening !== undefined;
  }

  /** Has somebody told once it is known whether the log is open. */
  addOpener(replyTo: Ref<Opened>): void {
    this.#openers.push(replyTo);
  }

  tellOpeners(failure: string | undefined): void {
    for (const replyTo of this.#openers.splice(0)) replyTo.tell({ kind: "opened", failure });
  }

  /** Opens a log that is not open, unless that is under way. */
  start(): void {
    if (this.#opening !== undefined) return;
    const { partition, folder, environment } = this.#options;
    const { directory, failedInEpoch } = partition;
    this.#opening = new PartitionOpening({
      ...partition,
      folder,
      config: this.#options.config().log,
      clean: directory.clean && failedInEpoch === undefined,
      leaderEpochMax: this.#options.assignment().leaderEpoch,
      now: environment.clock.wall(),
      jitter: environment.random.stream("segment jitter").integer(1000) / 1000,
      logger: environment.logger,
    });
    this.step();
  }

  /** Nobody asks a follower for anything: it has to come back by itself. */
  tryAgain(): void {
    if (this.#awaitsDisk) this.start();
  }

  /**
   * A slice of the opening; then messages of others get their turn.
   * @throws {Error} where the partition is offline
   */
  step(): void {
    const step = (this.#opening as PartitionOpening).step();
    switch (step.kind) {
      case "more":
        return this.#options.later();
      case "open":
        return this.#recovered(step.log);
      case "failed":
        return this.#failed(step.failure);
      case "corrupt":
        if (!canRefetch(this.#options.assignment(), this.#options.partition)) {
          throw this.#offline(step.reason);
        }
        return this.#refetch(step.reason);
      case "offline":
        throw this.#offline(step.reason);
    }
  }

  /** What was committed is never cut: the log is set aside whole, and another begins. */
  #refetch(reason: string): void {
    const { partition: { directory, topicId }, folder, troubles } = this.#options;
    const aside = beginRefetch(directory, folder, topicId);
    troubles.warn("set aside a damaged log", `${reason}; it is in ${aside}`);
    this.#opening = undefined;
    this.start();
  }

  /**
   * What recovery found was visible before, and must be again: where only durable records may be,
   * the log opens when all of it is.
   */
  #recovered(log: Log): void {
    const { config, afterSync, syncFailed } = this.#options;
    if (!config().flushBeforeAck) return this.#opened(log);
    const started = log.flush(
      afterSync((failure) => failure === undefined ? this.#opened(log) : syncFailed(failure)),
    );
    if (started instanceof DiskError) return syncFailed(started);
    if (started === "nothing to do") this.#opened(log);
  }

  #opened(log: Log): void {
    this.#opening = undefined;
    this.#awaitsDisk = false;
    this.#options.opened(log);
  }

  /** Tried again now and then, if the disk may recover; else the partition is offline. */
  #failed(failure: DiskError): void {
    if (!mayRecover(failure)) throw this.#offline(failure.message);
    this.#opening = undefined;
    this.#awaitsDisk = true;
    this.tellOpeners(failure.message);
    this.#options.refused();
  }

  #offline(reason: string): Error {
    this.tellOpeners(reason);
    return new Error(`Cannot open partition ${this.#options.folder}: ${reason}`);
  }
}
