/** Transactions of the real clients in simulated clusters with faults: P29 to P35. */

import { assert, assertEquals } from "@std/assert";
import { CLUSTER_KINDS } from "../../actors/sim/cluster_options.ts";
import { simulate } from "../../actors/sim/simulate.ts";
import { type TransferCounts, transferWorkload } from "../../actors/sim/transfer_workload.ts";

const SEEDS_MIN = 3;
/** As many until there was enough to judge. */
const SEEDS_MAX = 20;
const FAULTS_FOR_MS = 12_000;

const PROPERTIES = {
  "transaction.state.log.num.partitions": "2",
  "offsets.topic.num.partitions": "2",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
  "group.initial.rebalance.delay.ms": "100",
  // Clocks that are set back by hours are no reason to refuse records.
  "log.message.timestamp.after.max.ms": "9223372036854775807",
};

Deno.test("transactions: whatever befalls the cluster, transfers are whole and copies exact", async () => {
  const totals = { committed: 0, aborted: 0, unknown: 0, copied: 0, fenced: 0 };
  const isEnough = () =>
    totals.committed > 100 && totals.copied > 500 &&
    Object.values(totals).every((count) => count > 0);
  for (let seed = 1; seed <= SEEDS_MIN || !isEnough(); seed++) {
    assert(seed <= SEEDS_MAX, JSON.stringify(totals));
    let counts: TransferCounts | undefined;
    const { violations } = await simulate({
      seed,
      // A client's crash would begin the whole workload anew.
      faults: CLUSTER_KINDS.filter((kind) => kind !== "client-crash"),
      faultsForMs: FAULTS_FOR_MS,
      properties: PROPERTIES,
      workload: async (world) => {
        counts = await transferWorkload(world, {
          partitions: 3,
          replicationFactor: 3,
          transactors: 2,
          everyMs: 50,
          takenOverAfter: 15,
          forMs: FAULTS_FOR_MS,
        });
      },
    });
    assertEquals(violations, [], `seed ${seed}`);
    for (const key of Object.keys(totals) as (keyof TransferCounts)[]) totals[key] += counts![key];
  }
});
