/** Prints the trace hash of a simulated cluster, whose options are given as JSON; for comparing. */

import { simulateCluster } from "../../actors/sim/cluster_simulation.ts";

console.log(simulateCluster(JSON.parse(Deno.args[0]!)).traceHash);
