import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Refusal } from "../../../actors/controller/decision.ts";
import { checkPlacement, placeReplicas } from "../../../actors/controller/placement.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { brokerRecord, imageOf } from "./images.ts";

function brokers(count: number) {
  return imageOf(Array.from({ length: count }, (_, index) => brokerRecord(index + 1)));
}

Deno.test("placement: replicas of a partition are on brokers of their own, leaders spread evenly", () => {
  const counts = fc.record({
    brokers: fc.integer({ min: 1, max: 7 }),
    partitions: fc.integer({ min: 1, max: 40 }),
    factor: fc.integer({ min: 1, max: 7 }),
    seed: fc.nat(),
  });
  fc.assert(fc.property(counts, ({ brokers: count, partitions, factor, seed }) => {
    fc.pre(factor <= count);
    const random = new SeededStream(seed, 1, 2);
    const placed = placeReplicas(brokers(count), random, partitions, factor);
    assertEquals(placed.length, partitions);
    const leads = new Map<number, number>();
    for (const replicas of placed) {
      assertEquals(new Set(replicas).size, factor);
      assertEquals(replicas.every((id) => id >= 1 && id <= count), true);
      const leader = replicas[0] ?? -1;
      leads.set(leader, (leads.get(leader) ?? 0) + 1);
    }
    const most = Math.max(...leads.values());
    assertEquals(most <= Math.ceil(partitions / count), true);
  }));
});

Deno.test("placement: a fenced broker gets nothing", () => {
  const image = imageOf(brokerRecord(1), brokerRecord(2, 5, { fenced: true }));
  const placed = placeReplicas(image, new SeededStream(1, 2, 3), 4, 1);
  assertEquals(placed, [[1], [1], [1], [1]]);
  assertThrows(() => placeReplicas(image, new SeededStream(1, 2, 3), 1, 2), Refusal);
});

Deno.test("placement: the same chance places the same", () => {
  const place = () => placeReplicas(brokers(5), new SeededStream(4, 5, 6), 9, 3);
  assertEquals(place(), place());
});

Deno.test("placement: one made by hand needs replicas, each once, on brokers that are there", () => {
  const image = brokers(3);
  checkPlacement(image, [3, 1]);
  for (const replicas of [[], [1, 1], [4]]) {
    assertThrows(() => checkPlacement(image, replicas), Refusal);
  }
});
