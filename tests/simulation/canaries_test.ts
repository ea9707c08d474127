/** Bugs made on purpose: that all of them are there, and that the hunt tells what it should. */

import { assert, assertEquals } from "@std/assert";
import { CANARIES, type Canary } from "../../scripts/canaries/canaries.ts";
import { burst, scenario } from "../../scripts/canaries/grounds.ts";
import { falseAlarms, hunt, searched } from "../../scripts/canaries/hunt.ts";
import { type ScenarioName, SCENARIOS } from "../../scripts/canaries/scenarios.ts";

/** The old protocol, the mutations, the classic bugs, and what is switched off. */
const REQUIRED = [
  ...["old", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"],
  ...["b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b14", "b15", "b21", "b22"],
  ...["b13", "b16", "b17", "b18", "b20", "p32", "p33", "p39"],
  ...["dedupe", "fsync"],
];

Deno.test("canaries: the table has every bug that is to be caught, each once", () => {
  const names = CANARIES.map(({ name }) => name);
  const isThere = (bug: string) => names.some((name) => name.replace(/(?<=\d)[a-z]$/, "") === bug);
  assertEquals(REQUIRED.filter((bug) => !isThere(bug)), []);
  assertEquals(names.length, new Set(names).size);
});

/** Of each kind of ground, those that show themselves at once. */
const CHEAP = ["dedupe", "b15", "half", "b6", "b12", "b14l", "b13", "b20", "m7", "m4"];

for (const name of CHEAP) {
  Deno.test(`canaries: ${name} is caught`, () => {
    const { rule, detail } = hunt(CANARIES.find((canary) => canary.name === name)!);
    assert(rule !== undefined, detail);
  });
}

for (const name of Object.keys(SCENARIOS) as ScenarioName[]) {
  Deno.test(`scenario: ${name}: it comes to its end and breaks nothing`, () => {
    assertEquals(falseAlarms({ ground: scenario(name), looks: 1 }), []);
  });
}

const CALM = burst("an answer of one leader comes after another's");

Deno.test("compacted logs: nothing is lost in any of them", () => {
  const ground = CANARIES.find(({ name }) => name === "b20")!.ground;
  assertEquals(falseAlarms({ ground, looks: 40 }), []);
});

Deno.test("canaries: what breaks nothing is said to survive", () => {
  const harmless: Canary = { name: "harmless", summary: "nothing", ground: CALM };
  const { rule, looks } = hunt(harmless);
  assertEquals([rule, looks], [undefined, 1]);
});

Deno.test("canaries: each place that was looked at is looked at once more with nothing broken", () => {
  const canary: Canary = { name: "one", summary: "", ground: CALM };
  const other: Canary = { ...canary, name: "other" };
  const caught = { canary, rule: undefined, where: "", detail: "" };
  const places = searched([{ ...caught, looks: 2 }, { ...caught, canary: other, looks: 7 }]);
  assertEquals(places, [{ ground: CALM, looks: 7 }]);
});
