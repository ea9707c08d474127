/** What the benchmark prints, and how it computes what it prints. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  atLeast,
  atMost,
  type Figure,
  figureToJson,
  formatNumber,
  formatTable,
  isMet,
} from "../../../scripts/bench/figure.ts";
import { percentile } from "../../../scripts/bench/percentiles.ts";

const FAST: Figure = {
  part: "produce",
  name: "sendBatch",
  value: 2_600_000,
  unit: "records/s",
  target: atLeast(2_500_000),
  ofCeiling: 0.104,
};
const SLOW: Figure = { part: "start", name: "ready", value: 301, unit: "ms", target: atMost(300) };
const FREE: Figure = { part: "log", name: "bare pwrite", value: 1_412, unit: "MB/s", note: "warm" };

Deno.test("bench: a figure is met at its target and on the right side of it", () => {
  assertEquals([FAST, SLOW, FREE].map(isMet), [true, false, undefined]);
  assertEquals(isMet({ ...FAST, value: 2_500_000 }), true);
  assertEquals(isMet({ ...SLOW, value: 300 }), true);
});

Deno.test("bench: the table names target, share of the ceiling and verdict, and its notes below", () => {
  const lines = formatTable([FAST, SLOW, FREE]).split("\n");
  assertStringIncludes(lines[2]!, "2,600,000  records/s  ≥ 2,500,000      10.4 %  ok");
  assertStringIncludes(lines[3]!, "≤ 300");
  assertStringIncludes(lines[3]!, "MISSED");
  assertEquals(lines[4]!.trim().endsWith("MB/s"), true);
  assertEquals(lines.at(-1), "log, bare pwrite: warm");
});

Deno.test("bench: JSON holds what the table shows, unrounded", () => {
  assertEquals(figureToJson(SLOW), {
    part: "start",
    name: "ready",
    value: 301,
    unit: "ms",
    target: { kind: "at most", value: 300 },
    verdict: "missed",
  });
  assertEquals(figureToJson(FREE), {
    part: "log",
    name: "bare pwrite",
    value: 1_412,
    unit: "MB/s",
    note: "warm",
  });
});

Deno.test("bench: numbers keep three digits or more", () => {
  const texts = [1_234_567.8, 100, 12.34, 1.234, 0.1234, 0].map(formatNumber);
  assertEquals(texts, ["1,234,568", "100", "12.3", "1.23", "0.123", "0"]);
});

Deno.test("bench: a percentile is the smallest value that so many percent do not exceed", () => {
  const values = Float64Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  assertEquals([50, 99, 99.9, 100].map((percent) => percentile(values, percent)), [
    500,
    990,
    999,
    1_000,
  ]);
  assertEquals(percentile(Float64Array.of(), 50), NaN);
});
