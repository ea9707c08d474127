/**
 * Ports for processes that must know each other's before any of them runs.
 *
 * Between the look and the use a port is anybody's. So they lie below those that systems give to
 * outgoing connections and to listeners on port 0 (Linux from 32768, others from 49152).
 *
 * @module
 */

const FIRST = 15_000;
const LAST = 32_000;

/** So many ports of 127.0.0.1, one after the other, that nobody listens on now. */
export function freePorts(count: number): number[] {
  return freePortsAt(Array.from({ length: count }, (_, index) => index));
}

/** Ports of 127.0.0.1 that nobody listens on now, so far above the first port that is drawn. */
export function freePortsAt(offsets: readonly number[]): number[] {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - Math.max(...offsets)));
    const ports = offsets.map((offset) => first + offset);
    if (areFree(ports)) return ports;
  }
}

function areFree(ports: readonly number[]): boolean {
  const listeners: Deno.Listener[] = [];
  try {
    for (const port of ports) listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return false;
  } finally {
    for (const listener of listeners) listener.close();
  }
}
