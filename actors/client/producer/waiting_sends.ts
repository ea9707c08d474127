/**
 * What can stand in a send backlog: a single record, or what is left of a `sendBatch`.
 *
 * @module
 */

import { ClientError, SerializationError } from "../errors.ts";
import type { FlushWaiter } from "./flush_waiter.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import type { RecordMetadata, SendCallback } from "../records.ts";
import type { Waiting } from "./send_backlog.ts";
import type { SendGroup } from "./send_group.ts";

/** Who is to be told of a record. */
export type Recipient =
  | { readonly kind: "promise"; readonly resolve: (result: Promise<RecordMetadata>) => void }
  | { readonly kind: "callback"; readonly callback: SendCallback };

/** Any error in the form that a promise rejects with. */
export function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new SerializationError(`Cannot send: ${reason}`, { cause: error });
}

/** A record, whose bytes nobody else may change. */
export class WaitingRecord implements Waiting {
  deadline = 0;
  readonly waiters: FlushWaiter[] = [];
  readonly #recipient: Recipient;
  readonly #append: () => ProducerBatch | undefined;
  readonly #thrown: (error: unknown) => void;

  /**
   * @param append appends the record, or gives undefined; may throw
   * @param thrown is given what a callback throws
   */
  constructor(
    recipient: Recipient,
    append: () => ProducerBatch | undefined,
    thrown: (error: unknown) => void,
  ) {
    this.#recipient = recipient;
    this.#append = append;
    this.#thrown = thrown;
  }

  append(): "all" | "nothing" {
    try {
      const batch = this.#append();
      if (batch === undefined) return "nothing";
      if (this.#recipient.kind === "promise") this.#recipient.resolve(batch.promise());
      else batch.addCallback(this.#recipient.callback);
      for (const waiter of this.waiters) batch.addWaiter(waiter);
    } catch (error) {
      this.fail(asClientError(error));
    }
    return "all";
  }

  fail(error: ClientError): void {
    if (this.#recipient.kind === "promise") {
      this.#recipient.resolve(Promise.reject(error));
      return;
    }
    try {
      this.#recipient.callback(undefined, error);
    } catch (thrown) {
      this.#thrown(thrown);
    }
  }
}

/** The records of a `sendBatch`, taken one after the other. */
export class WaitingGroup<R> implements Waiting {
  deadline = 0;
  readonly waiters: FlushWaiter[] = [];
  readonly #group: SendGroup;
  readonly #records: readonly R[];
  readonly #append: (record: R) => ProducerBatch | undefined;
  #next = 0;

  /** @param append appends a record, or gives undefined; may throw */
  constructor(
    group: SendGroup,
    records: readonly R[],
    append: (record: R) => ProducerBatch | undefined,
  ) {
    this.#group = group;
    this.#records = records;
    this.#append = append;
  }

  append(): "all" | "some" | "nothing" {
    const first = this.#next;
    const { length } = this.#records;
    while (this.#next < length) {
      const index = this.#next;
      try {
        const batch = this.#append(this.#records[index]!);
        if (batch === undefined) return index === first ? "nothing" : "some";
        batch.addToGroup(this.#group, index);
        if (this.waiters.length > 0) { for (const waiter of this.waiters) batch.addWaiter(waiter); }
      } catch (error) {
        this.#group.fail(1, asClientError(error));
      }
      this.#next++;
    }
    return "all";
  }

  fail(error: ClientError): void {
    const left = this.#records.length - this.#next;
    this.#next = this.#records.length;
    if (left > 0) this.#group.fail(left, error);
  }
}
