/** A node in a process of its own whose topics have so many partitions. */

import type { Bench } from "./bench.ts";
import type { RoleProcess } from "./role_process.ts";

export interface NodeWithTopic extends AsyncDisposable {
  readonly process: RoleProcess;
  readonly bootstrap: string;
  readonly topic: string;
}

/** Starts a node on a folder; its topic is made when it is first named. */
export async function startNodeWithTopic(
  bench: Bench,
  data: string,
  partitions: number,
): Promise<NodeWithTopic> {
  const process = await bench.start({
    role: "node",
    data: `${data}/node`,
    properties: { "num.partitions": String(partitions) },
  });
  const bootstrap = bootstrapOf(process);
  return { process, bootstrap, topic: "bench", [Symbol.asyncDispose]: () => process.end() };
}

/** Where a node listens. */
export function bootstrapOf(node: RoleProcess): string {
  return (node.ready as { readonly address: string }).address;
}
