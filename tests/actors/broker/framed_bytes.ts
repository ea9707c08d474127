/** The bytes that a frame comes to on the wire. */

import { BufferPool } from "../../../net/buffer_pool.ts";
import type { FrameWriter } from "../../../net/frame_writer.ts";
import { FramedConnection } from "../../../net/framed_connection.ts";
import type { Connection } from "../../../net/network.ts";

/** What `write` gives to a connection's writer, as one piece. */
export function framedBytes(write: (writer: FrameWriter) => void): Uint8Array {
  const writes: Uint8Array[] = [];
  const connection = {
    write: (bytes: Uint8Array, settled?: (sent: boolean) => void) => {
      writes.push(bytes.slice());
      settled?.(true);
    },
    pendingBytes: 0,
  } as unknown as Connection;
  const framed = new FramedConnection(connection, new BufferPool(), { frameBytesMax: 1 }, {
    received: () => {},
    closed: () => {},
  });
  write(framed.writer);
  framed.flush();
  const whole = new Uint8Array(writes.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const bytes of writes) {
    whole.set(bytes, position);
    position += bytes.length;
  }
  return whole;
}
