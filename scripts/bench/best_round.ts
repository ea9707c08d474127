/** Choosing among rounds of the same work, of which noise makes some slower. */

import type { Bench } from "./bench.ts";

/** The best of the measured rounds, after one that only warms up. */
export async function bestRound<Round extends { readonly elapsedMs: number }>(
  bench: Bench,
  run: (round: number) => Promise<Round>,
): Promise<Round> {
  let best: Round | undefined;
  for (let round = 0; round <= bench.rounds; round++) {
    const result = await run(round);
    if (round === 0) continue;
    if (best === undefined || result.elapsedMs < best.elapsedMs) best = result;
  }
  if (best === undefined) throw new Error("Cannot choose the best of no rounds");
  return best;
}
