/**
 * What an actor is, as its author sees it. What the runtime promises is in docs/semantics.md.
 *
 * @module
 */

import type { Environment } from "./environment.ts";
import type { Ref } from "./ref.ts";

/** Behaviour and state of one actor. It is never called while one of its calls is under way. */
export interface Actor<Message> {
  /** Handles one message; always finishes. A throw is a failure that its supervisor decides on. */
  receive(message: Message): void;
  /** The last call, when it stops or before it is restarted; not when its node crashes. */
  stopped?(): void;
}

/** Makes an actor: called when it is spawned, and again for each restart. */
export type Behaviour<Message> = (
  context: ActorContext<Message>,
) => Actor<Message>;

/** What becomes of an actor that throws. */
export type Supervision =
  /** It stops; its watchers are told. What it was asked has an unknown outcome. */
  | { readonly kind: "fail-stop" }
  /** It is made anew, at most `limit` times within `withinMs`; then the failure is its parent's. */
  | {
    readonly kind: "restart";
    readonly limit: number;
    readonly withinMs: number;
  };

/** What an actor may be spawned with. */
export interface SpawnOptions {
  /** Messages that may wait; one more is refused. */
  readonly mailboxLimit?: number;
  /** Fail-stop when absent. */
  readonly supervision?: Supervision;
}

/** Why a question got no answer. Except for `refused`, it may have been acted upon. */
export type AskFailure =
  | { readonly kind: "timed-out" }
  /** The one asked stopped or failed, or the link to its node was lost. */
  | { readonly kind: "terminated" }
  /** Its mailbox was full or it was not there: nothing was done. */
  | { readonly kind: "refused" };

/** What comes of a question. */
export type AskResult<Reply> =
  | { readonly kind: "reply"; readonly reply: Reply }
  | AskFailure;

/** What an actor may do besides computing. Usable only within its own calls. */
export interface ActorContext<Message> {
  /** The actor itself. */
  readonly self: Ref<Message>;
  /** The world it lives in. */
  readonly environment: Environment;

  /** Starts a child. A name is unique among its siblings that live. */
  spawn<Child>(
    name: string,
    behaviour: Behaviour<Child>,
    options?: SpawnOptions,
  ): Ref<Child>;

  /** Stops this actor after the message in hand, its children first; what is queued is dropped. */
  stop(): void;

  /** Stops a child. */
  stopChild(child: Ref<never>): void;

  /** Has `message` delivered once when the other has stopped or failed, or its node is lost. */
  watch(other: Ref<never>, message: Message): void;
  /** Takes a watch back. */
  unwatch(other: Ref<never>): void;

  /** Has `message` delivered after `delayMs`; a timer of the same key is replaced. */
  startTimer(key: string, delayMs: number, message: Message): void;
  /** Its message does not come any more. */
  cancelTimer(key: string): void;

  /** A ref that turns what it is told into a message to this actor. Costs an object, no actor. */
  adapt<Other>(wrap: (message: Other) => Message): Ref<Other>;

  /**
   * Asks: `question` makes the message around the ref that the answer goes to; answer or failure
   * comes back, exactly once, as the message that `answered` makes.
   */
  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => Message,
  ): void;

  /**
   * A callback for an environment's operation (a sync, a read, a connect) that delivers the message
   * it makes; it does nothing once this actor has stopped or been restarted.
   */
  callback<Arguments extends readonly unknown[]>(
    wrap: (...values: Arguments) => Message,
  ): (...values: Arguments) => void;
}
