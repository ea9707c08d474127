/**
 * Appends that wait for an offset to be passed (by the high watermark, or by what is durable)
 * before their producers are told.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Ref } from "../runtime/ref.ts";
import type { AppendReply } from "./messages.ts";

interface PendingAck {
  readonly endOffset: Offset;
  readonly reply: AppendReply;
  readonly replyTo: Ref<AppendReply>;
}

/** In the order of offsets, as they were appended. */
export class PendingAcks {
  #acks: PendingAck[] = [];
  #first = 0;

  get size(): number {
    return this.#acks.length - this.#first;
  }

  add(endOffset: Offset, reply: AppendReply, replyTo: Ref<AppendReply>): void {
    this.#acks.push({ endOffset, reply, replyTo });
  }

  /** Answers what has been passed, all of it with `failure` where there is one. */
  release(passed: Offset, failure?: AppendReply): void {
    for (; this.#first < this.#acks.length; this.#first++) {
      const { endOffset, reply, replyTo } = this.#acks[this.#first] as PendingAck;
      if (endOffset > passed) break;
      replyTo.tell(failure ?? reply);
    }
    if (this.#first === this.#acks.length) {
      this.#acks = [];
      this.#first = 0;
    }
  }

  /** Answers everything with a failure: whether it will be there is not known. */
  fail(reply: AppendReply): void {
    for (const { replyTo } of this.#acks.splice(this.#first)) replyTo.tell(reply);
    this.#acks = [];
    this.#first = 0;
  }
}
