/**
 * Bytes through the writer and the reader, as over a connection that loses nothing.
 *
 * @module
 */

import { BufferPool } from "../../net/buffer_pool.ts";
import { type Frame, FrameReader } from "../../net/frame_reader.ts";
import { FrameWriter } from "../../net/frame_writer.ts";

export const pool = new BufferPool();

/** What `write` queues, as one array. */
export function written(write: (target: FrameWriter) => void): Uint8Array {
  const target = new FrameWriter(pool);
  write(target);
  return drain(target);
}

/** Everything that is queued, as one array; its writes are settled. */
export function drain(target: FrameWriter): Uint8Array {
  const chunks = target.take();
  const bytes = concat(chunks.map((chunk) => chunk.bytes));
  for (const chunk of chunks) chunk.settled(true);
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

/** Gives the reader the bytes, at most `step` at a time, and returns the frames that came whole. */
export function feed(reader: FrameReader, bytes: Uint8Array, step = Infinity): Frame[] {
  const frames: Frame[] = [];
  let position = 0;
  while (position < bytes.length && reader.error === undefined) {
    const space = reader.space();
    const count = Math.min(space.length, bytes.length - position, step);
    space.set(bytes.subarray(position, position + count));
    position += count;
    reader.filled(count);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

/** The only frame in the bytes. */
export function frameOf(bytes: Uint8Array): Frame {
  const [frame] = feed(new FrameReader(pool, { frameBytesMax: bytes.length }), bytes);
  if (frame === undefined) throw new Error("The bytes are no whole frame");
  return frame;
}

/** Bytes with the length that makes them a frame. */
export function framed(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 4);
  new DataView(whole.buffer).setUint32(0, bytes.length);
  whole.set(bytes, 4);
  return whole;
}
