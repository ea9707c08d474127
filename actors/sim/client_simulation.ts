/**
 * Seeds whose workload are the real clients, in place of the engines that `simulateCluster` has:
 * what is drawn, how large it is, and the result in the same form, so that such a seed is counted,
 * reported, shrunk and replayed as any other.
 *
 * Does not judge: the workloads do, and the rules of histories and states.
 *
 * @module
 */

import type { RandomStream } from "../runtime/environment.ts";
import { CLUSTER_KINDS, type ClusterRunOptions, drawClusterOptions } from "./cluster_options.ts";
import type { ClusterSimulationOptions, ClusterSimulationResult } from "./cluster_simulation.ts";
import { History } from "./history.ts";
import { libraryWorkload } from "./library_workload.ts";
import { between, pick, SeededRandom } from "./random.ts";
import type { Violation } from "./record_checker.ts";
import { simulate, type SimulatedWorld, type SimulateResult } from "./simulate.ts";
import { transferWorkload } from "./transfer_workload.ts";

/** Of a cluster's options those that do not ask for its own workload, or its rigging. */
export type ClientSimulationOptions = Pick<
  ClusterSimulationOptions,
  "seed" | "run" | "kinds" | "faults" | "protocol" | "trace" | "log"
>;

/** What transactions need to be over in short runs. */
const PROPERTIES = {
  "transaction.state.log.num.partitions": "2",
  "offsets.topic.num.partitions": "2",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
  "group.initial.rebalance.delay.ms": "100",
  // Clocks that are set back by hours are no reason to refuse records.
  "log.message.timestamp.after.max.ms": "9223372036854775807",
};

/** Runs one seed with the real clients. The same options give the same result, to the last bit. */
export async function simulateClients(
  options: ClientSimulationOptions,
): Promise<ClusterSimulationResult> {
  const { seed, kinds = CLUSTER_KINDS, faults, protocol, trace, log } = options;
  const random = new SeededRandom(seed).stream("clients");
  const nodes = options.run?.nodes ?? pick(random, [3, 3, 3, 5]);
  const given = { nodes, voters: Math.min(nodes, 3), combined: true, topics: [], ...options.run };
  // A workload is one program: nobody but itself could start it a second time.
  const drawn = drawClusterOptions(random, given, kinds.filter((kind) => kind !== "client-crash"));
  const run = { ...drawn, properties: { ...drawn.properties, ...PROPERTIES } };
  const { clients, work } = drawWorkload(random, run);
  const seen = { history: new History(), requests: {} as Readonly<Record<string, number>> };
  const result = await simulate({
    seed,
    run,
    nodes,
    faultsForMs: run.faultsForMs,
    ...(faults === undefined ? {} : { faults }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(trace === undefined ? {} : { trace }),
    ...(log === undefined ? {} : { log }),
    workload: async (world) => {
      seen.history = world.history;
      seen.requests = await work(world);
    },
  });
  const { history } = seen;
  return {
    ...result,
    clients,
    violations: owed(result, clients),
    operations: history.counts,
    requests: seen.requests,
    history: history.operations,
  };
}

/**
 * A transaction spans partitions, those of its coordinator among them: where an unclean election
 * gave something up, what the workload itself finds proves nothing. All else is held still.
 */
function owed(
  { violations, vacuity }: SimulateResult,
  clients: "records" | "transactions",
): readonly Violation[] {
  if (clients === "records" || (vacuity["unclean elections"] ?? 0) === 0) return violations;
  return violations.filter(({ rule }) => rule !== "workload");
}

interface Workload {
  readonly clients: "records" | "transactions";
  /** Returns what it did besides, by what it was. */
  readonly work: (world: SimulatedWorld) => Promise<Readonly<Record<string, number>>>;
}

/** Plain records or transactions, a few clients of each. */
function drawWorkload(random: RandomStream, run: ClusterRunOptions): Workload {
  const forMs = run.faultsForMs;
  const replicationFactor = Math.min(run.nodes, 3);
  const partitions = between(random, 1, 3);
  const everyMs = pick(random, [200, 400, 700]);
  if (random.chance(1, 2)) {
    const producers = between(random, 1, 3);
    const consumers = between(random, 1, 2);
    const size = { partitions, replicationFactor, producers, consumers, everyMs };
    const work = (world: SimulatedWorld) =>
      libraryWorkload(world, { ...size, sendForMs: forMs }).then(() => ({}));
    return { clients: "records", work };
  }
  const transactors = between(random, 1, 3);
  const takenOverAfter = between(random, 5, 30);
  const size = { partitions, replicationFactor, transactors, takenOverAfter, everyMs };
  const work = async (world: SimulatedWorld) => {
    const counts = await transferWorkload(world, { ...size, forMs });
    return {
      "transfers committed": counts.committed,
      "transfers aborted": counts.aborted,
      "transfers unknown": counts.unknown,
      "records copied": counts.copied,
      "producers fenced": counts.fenced,
    };
  };
  return { clients: "transactions", work };
}
