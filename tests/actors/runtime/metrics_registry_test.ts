import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LogLinearHistogram } from "../../../actors/runtime/histogram.ts";
import { InMemoryMetrics } from "../../../actors/runtime/metrics_registry.ts";

Deno.test("metrics: a name and its labels always give the same instrument", () => {
  const metrics = new InMemoryMetrics();
  metrics.counter("requests", { api: "Fetch", listener: "a" }).add(2);
  metrics.counter("requests", { listener: "a", api: "Fetch" }).add(3);
  metrics.counter("requests", { api: "Produce", listener: "a" }).add(1);
  metrics.counter("requests").add(7);
  metrics.counter("requests", {}).add(1);
  assertEquals(metrics.counter("requests", { api: "Fetch", listener: "a" }).value, 5);
  assertEquals(metrics.counter("requests").value, 8);
});

Deno.test("metrics: labels that look alike when joined stay apart", () => {
  const metrics = new InMemoryMetrics();
  metrics.counter("c", { a: '1","b":"2' }).add(1);
  assertEquals(metrics.counter("c", { a: "1", b: "2" }).value, 0);
});

Deno.test("metrics: asking for an instrument as another kind throws and names both", () => {
  const metrics = new InMemoryMetrics();
  metrics.gauge("x");
  assertThrows(
    () => metrics.counter("x"),
    Error,
    "Cannot use metric x as a counter: it is a gauge",
  );
  assertThrows(() => metrics.histogram("x"), Error, "as a histogram");
});

Deno.test("metrics: reading gives every instrument, sorted by name and labels", () => {
  const metrics = new InMemoryMetrics();
  metrics.histogram("latency").record(4);
  metrics.gauge("leaders", { topic: "b" }).set(2.5);
  metrics.gauge("leaders", { topic: "a" }).set(-1);
  metrics.counter("bytes").add(10);
  const { quantiles } = metrics.read()[1]!;
  assertEquals(Object.keys(quantiles!), ["0.5", "0.99", "0.999"]);
  assertEquals(
    metrics.read().map(({ name, labels, kind, value }) => [name, labels, kind, value]),
    [
      ["bytes", {}, "counter", 10],
      ["latency", {}, "histogram", 1],
      ["leaders", { topic: "a" }, "gauge", -1],
      ["leaders", { topic: "b" }, "gauge", 2.5],
    ],
  );
});

const values = fc.array(
  fc.oneof(
    fc.double({ min: 2 ** -10, max: 2 ** 53, noNaN: true }),
    fc.integer({ min: 1, max: 100_000 }),
  ),
  { minLength: 1, maxLength: 300 },
);

Deno.test("histogram: any quantile is within 2 % of the one the sorted values give", () => {
  fc.assert(fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
    const histogram = new LogLinearHistogram();
    for (const value of values) histogram.record(value);
    values.sort((a, b) => a - b);
    const rank = Math.max(1, Math.ceil(share * values.length));
    const exact = values[rank - 1]!;
    const read = histogram.quantile(share);
    assert(Math.abs(read - exact) <= exact * 0.02, `${read} for ${exact}`);
    assertEquals(histogram.count, values.length);
  }));
});

Deno.test("histogram: what is no positive number counts as 0, what is huge as huge", () => {
  const histogram = new LogLinearHistogram();
  assertEquals(histogram.quantile(0.5), 0);
  for (const value of [0, -5, NaN, 1e-9]) histogram.record(value);
  assertEquals([histogram.count, histogram.quantile(0.9)], [4, 0]);
  histogram.record(1e300);
  histogram.record(Infinity);
  assertEquals([histogram.count, histogram.quantile(1)], [6, Infinity]);
});

Deno.test("histogram: the largest value is kept exactly", () => {
  const histogram = new LogLinearHistogram();
  for (let i = 1; i <= 1001; i++) histogram.record(i);
  assertEquals([histogram.max, histogram.quantile(1)], [1001, 1001]);
});
