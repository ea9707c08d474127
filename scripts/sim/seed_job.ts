/**
 * Running one seed after the other, until so many have run, the time is over, or a rule is broken.
 *
 * @module
 */

import {
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  simulateClients,
  simulateCluster,
} from "../../mod.ts";

/** Which seeds, and how they are run. Can be written as JSON. */
export interface SeedJob {
  /** Of each seed. */
  readonly options: Omit<ClusterSimulationOptions, "seed">;
  readonly from: number;
  /** From one seed to the next. */
  readonly step: number;
  /** No seed from here on; without it there is no last one. */
  readonly to?: number;
  /** Begins seeds for so long. */
  readonly ms?: number;
}

/** One of so many seeds has the real clients for its workload. */
const CLIENTS_ONE_IN = 10;

/** Runs a seed with the workload that it has: the same each time, whatever else is given. */
export async function runSeed(options: ClusterSimulationOptions): Promise<ClusterSimulationResult> {
  return Number(options.seed) % CLIENTS_ONE_IN === 0
    ? await simulateClients(options)
    : simulateCluster(options);
}

/** Told of a seed; the next is told of when it is done. */
export type TakeSeed = (result: ClusterSimulationResult) => void | Promise<void>;

/** Runs a job. A time only decides whether another seed begins. */
export async function runSeedJob(job: SeedJob, take: TakeSeed): Promise<void> {
  const { options, from, step, to = Infinity, ms = Infinity } = job;
  const began = performance.now();
  for (let seed = from; seed < to && performance.now() - began < ms; seed += step) {
    const result = await runSeed({ ...options, seed });
    await take(result);
    if (result.violations.length > 0) return;
  }
}
