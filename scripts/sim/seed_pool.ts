/**
 * Running seeds on several cores: a process for each, with seeds of its own.
 *
 * Seeds share nothing, so that which process runs one changes nothing about it; only the order in
 * which they are told of depends on who is faster.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import type { ClusterSimulationResult } from "../../mod.ts";
import { readJsonLines } from "../bench/lines.ts";
import { runSeedJob, type SeedJob, type TakeSeed } from "./seed_job.ts";

const PROCESS = fromFileUrl(import.meta.resolve("./seed_process.ts"));
/**
 * Much is made and forgotten in each step: a large nursery copies less of it, and each core has a
 * process already that could collect. Errors are many, and nobody reads where they came from: a
 * seed that breaks a rule runs again.
 */
const FLAGS = "--v8-flags=--min-semi-space-size=128,--max-semi-space-size=128," +
  "--single-threaded-gc,--stack-trace-limit=0";

/**
 * Runs a job in as many processes, or here where one is asked for. All end with the first seed that
 * breaks a rule; of those that run meanwhile nothing is told.
 * @throws {Error} when a process ends before its job is done.
 */
export async function runSeeds(
  job: SeedJob,
  processes: number,
  take: TakeSeed,
): Promise<void> {
  if (processes <= 1) return runSeedJob(job, take);
  const children = Array.from({ length: processes }, (_, index) => {
    const { from, step } = job;
    return start({ ...job, from: from + index * step, step: step * processes });
  });
  let isOver = false;
  let failure: number | undefined;
  const endAll = () => {
    isOver = true;
    for (const child of children) kill(child);
  };
  await Promise.all(children.map(async (child) => {
    for await (const line of readJsonLines(child.stdout)) {
      if (isOver) continue;
      const result = line as ClusterSimulationResult;
      await take(result);
      if (result.violations.length > 0) endAll();
    }
    const { success, code } = await child.status;
    if (success || isOver) return;
    failure = code;
    endAll();
  }));
  if (failure !== undefined) {
    throw new Error(`Cannot run seeds: a process of theirs exited with ${failure}`);
  }
}

function start(job: SeedJob): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", FLAGS, PROCESS, JSON.stringify(job)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}
