/** Prints the trace hash of each seed given after the milliseconds; for comparing processes. */

import { toyCluster } from "./toy_cluster.ts";

const [forMs, ...seeds] = Deno.args.map(Number);

for (const seed of seeds) {
  const simulation = toyCluster({ seed }, forMs!);
  simulation.run({ forMs: forMs! });
  console.log(simulation.traceHash);
}
