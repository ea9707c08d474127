import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runCommandLine } from "../../scripts/commands/run.ts";
import { COMMANDS } from "../../scripts/commands/table.ts";
import { testTerminal } from "./test_terminal.ts";

async function run(...args: string[]) {
  const terminal = testTerminal();
  const code = await runCommandLine(COMMANDS, ["configs", ...args], terminal);
  return { code, printed: terminal.printed, notes: terminal.notes };
}

Deno.test("strom configs: shows each config of brokers with its default and meaning", async () => {
  const { code, printed } = await run();
  assertEquals(code, 0);
  const lines = printed.trimEnd().split("\n");
  const names = lines.filter((_, index) => index % 2 === 0).map((line) => line.split("=")[0]!);
  assertEquals(names, names.toSorted());
  assert(names.length > 100);
  assertStringIncludes(
    printed,
    "\nnum.partitions=1\n  Partitions of a topic that is created without a number (int, from 1",
  );
  for (const [index, line] of lines.entries()) {
    assertMatch(line, index % 2 === 0 ? /^[a-z.]+=/ : /^ {2}\S.* \(\w+/);
  }
});

Deno.test("strom configs: shows those of topics, and those that are looked for, in any case", async () => {
  const { printed } = await run("--topics", "--matching", "RETENTION.MS", "--json");
  const found = JSON.parse(printed) as { name: string; default: string }[];
  assertEquals(found.map(({ name, default: text }) => [name, text]), [
    ["delete.retention.ms", "86400000"],
    ["retention.ms", "604800000"],
  ]);
  const none = await run("--matching", "no such thing");
  assertEquals([none.code, none.printed], [0, ""]);
  assertEquals(none.notes, ["There is no config with no such thing in it"]);
});
