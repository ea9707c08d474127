import { assertEquals } from "@std/assert";
import { Rate } from "../../scripts/commands/rate.ts";
import { testTerminal } from "./test_terminal.ts";

/** Counts 500 records in each half second, and tells what was said of it. */
function count(halfSeconds: number, showsProgress: boolean): string[] {
  const said: string[] = [];
  let now = 100;
  const terminal = {
    ...testTerminal(),
    showsProgress,
    progress: (line: string) => void said.push(line),
    note: (line: string) => void said.push(line),
  };
  const rate = new Rate(terminal, "produced", () => now);
  for (let i = 0; i < halfSeconds; i++) {
    now += 500;
    rate.count += 500;
    rate.tick();
  }
  rate.end();
  return said;
}

Deno.test("rate: long work says each second how far it is, and the sum at its end", () => {
  assertEquals(count(4, true), [
    "produced 1,000, 1,000 records/s",
    "produced 2,000, 1,000 records/s",
    "",
    "produced 2,000 records in 2.0 s, 1,000 records/s",
  ]);
});

Deno.test("rate: short work says nothing", () => {
  assertEquals(count(1, true), []);
});

Deno.test("rate: where nobody looks, the sum is not said", () => {
  assertEquals(count(4, false).at(-1), "produced 2,000, 1,000 records/s");
});
