import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { checkPlacement, placeReplicas } from "../../../actors/controller/placement.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import type { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import { refusalOf } from "./decision_world.ts";
import { brokerRecord, imageOf } from "./images.ts";

const rules = new ControllerRules();

function place(image: ClusterImage, random: SeededStream, partitions: number, factor: number) {
  return placeReplicas({ image, random, rules }, partitions, factor);
}

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
    const placed = place(brokers(count), random, partitions, factor);
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
  const placed = place(image, new SeededStream(1, 2, 3), 4, 1);
  assertEquals(placed, [[1], [1], [1], [1]]);
  const { code } = refusalOf(() => place(image, new SeededStream(1, 2, 3), 1, 2));
  assertEquals(code, ErrorCode.INVALID_REPLICATION_FACTOR);
});

Deno.test("placement: the same chance places the same", () => {
  const placed = () => place(brokers(5), new SeededStream(4, 5, 6), 9, 3);
  assertEquals(placed(), placed());
});

Deno.test("placement: one made by hand needs replicas, each once, on brokers that are there", () => {
  const image = brokers(3);
  checkPlacement(image, [3, 1]);
  for (const replicas of [[], [1, 1], [4]]) {
    const { code } = refusalOf(() => checkPlacement(image, replicas));
    assertEquals(code, ErrorCode.INVALID_REPLICA_ASSIGNMENT);
  }
});

/** Brokers of which the first stands in the first of the racks, and so on. */
function racked(...racks: readonly (string | null)[]) {
  return imageOf(racks.map((rack, index) => brokerRecord(index + 1, 100, { rack })));
}

Deno.test("placement: each rack has a replica before any has two", () => {
  const racks = ["a", "a", "b", "b", "b", "c"];
  for (const factor of [2, 3, 4, 5, 6]) {
    for (const replicas of place(racked(...racks), new SeededStream(factor, 2, 3), 30, factor)) {
      assertEquals(new Set(replicas).size, factor);
      const used = replicas.map((id) => racks[id - 1]);
      const distinct = new Set(used).size;
      assertEquals(distinct, Math.min(factor, 3), `${replicas}`);
    }
  }
});

Deno.test("placement: leaders take turns over all brokers, whatever their racks", () => {
  const placed = place(racked("a", "a", "a", "b"), new SeededStream(5, 5, 5), 8, 2);
  const leads = placed.map(([leader]) => leader).toSorted();
  assertEquals(leads, [1, 1, 2, 2, 3, 3, 4, 4]);
});

Deno.test("placement: brokers that name no rack share one", () => {
  const placed = place(racked(null, null, "a"), new SeededStream(5, 5, 5), 6, 2);
  for (const replicas of placed) assertEquals(replicas.includes(3), true, `${replicas}`);
});
