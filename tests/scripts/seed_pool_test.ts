/** Seeds on several cores are the seeds on one. */

import { assert, assertEquals } from "@std/assert";
import type { SeedJob } from "../../scripts/sim/seed_job.ts";
import { replayCommand } from "../../scripts/sim/replay.ts";
import { SimTotals } from "../../scripts/sim/sim_totals.ts";
import { runSeed } from "../../scripts/sim/seed_job.ts";
import { runSeeds } from "../../scripts/sim/seed_pool.ts";

const JOB: SeedJob = {
  options: { run: { nodes: 3, voters: 1, faultsForMs: 300 }, kinds: ["crash"] },
  from: 11,
  step: 1,
  to: 15,
};

async function hashesOf(job: SeedJob, processes: number): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  await runSeeds(job, processes, ({ seed, traceHash }) => {
    hashes[seed] = traceHash;
  });
  return hashes;
}

Deno.test("seed pool: each seed runs once, and to the same trace whichever process runs it", async () => {
  const alone = await hashesOf(JOB, 1);
  assertEquals(Object.keys(alone), ["11", "12", "13", "14"]);
  assertEquals(await hashesOf(JOB, 2), alone);
});

Deno.test("seed pool: the first seed that breaks a rule is the last that is told of", async () => {
  // An administrator who is to do something to one of no topics ends the run.
  const run = { nodes: 1, topics: [], adminActions: ["reassign"], adminEveryMs: 10 } as const;
  const broken: SeedJob = { ...JOB, options: { run, faults: [] } };
  assertEquals(Object.keys(await hashesOf(broken, 1)), ["11"]);
  assertEquals(Object.keys(await hashesOf(broken, 2)).length, 1);
});

Deno.test("seed pool: without time no seed begins", async () => {
  assertEquals(await hashesOf({ ...JOB, ms: 0 }, 2), {});
});

Deno.test("seed pool: a process that dies is no run without violations", async () => {
  const options = { run: { nodes: -1 } };
  let failed = false;
  try {
    await runSeeds({ ...JOB, options }, 2, () => {});
  } catch (error) {
    failed = true;
    assert(error instanceof Error && /exited with/.test(error.message));
  }
  assert(failed);
});

/** A workload of the real clients each. */
const OF_CLIENTS: SeedJob = { options: { run: { faultsForMs: 3000 } }, from: 10, step: 10, to: 60 };

Deno.test("seed pool: each tenth seed has the real clients, breaks no rule, and is counted", async () => {
  const totals = new SimTotals();
  const workloads = new Set<string | undefined>();
  await runSeeds({ ...OF_CLIENTS, from: 9, step: 1, to: 12 }, 1, ({ seed, clients }) => {
    assertEquals(clients !== undefined, seed === 10);
  });
  await runSeeds(OF_CLIENTS, 1, (result) => {
    assertEquals(result.violations, [], replayCommand({ seed: result.seed, seconds: 3 }));
    workloads.add(result.clients);
    totals.add(result);
  });
  assertEquals([...workloads].sort(), ["records", "transactions"]);
  assertEquals(totals.ofClients, 5);
});

Deno.test("seed pool: a seed of the real clients runs again to the same trace, and with its faults given", async () => {
  const options = { ...OF_CLIENTS.options, seed: 20 };
  const first = await runSeed(options);
  assertEquals(await runSeed(options), first);
  const given = await runSeed({ ...options, faults: first.faults });
  assertEquals(given.traceHash, first.traceHash);
  const calm = await runSeed({ ...options, faults: [] });
  assertEquals([calm.faults, calm.run], [[], first.run]);
});
