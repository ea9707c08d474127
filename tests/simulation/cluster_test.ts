/** Whole clusters in the simulated world: seeds that break nothing and are about something. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { Admin } from "../../actors/client/admin/admin.ts";
import {
  type ClusterSimulationOptions,
  simulateCluster,
} from "../../actors/sim/cluster_simulation.ts";
import { CLUSTER_KINDS, type ClusterRunOptions } from "../../actors/sim/cluster_options.ts";
import { STATE_RULES } from "../../actors/sim/checkers/verdicts.ts";
import { libraryWorkload } from "../../actors/sim/library_workload.ts";
import { simulate, type SimulatedWorld, type SimulateOptions } from "../../actors/sim/simulate.ts";
import { replayCommand } from "../../scripts/sim/replay.ts";
import { SimTotals } from "../../scripts/sim/sim_totals.ts";

const SEEDS = 200;
const FAULTS_FOR_MS = 6000;

/** What need not happen in so few and short runs. */
const RARE: ReadonlySet<string> = new Set([
  "divergences over several epochs",
  "elections of last known leaders",
  "unclean elections",
  "reassignments completed",
  "rotten logs replaced",
]);

Deno.test("simulated cluster: no seed breaks a rule, and the runs are about something", () => {
  const totals = new SimTotals();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = simulateCluster({ seed, run: { faultsForMs: FAULTS_FOR_MS } });
    const replay = replayCommand({ seed, seconds: FAULTS_FOR_MS / 1000 });
    assertEquals(result.violations, [], replay);
    totals.add(result);
  }
  assertEquals(totals.vacuous.filter((name) => !RARE.has(name)), []);
  assertEquals(CLUSTER_KINDS.filter((kind) => !totals.faults.has(kind)), []);
  const { evaluations } = totals;
  const unheld = Object.keys(STATE_RULES).filter((rule) => (evaluations.get(rule) ?? 0) === 0);
  assertEquals(unheld, []);
  for (const rule of ["lost-write", "inconsistent-offsets", "duplicate", "poll-skip", "unseen"]) {
    assertGreater(evaluations.get(rule) ?? 0, SEEDS, rule);
  }
});

Deno.test("simulated cluster: what rots on a disk is served to nobody, and fetched anew", () => {
  const topic = { name: "topic-0", partitions: 2, replicationFactor: 3, configs: {} };
  const run: Partial<ClusterRunOptions> = {
    nodes: 3,
    minInsyncReplicas: 2,
    topics: [{ ...topic, mode: "idempotent", isVolatile: false }],
    faults: { "bit-rot": 3000, "leader-burst": 3000, "client-crash": 4000, crash: 8000 },
    faultsForMs: 15_000,
  };
  let rotted = 0;
  let replaced = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { violations, faultCounts, vacuity } = simulateCluster({ seed, run });
    assertEquals(violations, [], `seed ${seed}`);
    rotted += faultCounts["bit-rot"] ?? 0;
    replaced += vacuity["rotten logs replaced"] ?? 0;
  }
  assertGreater(rotted, 20);
  assertGreater(replaced, 5);
});

const SAME = { seed: 11, run: { nodes: 3, faultsForMs: 1000 } };

Deno.test("simulated cluster: the same seed gives the same run, to the last bit", () => {
  const first = simulateCluster(SAME);
  assertEquals(simulateCluster(SAME), first);
  assert(simulateCluster({ ...SAME, seed: 12 }).traceHash !== first.traceHash);
});

Deno.test("simulated cluster: a fresh process runs a seed to the same trace", async () => {
  const script = new URL("./cluster_run.ts", import.meta.url);
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--jitless", script.pathname, JSON.stringify(SAME)],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  const hash = new TextDecoder().decode(output.stdout).trim();
  assertEquals(hash, simulateCluster(SAME).traceHash);
});

Deno.test("simulated cluster: explicit options and faults give the run that they were drawn for", () => {
  const drawn = simulateCluster(SAME);
  const { run, world, faults } = drawn;
  const given: ClusterSimulationOptions = { seed: SAME.seed, run, world, faults };
  assertEquals(simulateCluster(given).traceHash, drawn.traceHash);
});

Deno.test("simulate: a workload of the real clients keeps every promise under faults", async () => {
  let acknowledged = 0;
  for (let seed = 1; seed <= 10; seed++) {
    const result = await simulate({
      seed,
      faultsForMs: 5000,
      workload: (world) => {
        const { history } = world;
        return libraryWorkload(world, {
          partitions: 2,
          replicationFactor: 3,
          producers: 2,
          consumers: 1,
          everyMs: 50,
          sendForMs: 5000,
        }).then(() => {
          acknowledged += history.counts.sends.ok;
        });
      },
    });
    assertEquals(result.violations, [], `seed ${seed}`);
  }
  assertGreater(acknowledged, 200);
});

Deno.test("simulate: the same seed gives the same run, and what a check throws is a violation", async () => {
  const options = (check: (nowMs: number) => void) => ({
    seed: 5,
    nodes: 1,
    faults: "none" as const,
    check,
    workload: (world: SimulatedWorld) => world.sleep(1000),
  });
  const first = await simulate(options(() => {}));
  assertEquals(await simulate(options(() => {})), first);
  const broken = await simulate(options((nowMs) => {
    if (nowMs > 500) throw new Error("too late");
  }));
  assertEquals(broken.violations[0], { rule: "check", message: "too late" });
});

/** A topic of two replicas loses the leader that alone has its records; the other leads. */
const UNCLEAN: SimulateOptions = {
  seed: 1,
  faults: [
    { at: 4000, kind: "crash", node: "node-2", downMs: 4000 },
    { at: 7000, kind: "crash", node: "node-1", downMs: 15_000 },
  ],
  properties: { "broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500" },
  workload: async ({ bootstrap, environment, history, lossy, sleep }) => {
    await sleep(1000);
    await using admin = await Admin.connect([...bootstrap], { environment });
    const configs = { "unclean.leader.election.enable": "true", "min.insync.replicas": "1" };
    await admin.createTopics([
      { name: "kept", partitions: 1, replicationFactor: 3 },
      { name: "given-up", assignments: [[1, 2]], configs },
    ]);
    assertEquals([...lossy], []);
    await sleep(19_000);
    for (const partition of ["kept-0", "given-up-0"]) {
      for (const value of [1, 2]) {
        history.polled("reader", [{ kind: "poll", partition, records: [{ offset: 0, value }] }]);
      }
    }
  },
};

Deno.test("simulate: an unclean election suspends the history of its partition and of no other", async () => {
  const seen: string[] = [];
  const result = await simulate({
    ...UNCLEAN,
    workload: async (world) => {
      await UNCLEAN.workload(world);
      seen.push(...world.lossy);
    },
  });
  assertEquals(result.vacuity["unclean elections"], 1);
  assertEquals(seen, ["given-up-0"]);
  const found = result.violations.filter(({ rule }) => rule === "inconsistent-offsets");
  assertEquals(found.map(({ message }) => message.slice(0, 6)), ["kept-0"]);
});

Deno.test("simulate: an empty list of faults is none", async () => {
  const result = await simulate({
    seed: 3,
    faults: [],
    workload: ({ sleep }) => sleep(20_000),
  });
  assertEquals([result.faults, result.faultCounts, result.violations], [[], {}, []]);
});

Deno.test("simulate: a workload that throws or never ends is a violation", async () => {
  const run = (workload: () => Promise<void>) =>
    simulate({ seed: 1, nodes: 1, faults: "none", workload, timeoutMs: 2000 });
  const thrown = await run(() => Promise.reject(new Error("I give up")));
  assertEquals(thrown.violations, [{ rule: "workload", message: "I give up" }]);
  const endless = await run(() => new Promise(() => {}));
  assertEquals(endless.violations.map(({ rule }) => rule), ["workload"]);
});
