import { assert, assertEquals } from "@std/assert";
import type { ClusterChecker } from "../../../actors/sim/checkers/cluster_checker.ts";
import { chooseCore } from "../../../actors/sim/liveness.ts";

/** A checker that has seen one partition of nodes 1 to 5, all of whose replicas serve. */
function seen(isr: readonly number[], eligible: readonly number[]): ClusterChecker {
  const replicas = [1, 2, 3, 4, 5];
  const truth = { replicas, isr, elr: eligible, lastKnownElr: [], adding: [], removing: [] };
  const serving = { view: { log: { isOpen: true } } };
  const partition = {
    truth,
    isDeleted: false,
    replicas: new Map(replicas.map((id) => [id, serving])),
  };
  return {
    metadata: { image: { topicByName: () => ({}) } },
    tracks: { partitions: new Map([["t-0", partition]]) },
  } as unknown as ClusterChecker;
}

/** The brokers of the core that comes of an order. */
function core(checker: ClusterChecker, order: readonly number[]): readonly number[] {
  return chooseCore(checker, {
    voters: [1],
    brokers: [1, 2, 3, 4, 5],
    running: new Set([1, 2, 3, 4, 5]),
    minInsyncReplicas: 1,
    topics: ["t"],
    order: (ids) => order.filter((id) => ids.includes(id)),
  }).brokers;
}

Deno.test("liveness: a core has all that are in sync: the others may be taken out of the ISR yet", () => {
  const checker = seen([3, 4], []);
  assertEquals(core(checker, [3, 2, 4, 5, 1]), [1, 2, 3, 4]);
  assertEquals(core(checker, [4, 3, 1, 2, 5]), [1, 3, 4]);
});

Deno.test("liveness: a core has all that may be elected, and need not have the others", () => {
  const brokers = core(seen([2], [5]), [2, 5, 1, 3, 4]);
  assert(brokers.includes(2) && brokers.includes(5), `${brokers}`);
  assert(!brokers.includes(3) && !brokers.includes(4), `${brokers}`);
});
