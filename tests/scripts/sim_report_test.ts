/** What is told of a simulated run that broke a rule, and that it can be run again. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { type ClusterSimulationOptions, type Operation, simulateCluster } from "../../mod.ts";
import { LastingEligibility } from "../../scripts/canaries/broken_decisions.ts";
import { OUTAGES } from "../../scripts/canaries/seeds.ts";
import { replayCommand } from "../../scripts/sim/replay.ts";
import { runSeed } from "../../scripts/sim/seed_job.ts";
import { historyLines, shrinkRun, violationLines } from "../../scripts/sim/sim_report.ts";

const SECONDS = 5;
const RUNS_MAX = 8;

function broken(seed: number): ClusterSimulationOptions {
  const run = { ...OUTAGES.options.run, faultsForMs: SECONDS * 1000 };
  return { run, protocol: { ControllerDecisions: LastingEligibility }, seed };
}

Deno.test("sim report: few faults suffice, and the command that is printed runs with just them", async () => {
  let seed = 1;
  let result = simulateCluster(broken(seed));
  while (result.violations.length === 0) result = await runSeed(broken(++seed));
  const options = broken(seed);
  const shrunk = await shrinkRun(options, result, RUNS_MAX);
  assertLess(shrunk.result.faults.length, result.faults.length);
  const lines = violationLines(result, shrunk, { seed, seconds: SECONDS });
  const command = lines.find((line) => line.startsWith("replay: "))!;
  const [, seconds, schedule] = /--seconds (\d+) --schedule '(.*)'$/.exec(command)!;
  const faults = JSON.parse(schedule!);
  const run = { ...options.run, faultsForMs: Number(seconds) * 1000 };
  const again = await runSeed({ ...options, run, faults });
  assertEquals(again.violations[0]?.rule, result.violations[0]?.rule);
  assert(lines.some((line) => line.includes(again.traceHash)), "the very same run");
});

Deno.test("sim report: the command says what the run was asked for, and nothing that was drawn", () => {
  assertEquals(replayCommand({ seed: 7 }), "deno task sim --seed 7");
  assertEquals(
    replayCommand({ seed: 7, nodes: 3, seconds: 6, kinds: ["crash", "pause"], schedule: [] }),
    "deno task sim --seed 7 --nodes 3 --seconds 6 --faults crash,pause --schedule '[]'",
  );
});

function send(index: number, value: number, offset: number, partition = "topic-0-0:a"): Operation {
  const steps = [{ kind: "send", partition, value, offset }] as const;
  return { process: "p", index, kind: "send", outcome: "ok", steps };
}

function poll(index: number, value: number, offset: number, partition = "topic-0-0:a"): Operation {
  const steps = [{ kind: "poll", partition, records: [{ offset, value }] }] as const;
  return { process: "c", index, kind: "poll", outcome: "ok", steps };
}

Deno.test("sim report: of a history only the operations are shown that break the rule", () => {
  const history = [send(0, 1, 0), send(1, 2, 1), send(2, 3, 2), poll(3, 1, 0), poll(4, 9, 2)];
  const [head, ...lines] = historyLines(history, "inconsistent-offsets", "topic-0-0: offset 2");
  assertEquals(head, "what clients did suffices for that:");
  assertEquals(lines, ["  #2 p ok: send 3 at 2", "  #4 c ok: poll 9@2"]);
});

Deno.test("sim report: a rule of states has the last operations on the partition it names", () => {
  const history = [send(0, 1, 0), send(1, 2, 1, "topic-0-1:b"), poll(2, 1, 0)];
  const [head, ...lines] = historyLines(history, "P4 strong-isr", "topic-0-0: 3 of ISR");
  assertEquals(head, "what clients did there last:");
  assertEquals(lines, ["  #0 p ok: send 1 at 0", "  #2 c ok: poll 1@0"]);
});
