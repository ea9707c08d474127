/**
 * Connects to itself until descriptors run out, with more connections waiting than can be accepted,
 * frees them, and sees that the listener accepts what waited. Run with a small limit.
 */

import { DenoNetwork } from "../../net/deno_network.ts";
import { type Connection, NetworkError } from "../../net/network.ts";

const network = new DenoNetwork();
const accepted: Connection[] = [];
const listener = network.listen({ host: "127.0.0.1", port: 0 }, (one) => accepted.push(one));
const made: Connection[] = [];

function connect(): Promise<Connection | NetworkError> {
  const { host, port } = listener.address;
  return new Promise((resolve) => network.connect({ host, port }, resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 0));
}

let kind = "";
while (kind === "") {
  const result = await connect();
  if (result instanceof NetworkError) kind = result.kind;
  else made.push(result);
}
// As many again would be needed to accept those that the backlog took.
await until(() => accepted.length > 0);
const before = accepted.length;
for (const connection of [...made.splice(0, 10), ...accepted.splice(0, 10)]) {
  connection.close({ abort: true });
}
const last = await connect();
if (last instanceof NetworkError) throw last;
await until(() => accepted.length + 10 > before);
console.log(`${kind}, then accepted`);
for (const connection of [...made, ...accepted, last]) connection.close({ abort: true });
listener.close();
