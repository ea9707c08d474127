/** A cluster of three nodes, each in a process of its own. */

import { freePorts } from "../chaos/free_ports.ts";
import type { Bench } from "./bench.ts";
import type { RoleProcess } from "./role_process.ts";

export interface NodeCluster extends AsyncDisposable {
  /** In the order of their ids, from 1. */
  readonly processes: readonly RoleProcess[];
  readonly bootstrap: string;
  /** Ends a node as a power cut would, but for what the page cache holds. */
  kill(nodeId: number): void;
}

const NODES = 3;

/** Starts a cluster on a folder. */
export async function startNodeCluster(
  bench: Bench,
  folder: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<NodeCluster> {
  const ports = freePorts(NODES);
  const voters = ports.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(",");
  const processes = await Promise.all(ports.map((port, index) =>
    bench.start({
      role: "node",
      data: `${folder}/node-${index + 1}`,
      nodeId: index + 1,
      port,
      properties: { "controller.quorum.voters": voters, ...properties },
    })
  ));
  const killed = new Set<number>();
  return {
    processes,
    bootstrap: ports.map((port) => `127.0.0.1:${port}`).join(","),
    kill(nodeId) {
      killed.add(nodeId);
      Deno.kill(processes[nodeId - 1]!.pid, "SIGKILL");
    },
    async [Symbol.asyncDispose]() {
      const left = processes.filter((_, index) => !killed.has(index + 1));
      await Promise.all(left.map((process) => process.end()));
    },
  };
}
