/**
 * Where a message can be sent. A ref says nothing of where its actor lives: tell is a push into a
 * mailbox, or a frame on a link.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";

/** Which actor, of all nodes. */
export interface Address {
  /** The node it lives on. */
  readonly node: NodeId;
  /** The event loop within the node. */
  readonly shard: number;
  /** Names from the root, e.g. `/broker/partition/orders-0`. */
  readonly path: string;
  /** Tells actors apart that bore the same path one after the other. */
  readonly incarnation: number;
}

/** An actor that takes messages of a type. */
export interface Ref<in Message> {
  /** Which actor it stands for. */
  readonly address: Address;
  /**
   * Sends, at most once, in order per pair of actors; never handled inside the call. The message
   * and the bytes in it are no longer the sender's. False when it was refused at once (the mailbox
   * is full, the actor gone): then nothing was sent.
   */
  tell(message: Message): boolean;
}
