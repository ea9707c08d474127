/**
 * The seams between the parts of the runtime: signals, and what can be watched and asked.
 *
 * A signal is how the runtime puts into a mailbox what is not yet a message: a due timer, a notice
 * of a watch, an answer, an adapted message, a callback. Its source is asked for the message when
 * the actor's turn comes, so that what was cancelled meanwhile stays out, and the code that makes
 * the message runs in that turn.
 *
 * @module
 */

import type { Address, Ref } from "./ref.ts";

/** What a source returns when there is nothing to deliver any more. */
export const NOTHING: unique symbol = Symbol("nothing");

export interface SignalSource {
  /** The message that `value` stands for, or `NOTHING`. Called in the receiver's turn. */
  take(value: unknown): unknown;
}

export class Signal {
  constructor(readonly source: SignalSource, readonly value: unknown) {}
}

/** What a ref leads to, as far as it can end: a cell, or an actor at the far end of a link. */
export interface Target {
  /** Has `gone` called once at the target's end, unless removed before. False when it has ended. */
  addWatch(watch: Dependent): boolean;
  removeWatch(watch: Dependent): void;
  /** As `addWatch`, except that a restart counts as an end. Nothing when it has ended. */
  addAsk(ask: Dependent): void;
  removeAsk(ask: Dependent): void;
}

/** The watching or asking side. */
export interface Dependent {
  /**
   * `sender` is the sender number of the one that ended; undefined when the actor whose call is
   * under way brings the news.
   */
  gone(sender: number | undefined): void;
}

/** A ref that the runtime made. Others (a test's stub) can be told and asked, but not watched. */
export abstract class RuntimeRef<in Message> implements Ref<Message> {
  abstract readonly address: Address;
  abstract readonly target: Target;
  abstract tell(message: Message): boolean;
}
