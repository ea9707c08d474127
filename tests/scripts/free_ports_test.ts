import { assert, assertEquals } from "@std/assert";
import { freePorts, freePortsAt } from "../../scripts/chaos/free_ports.ts";

function listen(port: number): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port }) as Deno.TcpListener;
}

Deno.test("free ports: no outgoing connection is given one, nor who listens on port 0", () => {
  for (let round = 0; round < 50; round++) {
    for (const port of freePorts(5)) assert(port >= 15_000 && port < 32_000, `${port}`);
  }
});

Deno.test("free ports: can be listened on, all at once, and lie as far apart as asked for", () => {
  const ports = freePortsAt([0, 100, 200, 1]);
  const [first = 0] = ports;
  assertEquals(ports, [first, first + 100, first + 200, first + 1]);
  const listeners = ports.map(listen);
  for (const listener of listeners) listener.close();
});
