/**
 * Refs across nodes: what a node publishes, the links it makes, and the links it accepts.
 *
 * The runtime knows neither what a message is made of nor who may connect: a codec and a handshake
 * are given. It owns no connection itself; each link is an actor (link_actor.ts) that keeps one
 * session (link_session.ts) at a time.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { BufferPool } from "../../net/buffer_pool.ts";
import type { Connection, SocketAddress, TlsOptions } from "../../net/network.ts";
import type { SpawnOptions } from "./actor.ts";
import { linkActor, type LinkEvents, type LinkMessage } from "./link_actor.ts";
import type { Ref } from "./ref.ts";
import type { ActorSystem } from "./system.ts";

/** A message as bytes. Attachments of 64 KiB or more are sent uncopied: nobody may change them. */
export interface EncodedMessage {
  /** All of it but the attachments. */
  readonly envelope: Uint8Array;
  /** Bytes that go along uncopied. */
  readonly attachments: readonly Uint8Array[];
}

/** Refs as numbers that mean something to one peer. */
export interface RefTable {
  /** The number for a ref; from then on the peer can tell it, until it ends. */
  toNumber(ref: Ref<never>): number;
  /**
   * The ref for a number that the peer sent.
   * @throws {Error} when no number of this peer can be so.
   */
  toRef(number: number): Ref<unknown>;
}

/** Makes bytes of messages and back, as `jsonMessages` does. What `decode` throws ends the link. */
export interface MessageCodec {
  /** What it throws is thrown at whoever tells. */
  encode(message: unknown, refs: RefTable): EncodedMessage;
  /** The envelope is to be read at once; attachments are the message's to keep. */
  decode(envelope: Uint8Array, attachments: readonly Uint8Array[], refs: RefTable): unknown;
}

/** What follows from what the peer said. */
export type HandshakeStep =
  /** To say next; then the peer is to speak. */
  | { readonly kind: "say"; readonly bytes: Uint8Array }
  /** The peer is that node; `bytes` is the last that it needs of us, if anything. */
  | { readonly kind: "accepted"; readonly peer: NodeId; readonly bytes?: Uint8Array }
  | { readonly kind: "refused"; readonly reason: string };

/** One side of the talk at the beginning of one connection; `secretHandshake` makes one. */
export interface Handshake {
  /** What to say unasked; undefined to wait for the peer. */
  begin(): Uint8Array | undefined;
  /** Takes what the peer said. */
  heard(bytes: Uint8Array): HandshakeStep;
}

/** What peers may make a node hold, and how long it waits. */
export interface RemotingLimits {
  /** The longest frame sent or accepted. */
  readonly frameBytesMax: number;
  /** Bytes that may wait for a peer; with more, `tell` refuses. */
  readonly queuedBytesMax: number;
  /** Refs that one peer may hold of us, or we of it. */
  readonly refsMax: number;
  /** How long a handshake may take. */
  readonly handshakeMs: number;
  /** The pause after a link was lost, the first time. */
  readonly retryMinMs: number;
  /** The pause that it grows to. */
  readonly retryMaxMs: number;
  /** Accepted connections at a time. */
  readonly acceptedMax: number;
}

/** The limits unless told otherwise. */
export const REMOTING_LIMITS: RemotingLimits = {
  frameBytesMax: 128 * 1024 * 1024,
  queuedBytesMax: 64 * 1024 * 1024,
  refsMax: 1_000_000,
  handshakeMs: 10_000,
  retryMinMs: 50,
  retryMaxMs: 5_000,
  acceptedMax: 1_000,
};

/** What the links of a node are made of. */
export interface RemotingOptions {
  /** Whose actors are told. */
  readonly system: ActorSystem;
  /** How messages are written: the same at both ends. */
  readonly codec: MessageCodec;
  /**
   * Where frames are read into; shared by those that read many.
   * @internal
   */
  readonly buffers?: BufferPool;
  /** Begins on a connection that this node made, or accepted. */
  readonly handshake: (role: "connects" | "accepts") => Handshake;
  /** Instead of `REMOTING_LIMITS`. */
  readonly limits?: Partial<RemotingLimits>;
}

/** A link that is up; its refs are good until it is down. */
export interface LinkUp {
  /** The node at the other end, as the handshake accepted it. */
  readonly peer: NodeId;
  /** What the peer published by that name; ends at once where it published nothing. */
  find<Message>(name: string): Ref<Message>;
}

/** A link to keep. */
export interface LinkOptions extends LinkEvents {
  /** Distinguishes links, also to the same node. */
  readonly name: string;
  /** Asked before each attempt, as nodes move. */
  readonly address: () => SocketAddress & { readonly tls?: TlsOptions };
}

const LINK_OPTIONS: SpawnOptions = {
  mailboxLimit: 1_000,
  supervision: { kind: "restart", limit: 10, withinMs: 60_000 },
};

/**
 * The links of a node. Actors that it publishes can be found by its peers, and told as if they were
 * near; what is promised of that is in docs/semantics.md, section 9.
 */
export class Remoting {
  readonly #options: RemotingOptions;
  readonly #buffers: BufferPool;
  readonly #limits: RemotingLimits;
  readonly #published = new Map<string, Ref<never>>();
  readonly #accepted = new Set<Ref<LinkMessage>>();
  #acceptedCount = 0;

  /** Makes it without links. */
  constructor(options: RemotingOptions) {
    this.#options = options;
    this.#buffers = options.buffers ?? new BufferPool();
    this.#limits = { ...REMOTING_LIMITS, ...options.limits };
  }

  /** Lets every peer find an actor by a name; replaces what had it. */
  publish(name: string, ref: Ref<never>): void {
    this.#published.set(name, ref);
  }

  /** Keeps a link to a peer until the returned function is called. */
  connect(options: LinkOptions): () => void {
    const { system } = this.#options;
    const { name, address, up, down } = options;
    const link = system.spawn(
      `link-${name}`,
      linkActor({ ...this.#parts(), name, events: { up, down }, connects: address }),
      LINK_OPTIONS,
    );
    return () => system.stop(link);
  }

  /** Takes a connection that a listener accepted, before its `start`. */
  accept(connection: Connection): void {
    const { system } = this.#options;
    if (this.#accepted.size >= this.#limits.acceptedMax) {
      connection.close({ abort: true });
      return;
    }
    const name = `accepted-${++this.#acceptedCount}`;
    const events: LinkEvents = {
      up: () => {},
      down: () => void this.#accepted.delete(link),
    };
    const link: Ref<LinkMessage> = system.spawn(
      `link-${name}`,
      linkActor({ ...this.#parts(), name, events, accepts: connection }),
      { mailboxLimit: 1_000 },
    );
    this.#accepted.add(link);
  }

  #parts() {
    const { codec, handshake } = this.#options;
    const parts = { codec, handshake, limits: this.#limits, published: this.#published };
    return { ...parts, buffers: this.#buffers };
  }
}
