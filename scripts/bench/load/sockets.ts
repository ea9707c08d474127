/**
 * Empty sockets: bytes from process to process with nothing done to them, in writes and reads of
 * 1 MiB from and into buffers that are used again. What they carry is the ceiling of all that sends
 * bytes through sockets from this runtime on this machine.
 */

import type { Throughput } from "./produce.ts";

const BUFFER_BYTES = 1024 * 1024;

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

export function listenAnywhere(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** Connects, sends so many bytes, and ends the connection. */
export async function sendBytes(to: Address, bytes: number): Promise<void> {
  using connection = await Deno.connect(to);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (let sent = 0; sent < bytes; sent += BUFFER_BYTES) await writeAll(connection, buffer);
}

/** Takes one connection and reads it to its end, from the first byte on. */
export async function receiveBytes(listener: Deno.TcpListener): Promise<Throughput> {
  using connection = await listener.accept();
  const buffer = new Uint8Array(BUFFER_BYTES);
  let bytes = await connection.read(buffer) ?? 0;
  const start = performance.now();
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) break;
    bytes += count;
  }
  return { records: 0, bytes, elapsedMs: performance.now() - start };
}

/** Takes one connection, and sends on what comes. */
export async function relayBytes(listener: Deno.TcpListener, to: Address): Promise<void> {
  using from = await listener.accept();
  using target = await Deno.connect(to);
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return;
    await writeAll(target, buffer.subarray(0, count));
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}
