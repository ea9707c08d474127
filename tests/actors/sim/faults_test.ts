import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  drawFaultPlan,
  drawFaults,
  type Fault,
  FAULT_KINDS,
  type FaultKind,
  type FaultPlan,
  type FaultTargets,
} from "../../../actors/sim/faults.ts";
import { SeededRandom } from "../../../actors/sim/random.ts";
import { Simulation } from "../../../actors/sim/simulation.ts";
import { CALM_WORLD } from "../../../actors/sim/world_options.ts";
import { bootToy } from "../../simulation/toy_cluster.ts";

const NODES = ["a", "b", "c", "d", "e"];

function stream(seed: number) {
  return new SeededRandom(seed).stream("faults");
}

function schedule(seed: number, targets: FaultTargets = { nodes: NODES }): Fault[] {
  const chance = stream(seed);
  return drawFaults(chance, drawFaultPlan(chance, targets), targets, 60_000);
}

Deno.test("faults: a seed gives one schedule, which is plain data in order of time", () => {
  for (let seed = 0; seed < 20; seed++) {
    const faults = schedule(seed);
    assertEquals(JSON.parse(JSON.stringify(faults)), faults);
    assertEquals(schedule(seed), faults);
    assertEquals(faults, [...faults].sort((x, y) => x.at - y.at));
    assert(faults.every(({ at }) => Number.isInteger(at) && at >= 0 && at < 60_000));
  }
  assertNotEquals(schedule(1), schedule(2));
});

Deno.test("faults: plans are subsets, and over many seeds every kind comes and stays away", () => {
  const withKind = new Map<FaultKind, number>();
  const seen = new Set<FaultKind>();
  for (let seed = 0; seed < 100; seed++) {
    const plan = drawFaultPlan(stream(seed), { nodes: NODES });
    for (const kind of Object.keys(plan) as FaultKind[]) {
      withKind.set(kind, (withKind.get(kind) ?? 0) + 1);
    }
    for (const { kind } of schedule(seed)) seen.add(kind);
  }
  for (const kind of FAULT_KINDS) {
    const count = withKind.get(kind) ?? 0;
    assert(count > 25 && count < 75, `${kind} in ${count} of 100 plans`);
    assert(seen.has(kind), `${kind} never drawn`);
  }
});

Deno.test("faults: kinds can be left out", () => {
  const kinds: FaultKind[] = ["pause", "crash"];
  for (let seed = 0; seed < 20; seed++) {
    for (const { kind } of schedule(seed, { nodes: NODES, kinds })) assert(kinds.includes(kind));
  }
});

Deno.test("faults: never more nodes down or damaged than the budget", () => {
  const plan: FaultPlan = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 500]));
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 0, max: 4 }), (seed, max) => {
    const targets = { nodes: NODES, downAtOnceMax: max, damagedMax: max };
    const down: { node: string; from: number; to: number }[] = [];
    const damaged = new Set<string>();
    for (const fault of drawFaults(stream(seed), plan, targets, 20_000)) {
      if (fault.kind === "crash" || fault.kind === "power-loss") {
        for (const node of fault.kind === "crash" ? [fault.node] : fault.nodes) {
          down.push({ node, from: fault.at, to: fault.at + fault.downMs });
        }
        const now = down.filter(({ from, to }) => from === fault.at || to > fault.at);
        assert(new Set(now.map(({ node }) => node)).size <= max, JSON.stringify(fault));
      }
      const damages = fault.kind === "bit-flip" || fault.kind === "sync-fails" ||
        fault.kind === "write-fails";
      if (damages) damaged.add(fault.node);
    }
    assert(damaged.size <= max);
  }));
});

Deno.test("faults: clients have their links broken and nothing else", () => {
  const targets = { nodes: ["a", "b", "c"], hosts: ["client"] };
  let broken = 0;
  for (let seed = 0; seed < 50; seed++) {
    for (const fault of schedule(seed, targets)) {
      if ("node" in fault) assertNotEquals(fault.node, "client");
      if (fault.kind === "power-loss") assert(!fault.nodes.includes("client"));
      if (fault.kind === "partition" && [...fault.from, ...fault.to].includes("client")) broken++;
    }
  }
  assert(broken > 0);
});

/** A toy cluster of three with nothing broken yet. */
function cluster(): Simulation {
  const simulation = new Simulation({
    seed: 1,
    world: CALM_WORLD,
    exited: () => {},
    connectTimeoutMs: 1000,
    retransmitTimeoutMs: 3000,
  });
  for (const name of ["a", "b", "c"]) bootToy(simulation.node(name));
  simulation.run({ forMs: 200 });
  return simulation;
}

Deno.test("fault injector: a crash takes a node down, and it comes back", () => {
  const simulation = cluster();
  const now = simulation.nowMs;
  simulation.faults.schedule([{ at: now + 50, kind: "crash", node: "a", downMs: 100 }]);
  simulation.run({ forMs: 60 });
  assertEquals(simulation.node("a").state, "down");
  simulation.run({ forMs: 100 });
  assertEquals(simulation.node("a").state, "up");
  assertEquals(simulation.faults.counts, { crash: 1 });
});

Deno.test("fault injector: what has no effect is not counted", () => {
  const simulation = cluster();
  simulation.faults.inject({ at: 0, kind: "crash", node: "a", downMs: 100 });
  simulation.faults.inject({ at: 0, kind: "crash", node: "a", downMs: 100 });
  simulation.faults.inject({ at: 0, kind: "pause", node: "a", forMs: 100 });
  simulation.faults.inject({ at: 0, kind: "handler-throw", node: "a", nthMessage: 1 });
  assertEquals(simulation.faults.counts, { crash: 1 });
});

Deno.test("fault injector: a power loss takes several nodes down at the same time", () => {
  const simulation = cluster();
  const nodes = ["a", "c"];
  simulation.faults.inject({
    at: 0,
    kind: "power-loss",
    nodes,
    downMs: 500,
    tornOf1024: 1024,
    names: "any-order",
  });
  assertEquals(simulation.nodes().map(({ state }) => state), ["down", "up", "down"]);
  simulation.run({ forMs: 600 });
  assertEquals(simulation.nodes().map(({ state }) => state), ["up", "up", "up"]);
});

Deno.test("fault injector: a partition stops bytes one way or both, and ends", () => {
  const simulation = cluster();
  const { links, faults } = simulation;
  const partition = (symmetric: boolean) =>
    faults.inject({ at: 0, kind: "partition", from: ["a"], to: ["b", "c"], symmetric, forMs: 100 });
  const state = () =>
    [["a", "b"], ["b", "a"], ["a", "c"], ["b", "c"]]
      .map(([from, to]) => links.partitioned(from!, to!) ? 1 : 0).join("");
  partition(false);
  assertEquals(state(), "1010");
  partition(true);
  assertEquals(state(), "1110");
  simulation.run({ forMs: 150 });
  assertEquals(state(), "0000");
});

Deno.test("fault injector: clogged packets come when the clog ends, slowed ones later by so much", () => {
  const simulation = cluster();
  const { links, faults } = simulation;
  faults.inject({ at: 0, kind: "link-clog", from: "a", to: "b", forMs: 400 });
  faults.inject({ at: 0, kind: "link-delay", from: "b", to: "a", byMs: 30, forMs: 100 });
  assertEquals(links.delay("a", "b"), 400.1);
  assertEquals(links.delay("b", "a"), 30.1);
  simulation.run({ forMs: 150 });
  assertEquals(links.delay("b", "a"), 0.1);
  simulation.run({ forMs: 350 });
  assertEquals(links.delay("a", "b"), 0.1);
});

Deno.test("fault injector: a reset breaks the connections between two hosts", () => {
  const simulation = cluster();
  assertEquals(simulation.network.connectionsOf("a"), 4);
  simulation.faults.inject({ at: 0, kind: "link-reset", first: "a", second: "b" });
  assertEquals(simulation.network.connectionsOf("a"), 2);
  simulation.run({ forMs: 300 });
  assertEquals(simulation.network.connectionsOf("a"), 4);
});

Deno.test("fault injector: disks fill, refuse writes, fail and slow down syncs, and decay", () => {
  const simulation = cluster();
  const { faults } = simulation;
  const node = simulation.node("a");
  const { disk } = node.environment!;
  const file = disk.open("mine", { create: true });
  const attempt = (run: () => void): string => {
    try {
      run();
      return "ok";
    } catch (error) {
      return (error as { kind?: string }).kind ?? String(error);
    }
  };
  const write = () => attempt(() => file.write(new Uint8Array(5000).fill(1), 0));
  faults.inject({ at: 0, kind: "disk-full", node: "a", roomBytes: 100, forMs: 50 });
  assertEquals(write(), "no-space");
  simulation.run({ forMs: 60 });
  assertEquals(write(), "ok");
  faults.inject({ at: 0, kind: "disk-read-only", node: "a", forMs: 50 });
  assertEquals(write(), "read-only");
  simulation.run({ forMs: 60 });
  assertEquals(write(), "ok");
  faults.inject({ at: 0, kind: "write-fails", node: "a", count: 1 });
  assertEquals(write(), "io");
  assertEquals(write(), "ok");
  faults.inject({ at: 0, kind: "sync-fails", node: "a", count: 1 });
  assertEquals(attempt(() => file.sync()), "io");
  assertEquals(attempt(() => file.sync()), "ok");
  faults.inject({ at: 0, kind: "slow-sync", node: "a", byMs: 700, forMs: 10_000 });
  let synced = -1;
  const began = simulation.nowMs;
  file.syncLater(() => synced = simulation.nowMs - began);
  simulation.run({ forMs: 1000 });
  assertEquals(synced, 701);
  const before = node.disk.contents.image();
  faults.inject({ at: 0, kind: "bit-flip", node: "a" });
  let flipped = 0;
  for (const [path, bytes] of node.disk.contents.image()) {
    bytes.forEach((byte, index) => flipped += byte === before.get(path)![index] ? 0 : 1);
  }
  assertEquals(flipped, 1);
});

Deno.test("fault injector: clocks are stepped, and drift for a time", () => {
  const simulation = cluster();
  const { clock } = simulation.node("a");
  simulation.faults.inject({ at: 0, kind: "clock-step", node: "a", byMs: -3_600_000 });
  assertEquals(clock.wallErrorMs, -3_600_000);
  simulation.faults.inject({ at: 0, kind: "clock-drift", node: "a", byPpm: 500, forMs: 1000 });
  assertEquals(clock.driftPpm, 500);
  simulation.run({ forMs: 1500 });
  assertEquals(clock.driftPpm, 0);
});

Deno.test("fault injector: a handler throws where a fault says so", () => {
  const simulation = cluster();
  simulation.faults.inject({ at: 0, kind: "handler-throw", node: "b", nthMessage: 2 });
  simulation.run({ forMs: 300 });
  assertEquals(simulation.node("b").throws, 1);
});

Deno.test("fault injector: healAll mends everything at once, and nothing more comes", () => {
  const simulation = cluster();
  const { faults, links } = simulation;
  const later = simulation.nowMs + 50;
  faults.schedule([
    { at: 0, kind: "crash", node: "a", downMs: 100_000 },
    { at: 0, kind: "pause", node: "b", forMs: 100_000 },
    { at: 0, kind: "partition", from: ["b"], to: ["c"], symmetric: true, forMs: 100_000 },
    { at: 0, kind: "link-clog", from: "a", to: "b", forMs: 100_000 },
    { at: 0, kind: "disk-read-only", node: "c", forMs: 100_000 },
    { at: later, kind: "crash", node: "c", downMs: 10 },
  ]);
  simulation.run({ forMs: 10 });
  assertEquals(simulation.nodes().map(({ state }) => state), ["down", "paused", "up"]);
  assertEquals(Object.values(faults.counts), [1, 1, 1, 1, 1]);
  faults.healAll();
  assertEquals(simulation.nodes().map(({ state }) => state), ["up", "up", "up"]);
  assertEquals(links.partitioned("b", "c"), false);
  assertEquals(links.delay("a", "b"), 0.1);
  assertEquals(simulation.node("c").disk.contents.readOnly, false);
  simulation.run({ forMs: 200_000 });
  assertEquals(simulation.node("c").crashes, 0);
  assertEquals(simulation.nodes().map(({ state }) => state), ["up", "up", "up"]);
});
