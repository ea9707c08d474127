/**
 * A node in a process of its own, for tests that measure or kill it: prints its addresses, then,
 * for each line that comes in, what it holds. Ends with its standard input.
 *
 * Arguments: data folder, then properties as key=value.
 */
import { startNode } from "../../../../actors/start_node.ts";

const [data, ...properties] = Deno.args;
const node = await startNode({
  data: data!,
  native: { port: 0 },
  properties: Object.fromEntries(properties.map((text) => text.split("=") as [string, string])),
});
console.log(JSON.stringify({ address: node.address, kafka: node.kafka }));
node.failed.then((reason) => {
  console.log(JSON.stringify({ failed: reason }));
  Deno.exit(3);
});
for await (const _ of Deno.stdin.readable) {
  // Twice: what the first frees the second collects.
  for (let i = 0; i < 2; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(JSON.stringify({ rss: Deno.memoryUsage().rss }));
}
await node.close();
