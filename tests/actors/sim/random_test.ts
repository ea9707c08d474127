import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { between, exponential, hashText, pick, SeededRandom } from "../../../actors/sim/random.ts";

function draws(random: SeededRandom, name: string, count = 20): number[] {
  const stream = random.stream(name);
  return Array.from({ length: count }, () => stream.integer(2 ** 32));
}

Deno.test("random: a seed and a name give the same draws, other names other draws", () => {
  assertEquals(draws(new SeededRandom(1), "disk"), draws(new SeededRandom(1), "disk"));
  assertEquals(draws(new SeededRandom("1"), "disk"), draws(new SeededRandom(1), "disk"));
  assertNotEquals(draws(new SeededRandom(1), "disk"), draws(new SeededRandom(2), "disk"));
  assertNotEquals(draws(new SeededRandom(1), "disk"), draws(new SeededRandom(1), "net"));
});

Deno.test("random: draws of one stream do not shift those of another", () => {
  const quiet = new SeededRandom(7);
  const busy = new SeededRandom(7);
  draws(busy, "faults", 1000);
  draws(busy, "link a > b", 10);
  assertEquals(draws(quiet, "disk"), draws(busy, "disk"));
});

Deno.test("random: a fork shares no stream with its origin, whatever the names", () => {
  const random = new SeededRandom(3);
  assertNotEquals(draws(random.fork("a"), "b"), draws(random, "b"));
  assertNotEquals(draws(random.fork("a"), "b"), draws(random, "a/b"));
  assertEquals(draws(random.fork("a"), "b"), draws(new SeededRandom(3).fork("a"), "b"));
});

Deno.test("random: the draws of a seed are those of earlier versions", () => {
  assertEquals(draws(new SeededRandom(42), "a", 3), [225_811_300, 4_116_082_528, 1_483_037_024]);
  assertEquals(hashText("strom", 1), 331968029);
});

Deno.test("random: exponential has the mean asked for and a bounded tail", () => {
  const stream = new SeededRandom(5).stream("e");
  let sum = 0;
  let above = 0;
  const count = 50_000;
  for (let i = 0; i < count; i++) {
    const drawn = exponential(stream, 1000);
    assert(Number.isInteger(drawn) && drawn >= 0 && drawn <= 22_000, String(drawn));
    sum += drawn;
    if (drawn > 3000) above++;
  }
  assert(Math.abs(sum / count - 1000) < 20, `mean ${sum / count}`);
  assert(Math.abs(above / count - 0.0498) < 0.005, `${above} above 3 means`);
  assertEquals(exponential(stream, 0), 0);
});

Deno.test("random: pick and between reach all they may and nothing else", () => {
  const stream = new SeededRandom(6).stream("p");
  const picked = new Set<string>();
  const drawn = new Set<number>();
  for (let i = 0; i < 200; i++) {
    picked.add(pick(stream, ["x", "y", "z"]));
    drawn.add(between(stream, -1, 2));
  }
  assertEquals([...picked].sort(), ["x", "y", "z"]);
  assertEquals([...drawn].sort((a, b) => a - b), [-1, 0, 1, 2]);
});
