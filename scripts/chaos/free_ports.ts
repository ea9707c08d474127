/**
 * Ports for processes that must know each other's before any of them runs.
 *
 * @module
 */

/** So many ports of 127.0.0.1 that nobody listens on now. */
export function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
