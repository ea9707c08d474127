/** A round of a load with what the processes that took part used meanwhile. */

import type { Throughput } from "./load/produce.ts";
import type { RoleProcess } from "./role_process.ts";

/** Seconds of processor time that each of the processes took, in their order. */
export interface MeasuredRound extends Throughput {
  readonly cpuSeconds: readonly number[];
}

export async function measureRound(
  processes: readonly RoleProcess[],
  run: () => Promise<Throughput>,
): Promise<MeasuredRound> {
  const before = processes.map(({ usage }) => usage?.cpuMs ?? Number.NaN);
  const throughput = await run();
  const cpuSeconds = processes.map(({ usage }, index) =>
    ((usage?.cpuMs ?? Number.NaN) - before[index]!) / 1000
  );
  return { ...throughput, cpuSeconds };
}

/** Of the process at `index`, for a million records. */
export function cpuPerMillion(round: MeasuredRound, index: number): number {
  return round.cpuSeconds[index]! / round.records * 1e6;
}
