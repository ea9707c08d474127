/** A node in a process of its own that has one topic. */

import { Admin } from "../../mod.ts";
import type { Bench } from "./bench.ts";
import type { RoleProcess } from "./role_process.ts";

export const TOPIC = "bench";

export interface NodeWithTopic extends AsyncDisposable {
  readonly process: RoleProcess;
  readonly bootstrap: string;
  /** The same node by its listener for Kafka's clients. */
  readonly kafka: string;
  readonly topic: string;
}

/** Starts a node on a folder and makes a topic. */
export async function startNodeWithTopic(
  bench: Bench,
  folder: string,
  partitions: number,
): Promise<NodeWithTopic> {
  const process = await bench.start({ role: "node", data: `${folder}/node` });
  const bootstrap = bootstrapOf(process);
  await using admin = await Admin.connect(bootstrap);
  await admin.createTopics([{ name: TOPIC, partitions }]);
  return {
    process,
    bootstrap,
    kafka: `kafka://${(process.ready as { readonly kafka: string }).kafka}`,
    topic: TOPIC,
    [Symbol.asyncDispose]: () => process.end(),
  };
}

/** Where a node listens. */
export function bootstrapOf(node: RoleProcess): string {
  return (node.ready as { readonly address: string }).address;
}
