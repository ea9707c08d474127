import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { PurityError, PurityGuard } from "../../../actors/sim/purity.ts";
import { Simulation, SimulationFailure } from "../../../actors/sim/simulation.ts";
import { CALM_WORLD } from "../../../actors/sim/world_options.ts";

const IMPURE: Readonly<Record<string, () => unknown>> = {
  "Date.now": () => Date.now(),
  "new Date()": () => new Date(),
  "Date()": () => (Date as unknown as () => string)(),
  "Math.random": () => Math.random(),
  "performance.now": () => performance.now(),
  "setTimeout": () => setTimeout(() => {}, 0),
  "setInterval": () => setInterval(() => {}, 1000),
  "queueMicrotask": () => queueMicrotask(() => {}),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
  "fetch": () => fetch("http://127.0.0.1:1/"),
  "WeakRef": () => new WeakRef({}),
  "Atomics.wait": () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1),
};

for (const [name, use] of Object.entries(IMPURE)) {
  Deno.test(`purity: a simulated step cannot use ${name}, even through an alias that it catches`, () => {
    const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
    simulation.at(1, "step", () => {
      try {
        use();
      } catch {
        // As a supervisor would.
      }
    });
    const failure = assertThrows(() => simulation.run(), SimulationFailure) as SimulationFailure;
    assertInstanceOf(failure.cause, PurityError);
    assert(failure.message.includes(`Cannot use ${name} in`), failure.message);
  });
}

Deno.test("purity: dates of given times, and their class, work as ever", () => {
  const guard = new PurityGuard();
  guard.enter();
  try {
    assertEquals(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assertEquals(Date.UTC(1970, 0, 2), 86_400_000);
    assert(new Date(5) instanceof Date);
  } finally {
    guard.leave();
  }
  guard.check();
});

Deno.test("purity: everything is as before when the guard has left, also after nested entries", () => {
  const before = [Date, Math.random, performance.now, setTimeout, crypto.randomUUID, WeakRef];
  const guard = new PurityGuard();
  guard.enter();
  guard.enter();
  guard.leave();
  assertThrows(() => Math.random(), PurityError);
  guard.leave();
  const after = [Date, Math.random, performance.now, setTimeout, crypto.randomUUID, WeakRef];
  for (let i = 0; i < before.length; i++) assert(before[i] === after[i], `number ${i}`);
  assert(!Object.hasOwn(performance, "now"));
  assertThrows(() => guard.check(), PurityError);
  guard.check();
});

Deno.test("purity: a run that fails leaves the real world in place", () => {
  const simulation = new Simulation({ seed: 1, world: CALM_WORLD });
  simulation.at(1, "step", () => {
    throw new Error("Broken");
  });
  assertThrows(() => simulation.run(), SimulationFailure);
  assert(Number.isFinite(Date.now() + Math.random()));
});
