/**
 * What is done to connections that may be gone already.
 *
 * @module
 */

export const BUFFER_BYTES = 64 * 1024;

export async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await to.write(bytes.subarray(written));
  }
}

export function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed.
  }
}
