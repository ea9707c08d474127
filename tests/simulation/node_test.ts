import { assert, assertEquals, assertGreater } from "@std/assert";
import { RecordChecker } from "../../actors/sim/record_checker.ts";
import { type NodeSimulationResult, simulateNode } from "../../actors/sim/node_simulation.ts";
import { shrinkList } from "../../actors/sim/shrink.ts";

const SEEDS = 200;
const FAULTS_FOR_MS = 20_000;

function rulesBroken(checker: RecordChecker): string[] {
  return [...new Set(checker.violations.map(({ rule }) => rule))].sort();
}

Deno.test("simulated node: no seed breaks a rule, and the runs are about something", () => {
  const results: NodeSimulationResult[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = simulateNode({ seed, faultsForMs: FAULTS_FOR_MS });
    assertEquals(result.violations, [], `deno task sim --seed ${seed} --seconds 20`);
    results.push(result);
  }
  const sum = (count: (result: NodeSimulationResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  assertGreater(sum(({ operations }) => operations.ok), 10 * SEEDS);
  assertGreater(sum(({ operations }) => operations.recordsRead), 20 * SEEDS);
  assertGreater(sum(({ faultCounts }) => faultCounts["power-loss"] ?? 0), 10);
  assertGreater(sum(({ faultCounts }) => faultCounts["crash"] ?? 0), 10);
  assertGreater(sum(({ faultCounts }) => faultCounts["handler-throw"] ?? 0), 10);
  assertGreater(sum(({ faultCounts }) => faultCounts["sync-fails"] ?? 0), 5);
  assertGreater(sum(({ tornLogsCut }) => tornLogsCut), 0);
  for (const rule of ["lost-write", "inconsistent-offsets", "poll-skip", "nonmonotonic-send"]) {
    assertGreater(sum(({ evaluations }) => evaluations[rule] ?? 0), 10 * SEEDS, rule);
  }
});

Deno.test("simulated node: the same seed gives the same run, to the last bit", () => {
  const first = simulateNode({ seed: 7, faultsForMs: FAULTS_FOR_MS });
  const second = simulateNode({ seed: 7, faultsForMs: FAULTS_FOR_MS });
  assertEquals(second, first);
  const other = simulateNode({ seed: 8, faultsForMs: FAULTS_FOR_MS });
  assert(other.traceHash !== first.traceHash);
});

Deno.test("simulated node: without flush.before.ack a power cut is seen to lose records", () => {
  const lost = [1, 2, 3, 4, 5, 6, 7, 8].some((seed) =>
    simulateNode({ seed, faultsForMs: 60_000, flushBeforeAck: false, kinds: ["power-loss"] })
      .violations.some(({ rule }) => rule === "lost-write" || rule === "inconsistent-offsets")
  );
  assert(lost, "the checker does not notice what it is there for");
});

Deno.test("record checker: a good history breaks no rule", () => {
  const checker = new RecordChecker(1);
  checker.sent(0, "a", [1, 2], { kind: "ok", offset: 0 });
  checker.sent(0, "a", [3], { kind: "info" });
  checker.read(0, 0, 0, 1);
  checker.read(0, 1, 1, 2);
  checker.read(0, 2, 2, 3);
  checker.visible(0, 3);
  checker.finish([[1, 2, 3]]);
  assertEquals(rulesBroken(checker), []);
});

Deno.test("record checker: each bad history breaks its rule", () => {
  const histories: [rule: string, history: (checker: RecordChecker) => void][] = [
    ["inconsistent-offsets", (checker) => {
      checker.read(0, 0, 0, 1);
      checker.read(0, 0, 0, 2);
    }],
    ["duplicate", (checker) => {
      checker.read(0, 0, 0, 1);
      checker.read(0, 1, 1, 1);
    }],
    ["aborted-read", (checker) => {
      checker.sent(0, "a", [1], { kind: "fail" });
      checker.read(0, 0, 0, 1);
    }],
    ["aborted-read", (checker) => {
      checker.read(0, 0, 0, 1);
      checker.sent(0, "a", [1], { kind: "fail" });
    }],
    ["nonmonotonic-send", (checker) => {
      checker.sent(0, "a", [1], { kind: "ok", offset: 5 });
      checker.sent(0, "a", [2], { kind: "ok", offset: 4 });
    }],
    ["poll-skip", (checker) => checker.read(0, 0, 1, 1)],
    ["high-watermark", (checker) => {
      checker.visible(0, 5);
      checker.visible(0, 4);
    }],
    ["lost-write", (checker) => {
      checker.sent(0, "a", [1], { kind: "ok", offset: 0 });
      checker.finish([[]]);
    }],
    ["corrupt-read", (checker) => checker.corrupt(0, "a wrong checksum")],
  ];
  for (const [rule, history] of histories) {
    const checker = new RecordChecker(1);
    history(checker);
    assertEquals(rulesBroken(checker), [rule]);
  }
});

Deno.test("shrinking keeps what is needed, and nothing else", () => {
  const items = Array.from({ length: 40 }, (_, index) => index);
  const needed = (kept: readonly number[]) => kept.includes(3) && kept.includes(29);
  assertEquals(shrinkList(items, needed), [3, 29]);
});
