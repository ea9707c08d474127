/**
 * One incarnation of a link: the refs that two nodes hold of each other over one connection, and
 * the frames between them.
 *
 * It owns both tables of refs and the form of frames after the handshake; link_actor.ts owns the
 * connection's life. Invariants: every ref given to the peer is watched, and the peer told of its
 * end, after all it told over the link; when the session has ended every ref got from the peer has.
 *
 * Frames, after their length: a kind, the number of the ref it is about, then
 * - `TELL`: the length of the envelope, the number and the lengths of attachments, and all of them;
 * - `FIND`: a published name, to be known by that number from now on;
 * - `ENDED`: nothing: what has that number has stopped, or was settled, or was never published;
 * - `UNANSWERED`: nothing: it restarted, and answers nothing that it was asked before.
 *
 * @module
 */

import { readInt32, readUint32, writeInt32 } from "../../storage/bytes/big_endian.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { Frame } from "../../net/frame_reader.ts";
import type { FrameWriter } from "../../net/frame_writer.ts";
import { Ask } from "./ask.ts";
import type { LogLevel } from "./environment.ts";
import type { Address, Ref } from "./ref.ts";
import type { EncodedMessage, LinkUp, MessageCodec, RefTable, RemotingLimits } from "./remoting.ts";
import { type Dependent, RuntimeRef, type Target } from "./signal.ts";

const TELL = 1;
const FIND = 2;
const ENDED = 3;
const UNANSWERED = 4;
/** Kind and number. */
const HEAD_BYTES = 5;
const LENGTH_BYTES = 4;
/** Numbers that the finder chose for what it found by name; lower ones the giver of a ref chose. */
const FOUND = 0x8000_0000;
const EMPTY: EncodedMessage = { envelope: new Uint8Array(0), attachments: [] };

export interface SessionOptions {
  readonly peer: NodeId;
  readonly codec: MessageCodec;
  readonly limits: RemotingLimits;
  readonly published: ReadonlyMap<string, Ref<never>>;
  readonly writer: FrameWriter;
  /** Bytes that the connection has not taken. */
  readonly unsentBytes: () => number;
  /** Something was written. */
  readonly written: () => void;
  /** Told of each message that could not be sent or handed on. */
  readonly dropped: (level: LogLevel, reason: string) => void;
}

export class LinkSession implements LinkUp, RefTable {
  readonly #options: SessionOptions;
  /** Refs that the peer may tell, by number, and the other way round. */
  readonly #given = new Map<number, Given>();
  readonly #numbers = new Map<Ref<never>, Given>();
  /** Refs of the peer. */
  readonly #got = new Map<number, RemoteRef>();
  readonly #found = new Map<string, RemoteRef>();
  /** Frames about refs that the message in hand is the first to carry: they go after it. */
  #afterMessage: (() => void)[] | undefined = undefined;
  #lastGiven = 0;
  #lastFound = FOUND;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get peer(): NodeId {
    return this.#options.peer;
  }

  find<Message>(name: string): Ref<Message> {
    let ref = this.#found.get(name);
    if (ref === undefined) {
      ref = this.#get(++this.#lastFound, false, `/${name}`);
      this.#found.set(name, ref);
      this.#write(FIND, ref.number, { ...EMPTY, envelope: new TextEncoder().encode(name) });
    }
    return ref;
  }

  /** Sends to a ref of the peer. */
  tell(ref: RemoteRef, message: unknown): boolean {
    const { limits, codec, unsentBytes, dropped } = this.#options;
    const refs = Math.max(this.#given.size, this.#numbers.size);
    const full = unsentBytes() >= limits.queuedBytesMax || refs >= limits.refsMax;
    if (this.#over || full) return false;
    const after: (() => void)[] = this.#afterMessage = [];
    let sent = false;
    try {
      const encoded = codec.encode(message, this);
      sent = sizeOf(encoded) <= limits.frameBytesMax;
      if (sent) this.#write(TELL, ref.number, encoded);
      else dropped("warn", `a message of ${sizeOf(encoded)} bytes is too large`);
    } finally {
      this.#afterMessage = undefined;
      for (const write of after) write();
    }
    return sent;
  }

  /** Takes a frame. @throws {Error} when it is not one. */
  receive(frame: Frame): void {
    const { source, start, end } = frame;
    if (end - start < HEAD_BYTES) throw new Error(`A frame of ${end - start} bytes is none`);
    const number = readUint32(source, start + 1);
    const body = source.subarray(start + HEAD_BYTES, end);
    switch (source[start]) {
      case TELL:
        return this.#receiveTell(number, body);
      case FIND:
        return this.#receiveFind(number, body);
      case ENDED:
        return this.#got.get(number)?.end();
      case UNANSWERED:
        return this.#got.get(number)?.unanswered();
      default:
        throw new Error(`No kind of frame has the number ${source[start]}`);
    }
  }

  /** The link is lost: all that came from the peer ends, all that was given is taken back. */
  end(): void {
    this.#over = true;
    for (const given of this.#given.values()) given.takeBack();
    this.#given.clear();
    this.#numbers.clear();
    for (const ref of [...this.#got.values()]) ref.end();
  }

  toNumber(ref: Ref<never>): number {
    if (ref instanceof RemoteRef && ref.session === this) return -1 - ref.number;
    let given = this.#numbers.get(ref);
    if (given === undefined) {
      given = new Given(this, ++this.#lastGiven, ref);
      this.#numbers.set(ref, given);
      this.#given.set(given.number, given);
      given.begin();
    }
    return given.number * 2 + (given.once ? 1 : 0);
  }

  toRef(number: number): Ref<unknown> {
    if (!Number.isSafeInteger(number) || Math.abs(number) > 2 ** 33) {
      throw new Error(`No ref has the number ${number}`);
    }
    if (number < 0) return this.#given.get(-1 - number)?.ref as Ref<unknown> ?? this.#endedRef();
    const id = Math.floor(number / 2);
    if (id >= FOUND) throw new Error(`No ref has the number ${number}`);
    return this.#got.get(id) ?? this.#get(id, number % 2 === 1, `/${this.peer}/${id}`);
  }

  /** Forgets a ref of the peer that has ended. */
  forget(ref: RemoteRef): void {
    this.#got.delete(ref.number);
    if (this.#found.get(ref.address.path.slice(1)) === ref) {
      this.#found.delete(ref.address.path.slice(1));
    }
  }

  /** Tells the peer that a given ref ended; it can be told no more. */
  ended(given: Given): void {
    this.#given.delete(given.number);
    if (this.#numbers.get(given.ref) === given) this.#numbers.delete(given.ref);
    this.#afterwards(() => this.#write(ENDED, given.number, EMPTY));
  }

  unanswered(given: Given): void {
    this.#afterwards(() => this.#write(UNANSWERED, given.number, EMPTY));
  }

  #afterwards(write: () => void): void {
    if (this.#afterMessage === undefined) write();
    else this.#afterMessage.push(write);
  }

  #get(number: number, once: boolean, path: string): RemoteRef {
    if (this.#got.size >= this.#options.limits.refsMax) {
      throw new Error(`More than ${this.#options.limits.refsMax} refs were given`);
    }
    const ref = new RemoteRef(this, number, once, path);
    this.#got.set(number, ref);
    return ref;
  }

  #endedRef(): RemoteRef {
    const ref = new RemoteRef(this, 0, false, `/${this.peer}/0`);
    ref.end();
    return ref;
  }

  #receiveFind(number: number, body: Uint8Array): void {
    const { bodyStart, envelopeEnd } = layout(body);
    if (number < FOUND || this.#given.has(number)) throw new Error(`Cannot find as ${number}`);
    const name = new TextDecoder().decode(body.subarray(bodyStart, envelopeEnd));
    const ref = this.#options.published.get(name);
    if (ref === undefined) return this.#write(ENDED, number, EMPTY);
    if (this.#given.size >= this.#options.limits.refsMax) throw new Error("Too many refs found");
    const given = new Given(this, number, ref);
    this.#given.set(number, given);
    given.begin();
  }

  #receiveTell(number: number, body: Uint8Array): void {
    const { bodyStart, envelopeEnd, sizes } = layout(body);
    const attachments: Uint8Array[] = [];
    let position = envelopeEnd;
    for (const size of sizes) attachments.push(body.slice(position, position += size));
    const envelope = body.subarray(bodyStart, envelopeEnd);
    const message = this.#options.codec.decode(envelope, attachments, this);
    const given = this.#given.get(number);
    if (given === undefined) return;
    if (given.once) {
      this.#given.delete(number);
      this.#numbers.delete(given.ref);
      given.takeBack();
    }
    if (!given.ref.tell(message as never)) {
      this.#options.dropped("debug", "the receiver took it not");
    }
  }

  #write(kind: number, number: number, message: EncodedMessage): void {
    if (this.#over) return;
    const { writer, written } = this.#options;
    const { envelope, attachments } = message;
    const headBytes = HEAD_BYTES + (kind === TELL || kind === FIND ? layoutBytes(message) : 0);
    writer.reserve(LENGTH_BYTES + headBytes);
    const { bytes } = writer;
    let position = writer.position;
    const put = (value: number) => {
      writeInt32(bytes, position, value);
      position += 4;
    };
    const bodyBytes = envelope.length + attachments.reduce((sum, each) => sum + each.length, 0);
    put(headBytes + bodyBytes);
    bytes[position++] = kind;
    put(number);
    if (headBytes > HEAD_BYTES) {
      put(envelope.length);
      put(attachments.length);
      for (const attachment of attachments) put(attachment.length);
    }
    writer.advance(position);
    writer.append(envelope);
    for (const attachment of attachments) writer.append(attachment);
    written();
  }
}

/** A ref that the peer holds, watched for it. */
class Given {
  readonly session: LinkSession;
  readonly number: number;
  readonly ref: Ref<never>;
  /** It takes one message and ends with it, which the peer knows. */
  readonly once: boolean;
  readonly #end: Dependent = { gone: () => this.session.ended(this) };
  readonly #restart: Dependent = { gone: () => this.#unanswered() };

  constructor(session: LinkSession, number: number, ref: Ref<never>) {
    this.session = session;
    this.number = number;
    this.ref = ref;
    this.once = ref instanceof Ask;
  }

  get #target(): Target | undefined {
    return this.ref instanceof RuntimeRef ? this.ref.target : undefined;
  }

  begin(): void {
    const target = this.#target;
    if (target?.addWatch(this.#end) === false) this.session.ended(this);
    else if (!this.once) target?.addAsk(this.#restart);
  }

  takeBack(): void {
    this.#target?.removeWatch(this.#end);
    this.#target?.removeAsk(this.#restart);
  }

  #unanswered(): void {
    this.session.unanswered(this);
    this.#target?.addAsk(this.#restart);
  }
}

/** An actor, or an asker, at the far end of a link. */
export class RemoteRef extends RuntimeRef<unknown> implements Target {
  readonly session: LinkSession;
  readonly number: number;
  readonly #once: boolean;
  readonly #path: string;
  #ended = false;
  #watches: Set<Dependent> | undefined = undefined;
  #asks: Set<Dependent> | undefined = undefined;

  constructor(session: LinkSession, number: number, once: boolean, path: string) {
    super();
    this.session = session;
    this.number = number;
    this.#once = once;
    this.#path = path;
  }

  /** The number stands for path and incarnation, which stay at home. */
  get address(): Address {
    return { node: this.session.peer, shard: 0, path: this.#path, incarnation: this.number };
  }

  get target(): Target {
    return this;
  }

  tell(message: unknown): boolean {
    if (this.#ended || !this.session.tell(this, message)) return false;
    if (this.#once) this.end();
    return true;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.session.forget(this);
    this.unanswered();
    const watches = this.#watches;
    this.#watches = undefined;
    for (const watch of watches ?? []) watch.gone(undefined);
  }

  unanswered(): void {
    const asks = this.#asks;
    this.#asks = undefined;
    for (const ask of asks ?? []) ask.gone(undefined);
  }

  addWatch(watch: Dependent): boolean {
    if (this.#ended) return false;
    (this.#watches ??= new Set()).add(watch);
    return true;
  }

  removeWatch(watch: Dependent): void {
    this.#watches?.delete(watch);
  }

  addAsk(ask: Dependent): void {
    if (!this.#ended) (this.#asks ??= new Set()).add(ask);
  }

  removeAsk(ask: Dependent): void {
    this.#asks?.delete(ask);
  }
}

function layoutBytes(message: EncodedMessage): number {
  return 8 + 4 * message.attachments.length;
}

function sizeOf(message: EncodedMessage): number {
  const { envelope, attachments } = message;
  return attachments.reduce(
    (sum, each) => sum + each.length,
    HEAD_BYTES + layoutBytes(message) + envelope.length,
  );
}

/** Where envelope and attachments stand; checks that they fill the body. */
function layout(body: Uint8Array): { bodyStart: number; envelopeEnd: number; sizes: number[] } {
  const count = body.length < 8 ? -1 : readInt32(body, 4);
  const bodyStart = 8 + 4 * count;
  if (count < 0 || bodyStart > body.length) throw new Error("A frame is cut short");
  const envelopeEnd = bodyStart + readUint32(body, 0);
  const sizes = Array.from({ length: count }, (_, i) => readUint32(body, 8 + 4 * i));
  if (sizes.reduce((sum, size) => sum + size, envelopeEnd) !== body.length) {
    throw new Error("The parts of a frame do not fill it");
  }
  return { bodyStart, envelopeEnd, sizes };
}
