/**
 * Runs what a client has to show: its script of trials, and members that are killed.
 *
 * Invariant: each capability that was to be shown has an outcome afterwards.
 *
 * @module
 */

import { KILLED_MEMBER } from "./capabilities.ts";
import type { Client } from "./clients.ts";
import { killMember } from "./killed_member.ts";
import type { Column } from "./matrix.ts";
import { linesOf, type RunningCluster } from "./running_cluster.ts";

/** Where scripts are run. */
export interface Cluster {
  readonly nodes: number;
  /** `host:port,…` */
  readonly kafka: string;
  order(what: Readonly<Record<string, unknown>>): Promise<void>;
}

/** A script and how it is run. */
export type Script = Pick<Client, "command" | "args">;

const LATE = "There was no time left";

/** Runs the script's trials of these capabilities; `leftMs` from now it is stopped. */
export async function runScript(
  script: Script,
  cluster: Cluster,
  capabilities: readonly string[],
  column: Column,
  leftMs: number,
): Promise<void> {
  let end = leftMs <= 0 ? LATE : "Its script ended before";
  if (leftMs > 0) {
    const child = new Deno.Command(script.command, {
      args: [...script.args, cluster.kafka, String(cluster.nodes), ...capabilities],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { KAFKAJS_NO_PARTITIONER_WARNING: "1" },
    }).spawn();
    const timer = setTimeout(() => {
      end = LATE;
      child.kill("SIGKILL");
    }, leftMs);
    const noted = new Response(child.stderr).text();
    await listen(child, cluster, column);
    await child.status;
    clearTimeout(timer);
    const lines = (await noted).trim().split("\n");
    if (capabilities.some((name) => !column.has(name))) end += `: ${lines.slice(-5).join("\n")}`;
  }
  for (const capability of capabilities) {
    if (!column.has(capability)) column.set(capability, { outcome: "failed", reason: end });
  }
}

/** Kills a member of a group of the client's processes, once for each protocol of groups. */
export async function killMembers(
  client: Client,
  cluster: RunningCluster,
  column: Column,
  leftMs: number,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(LATE)), Math.max(0, leftMs));
  });
  const trials = client.members.map((member) => killMember(member, cluster));
  try {
    await Promise.race([Promise.all(trials), late]);
    column.set(KILLED_MEMBER, { outcome: "passed", reason: "" });
  } catch (error) {
    column.set(KILLED_MEMBER, { outcome: "failed", reason: String(error) });
  } finally {
    clearTimeout(timer);
  }
}

/** Notes the outcomes that a script prints, and passes its orders on. */
async function listen(child: Deno.ChildProcess, cluster: Cluster, column: Column): Promise<void> {
  const orders = child.stdin.getWriter();
  for await (const line of linesOf(child.stdout)) {
    if (!line.startsWith("@")) continue;
    const said = JSON.parse(line.slice(1));
    if (said.capability !== undefined) {
      column.set(said.capability, { outcome: said.outcome, reason: said.reason ?? "" });
      continue;
    }
    await cluster.order(said);
    await orders.write(new TextEncoder().encode("done\n"));
  }
  await orders.close().catch(() => {});
}
