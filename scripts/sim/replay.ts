/**
 * The one command that runs a simulated cluster again as it was.
 *
 * @module
 */

import type { Fault, FaultKind } from "../../mod.ts";

/** What a run was asked for; what is left out was drawn from the seed. */
export interface Asked {
  readonly seed: number | string;
  readonly nodes?: number | undefined;
  /** Simulated seconds with faults. */
  readonly seconds?: number | undefined;
  /** Drawing from other kinds of faults gives another run. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** Instead of the faults that were drawn. */
  readonly schedule?: readonly Fault[] | undefined;
}

/** For a shell. */
export function replayCommand({ seed, nodes, seconds, kinds, schedule }: Asked): string {
  return [
    `deno task sim --seed ${seed}`,
    nodes === undefined ? "" : ` --nodes ${nodes}`,
    seconds === undefined ? "" : ` --seconds ${seconds}`,
    kinds === undefined ? "" : ` --faults ${kinds.join()}`,
    schedule === undefined ? "" : ` --schedule '${JSON.stringify(schedule)}'`,
  ].join("");
}
