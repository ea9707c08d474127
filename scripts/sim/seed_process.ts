/**
 * A process that runs a job of seeds, given as JSON, and writes a line of JSON for each: a core's
 * share of what seed_pool.ts runs.
 *
 * @module
 */

import { jsonLine } from "../bench/lines.ts";
import { runSeedJob, type SeedJob } from "./seed_job.ts";

const job: SeedJob = JSON.parse(Deno.args[0]!);
await runSeedJob(job, (result) => {
  // Whoever wants the history runs the seed again.
  const line = jsonLine({ ...result, history: [] });
  for (let written = 0; written < line.length;) {
    written += Deno.stdout.writeSync(line.subarray(written));
  }
});
