/** A seed is a run: what the simulation is for rests on it. */

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { Simulation, SimulationFailure } from "../../actors/sim/simulation.ts";
import { CALM_WORLD } from "../../actors/sim/world_options.ts";
import { toyCluster } from "./toy_cluster.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const FOR_MS = 10_000;

function run(seed: number, forMs = FOR_MS): Simulation {
  const simulation = toyCluster({ seed }, forMs);
  simulation.run({ forMs });
  return simulation;
}

Deno.test("determinism: a seed gives the same events, faults and trace each time", () => {
  let faults = 0;
  for (const seed of SEEDS) {
    const first = run(seed);
    assertEquals(first.summary(), run(seed).summary());
    assert(first.events > 100, `${first.events} events`);
    faults += Object.values(first.faults.counts).reduce((sum, count) => sum + count, 0);
  }
  assert(faults > 50, `${faults} faults in all`);
});

Deno.test("determinism: a fresh process runs a seed to the same trace", async () => {
  const script = new URL("./toy_run.ts", import.meta.url);
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--jitless", script.pathname, "1000", "1", "2", "3"],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  const hashes = new TextDecoder().decode(output.stdout).trim().split("\n");
  assertEquals(hashes, [1, 2, 3].map((seed) => run(seed, 1000).traceHash));
});

Deno.test("determinism: other seeds give other runs", () => {
  const hashes = new Set(SEEDS.map((seed) => run(seed).traceHash));
  assertEquals(hashes.size, SEEDS.length);
});

Deno.test("determinism: a run in slices is the run in one go", () => {
  const sliced = toyCluster({ seed: 3 }, FOR_MS);
  while (sliced.events < 2000) sliced.run({ events: 7 });
  sliced.run({ forMs: FOR_MS - sliced.nowMs });
  assertEquals(sliced.traceHash, run(3).traceHash);
});

Deno.test("determinism: looking on changes nothing", () => {
  const watched = toyCluster({ seed: 4, trace: () => {} }, FOR_MS);
  let seen = 0;
  watched.afterEvent(() => seen++);
  watched.run({ forMs: FOR_MS });
  assertEquals(watched.traceHash, run(4).traceHash);
  assertEquals(seen, watched.events);
});

Deno.test("determinism: a run with promises gives the same trace each time, and as without them", async () => {
  const runAsync = async () => {
    const simulation = toyCluster({ seed: 5 }, 2000);
    await simulation.runAsync({ forMs: 2000 });
    return simulation.traceHash;
  };
  const withoutPromises = toyCluster({ seed: 5 }, 2000);
  withoutPromises.run({ forMs: 2000 });
  assertEquals(await runAsync(), withoutPromises.traceHash);
});

Deno.test("trace: a line tells the time, the node and the kind of each event", () => {
  const lines: string[] = [];
  const simulation = toyCluster({ seed: 6, world: CALM_WORLD, trace: (line) => lines.push(line) });
  simulation.run({ forMs: 100 });
  const text = lines.join("\n");
  for (const word of ["message", "timer", "disk sync", "net.arrive", "/greeter greet", "heard"]) {
    assert(text.includes(word), `no ${word} in:\n${text.slice(0, 1000)}`);
  }
  assert(/^\d+\.\d{3} #\d+ [abc] timer 0$/m.test(text));
});

Deno.test("simulation: hours pass in no time where little happens", () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  let fired = 0;
  const tick = () => {
    fired++;
    simulation.at(3_600_000, "tick", tick);
  };
  tick();
  const result = simulation.run({ forMs: 1000 * 3_600_000 });
  assertEquals(result, { reason: "time", events: 1000 });
  assertEquals(fired, 1001);
  assertEquals(simulation.nowMs, 1000 * 3_600_000);
});

Deno.test("simulation: a run ends at its time, number of events or condition, or when idle", () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  for (let i = 1; i <= 10; i++) simulation.at(i, "tick", () => {});
  assertEquals(simulation.run({ events: 3 }), { reason: "events", events: 3 });
  assertEquals(simulation.run({ forMs: 2 }), { reason: "time", events: 2 });
  assertEquals(simulation.nowMs, 5);
  const until = () => simulation.events === 7;
  assertEquals(simulation.run({ until }), { reason: "condition", events: 2 });
  assertEquals(simulation.run(), { reason: "idle", events: 3 });
});

Deno.test("simulation: a failure names seed, event, time and node, and keeps its cause", () => {
  const simulation = new Simulation({ seed: "odd", world: CALM_WORLD });
  const cause = new Error("Lost a record");
  simulation.at(5, "tick", () => {});
  simulation.afterEvent(({ what }) => {
    if (what === "tick") throw cause;
  });
  const failure = assertThrows(() => simulation.run(), SimulationFailure) as SimulationFailure;
  assertEquals(
    failure.message,
    "Simulation of seed odd failed at event 1, 5 ms, tick at simulation: Lost a record",
  );
  assertEquals(failure.cause, cause);
});

Deno.test("simulation: explicit options replace drawn ones, and the rest stays as drawn", () => {
  const drawn = new Simulation({ seed: 9 }).world;
  const given = new Simulation({ seed: 9, world: { linkMinUs: 123_456 } }).world;
  assertEquals(given, { ...drawn, linkMinUs: 123_456 });
  const replayed = toyCluster({ seed: 2, world: toyCluster({ seed: 2 }, FOR_MS).world }, FOR_MS);
  replayed.run({ forMs: FOR_MS });
  assertEquals(replayed.traceHash, run(2).traceHash);
});

Deno.test("simulation: runAsync lets all promises go on before time does", async () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  const node = simulation.node("client");
  const seen: string[] = [];
  node.start((environment) => {
    const sleep = (ms: number) =>
      new Promise<void>((resolve) => environment.timers.schedule(ms, resolve));
    const client = async (name: string) => {
      for (let i = 0; i < 3; i++) {
        await sleep(10);
        for (let hop = 0; hop < 40; hop++) await undefined;
        seen.push(`${name}${i} at ${simulation.nowMs}`);
      }
    };
    client("x");
    client("y");
    return { crash: () => {} };
  });
  const result = await simulation.runAsync();
  assertEquals(result.reason, "idle");
  assertEquals(seen, ["x0 at 10", "y0 at 10", "x1 at 20", "y1 at 20", "x2 at 30", "y2 at 30"]);
});

Deno.test("simulation: settle refuses while an operation of the host is under way, or never rests", async () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  const end = simulation.beginOperation();
  await assertRejects(() => simulation.settle(), Error, "1 operations of the host");
  end();
  end();
  await simulation.settle();
  let going = true;
  (async () => {
    while (going) {
      simulation.at(1, "tick", () => {});
      await undefined;
    }
  })();
  await assertRejects(() => simulation.settle(), Error, "go on for ever");
  going = false;
});

Deno.test("simulation: an asynchronous run cannot use the real world either", async () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  simulation.at(1, "tick", () => {
    Promise.resolve().then(() => Math.random()).catch(() => {});
  });
  simulation.at(2, "tick", () => {});
  await assertRejects(() => simulation.runAsync(), SimulationFailure, "Cannot use Math.random");
  assertNotEquals(Math.random(), Math.random());
});
