/**
 * Those who wait for records to become visible: parked fetches.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Ref } from "../runtime/ref.ts";
import type { AwaitData, DataAvailable } from "./messages.ts";

const AVAILABLE: DataAvailable = { kind: "data-available" };

export class DataWaiters {
  /** With the bytes that each still lacks. */
  readonly #waiters = new Map<Ref<DataAvailable>, number>();

  get size(): number {
    return this.#waiters.size;
  }

  /** Told at once if more is visible than it saw. */
  add({ seenHighWatermark, bytes, replyTo }: AwaitData, highWatermark: Offset): void {
    if (seenHighWatermark < highWatermark) replyTo.tell(AVAILABLE);
    else this.#waiters.set(replyTo, bytes);
  }

  remove(replyTo: Ref<DataAvailable>): void {
    this.#waiters.delete(replyTo);
  }

  /** So many bytes have become visible. */
  advanced(bytes: number): void {
    for (const [replyTo, missing] of this.#waiters) {
      if (missing > bytes) {
        this.#waiters.set(replyTo, missing - bytes);
      } else {
        this.#waiters.delete(replyTo);
        replyTo.tell(AVAILABLE);
      }
    }
  }

  /** Tells everyone: the partition no longer serves as it did. */
  release(): void {
    for (const replyTo of this.#waiters.keys()) replyTo.tell(AVAILABLE);
    this.#waiters.clear();
  }
}
