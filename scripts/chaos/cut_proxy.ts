/**
 * A listener before a node, through which everybody reaches it, and which can be cut: for single
 * nodes that come, told apart by what they say of themselves in their handshake, or for all.
 *
 * A cut ends the connections it concerns and lets new ones hang without an answer, as a network
 * does that has lost its way.
 *
 * @module
 */

import { BufferPool } from "../../net/buffer_pool.ts";
import { FrameReader } from "../../net/frame_reader.ts";
import { HANDSHAKE_FRAME_BYTES_MAX, NATIVE_HANDSHAKE, PeerRole } from "../../net/handshake.ts";
import { EnvelopeReader, NATIVE_FRAME_BYTES_MIN } from "../../net/msgpack.ts";
import { BUFFER_BYTES, closeQuietly, writeAll } from "./streams.ts";

/** Who is at the other end: a node by its id, or any client. */
export type Comer = number | "client";

interface Passage {
  readonly comer: Comer;
  readonly ends: readonly Deno.Conn[];
}

/** Passes connections on to one node. */
export class CutProxy {
  /** Where everybody is to reach the node. */
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #passages = new Set<Passage>();
  /** Connections of those who are cut: they hear nothing. */
  readonly #hanging = new Map<Deno.Conn, Comer>();
  readonly #cut = new Set<Comer>();

  /** @param target the port that the node listens on, while it runs */
  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#acceptAll();
  }

  /** How many connections hear nothing. */
  get hangingCount(): number {
    return this.#hanging.size;
  }

  /** Ends what goes between the node and `comer`, and lets nothing more through. */
  cut(comer: Comer): void {
    this.#cut.add(comer);
    for (const passage of this.#passages) {
      if (passage.comer === comer) passage.ends.forEach(closeQuietly);
    }
  }

  /** Lets everybody through again. */
  heal(): void {
    this.#cut.clear();
    for (const connection of this.#hanging.keys()) closeQuietly(connection);
    this.#hanging.clear();
  }

  close(): void {
    this.#listener.close();
    this.heal();
    for (const { ends } of this.#passages) ends.forEach(closeQuietly);
  }

  async #acceptAll(): Promise<void> {
    for await (const connection of this.#listener) this.#pass(connection).catch(() => {});
  }

  async #pass(connection: Deno.TcpConn): Promise<void> {
    connection.setNoDelay(true);
    const first = await readHandshake(connection);
    if (first === undefined) return closeQuietly(connection);
    const { comer, bytes } = first;
    if (this.#cut.has(comer)) {
      this.#hanging.set(connection, comer);
      return;
    }
    let node: Deno.TcpConn;
    try {
      node = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch {
      return closeQuietly(connection);
    }
    node.setNoDelay(true);
    const passage = { comer, ends: [connection, node] };
    this.#passages.add(passage);
    if (this.#cut.has(comer)) passage.ends.forEach(closeQuietly);
    try {
      await writeAll(node, bytes);
      await Promise.race([copy(connection, node), copy(node, connection)]);
    } catch {
      // Either end is gone.
    } finally {
      this.#passages.delete(passage);
      passage.ends.forEach(closeQuietly);
    }
  }
}

/** Reads until the first frame is whole; undefined where there is none. */
async function readHandshake(
  connection: Deno.Conn,
): Promise<{ readonly comer: Comer; readonly bytes: Uint8Array } | undefined> {
  const reader = new FrameReader(new BufferPool(), {
    frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
    frameBytesMin: NATIVE_FRAME_BYTES_MIN,
  });
  const all: Uint8Array[] = [];
  for (;;) {
    const space = reader.space();
    const count = space.length === 0 ? null : await connection.read(space).catch(() => null);
    if (count === null) return undefined;
    all.push(space.slice(0, count));
    reader.filled(count);
    const frame = reader.next();
    if (frame === undefined) continue;
    const envelope = new EnvelopeReader();
    const bytes = new Uint8Array(await new Blob(all as BlobPart[]).arrayBuffer());
    try {
      envelope.open(frame);
      const { role, nodeId } = envelope.message(NATIVE_HANDSHAKE.request);
      return { comer: role === PeerRole.NODE ? nodeId : "client", bytes };
    } catch {
      // The node will say what it thinks of it.
      return { comer: "client", bytes };
    } finally {
      frame.release();
    }
  }
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return;
    await writeAll(to, buffer.subarray(0, count));
  }
}
