/**
 * Who is told of committed metadata, and of who leads.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Ref } from "../runtime/ref.ts";
import type { ControllerChanged, MetadataCommitted } from "./messages.ts";
import type { MetadataLog } from "./metadata_log.ts";
import type { MetadataRecord } from "./metadata_record.ts";

/** Tells subscribers of what is committed: all from the beginning, in order, each record once. */
export class MetadataFeed {
  readonly #log: MetadataLog;
  readonly #subscribers: Ref<MetadataCommitted>[] = [];

  constructor(log: MetadataLog) {
    this.#log = log;
  }

  /** `committed` is up to where the others have been told. */
  subscribe(subscriber: Ref<MetadataCommitted>, committed: Offset): void {
    this.#subscribers.push(subscriber);
    const log = this.#log;
    if (log.snapshotId !== undefined) {
      const records = [...log.readSnapshotRecords()];
      const { endOffset } = log.snapshotId;
      subscriber.tell({ kind: "metadata-committed", records, endOffset, isSnapshot: true });
    }
    const records = [...log.readMetadata(log.startOffset, committed)]
      .flatMap((batch) => batch.records);
    subscriber.tell({
      kind: "metadata-committed",
      records,
      endOffset: committed,
      isSnapshot: false,
    });
  }

  tell(records: readonly MetadataRecord[], endOffset: Offset, isSnapshot: boolean): void {
    for (const subscriber of this.#subscribers) {
      subscriber.tell({ kind: "metadata-committed", records, endOffset, isSnapshot });
    }
  }
}

/** Tells subscribers who leads, when that changes. */
export class ControllerFeed {
  readonly #subscribers: Ref<ControllerChanged>[] = [];
  #last: ControllerChanged;

  constructor(first: ControllerChanged) {
    this.#last = first;
  }

  subscribe(subscriber: Ref<ControllerChanged>): void {
    this.#subscribers.push(subscriber);
    subscriber.tell(this.#last);
  }

  tell(now: ControllerChanged): void {
    const { leaderId, epoch, address } = this.#last;
    if (
      now.leaderId === leaderId && now.epoch === epoch && now.address?.host === address?.host &&
      now.address?.port === address?.port
    ) return;
    this.#last = now;
    for (const subscriber of this.#subscribers) subscriber.tell(now);
  }
}
