import { assertEquals, assertMatch } from "@std/assert";
import { type Command, command } from "../../scripts/commands/command.ts";
import { flag, requiredText, UsageError } from "../../scripts/commands/option.ts";
import { causeOf, runCommandLine } from "../../scripts/commands/run.ts";
import { COMMANDS } from "../../scripts/commands/table.ts";
import { type TestTerminal, testTerminal } from "./test_terminal.ts";

function one(run: Command["run"], changes: Partial<Command> = {}): Command {
  return {
    name: "orders list",
    summary: "List them",
    options: { json: flag("JSON") },
    run,
    ...changes,
  };
}

async function run(commands: readonly Command[], args: string, terminal = testTerminal()): Promise<{
  readonly code: number;
  readonly terminal: TestTerminal;
}> {
  const code = await runCommandLine(
    commands,
    args.split(" ").filter((arg) => arg !== ""),
    terminal,
  );
  return { code, terminal };
}

Deno.test("run: what a command prints is flushed, and success is 0", async () => {
  const list = one(({ terminal, options }) => {
    terminal.output.writeLine(JSON.stringify(options));
    return Promise.resolve();
  });
  const { code, terminal } = await run([list], "orders list --json");
  assertEquals([code, terminal.printed, terminal.notes], [0, '{"json":true}\n', []]);
});

Deno.test("run: a failure is 1, one line of cause, and what was printed before stays", async () => {
  const list = one(({ terminal }) => {
    terminal.output.writeLine("first");
    return Promise.reject(new TypeError("Cannot do it:\n  a is wrong\n  b too"));
  });
  const { code, terminal } = await run([list], "orders list");
  assertEquals([code, terminal.printed], [1, "first\n"]);
  assertEquals(terminal.notes, ["strom orders list: Cannot do it: a is wrong; b too"]);
});

Deno.test("run: a usage error is 2, with where to read more", async () => {
  const { code, terminal } = await run([one(() => Promise.resolve())], "orders list --jsn");
  assertEquals(code, 2);
  assertEquals(terminal.notes, [
    "strom orders list: unknown option --jsn (did you mean --json?)",
    "see strom orders list --help",
  ]);
});

Deno.test("run: a command may find its options wrong itself", async () => {
  const list = one(() => Promise.reject(new UsageError("--json and NAME contradict each other")));
  const { code, terminal } = await run([list], "orders list");
  assertEquals(code, 2);
  assertEquals(terminal.notes[0], "strom orders list: --json and NAME contradict each other");
});

Deno.test("run: where nobody reads the output, the command ends quietly with 0", async () => {
  const list = one(async ({ terminal }) => {
    terminal.output.writeLine("first");
    await terminal.output.flush();
  });
  for (const args of ["orders list", "orders list --help", "--help"]) {
    const { code, terminal } = await run([list], args, testTerminal([], { closed: true }));
    assertEquals([args, code, terminal.notes], [args, 0, []]);
  }
});

Deno.test("run: an interrupted command is 130, whatever it made of it", async () => {
  const stopping = AbortSignal.abort();
  const ends = one(() => Promise.resolve());
  const fails = one(() => Promise.reject(new Error("Closed")));
  for (const list of [ends, fails]) {
    const { code, terminal } = await run([list], "orders list", testTerminal([], { stopping }));
    assertEquals([code, terminal.notes], [130, []]);
  }
});

Deno.test("run: a command that ends in order on a signal is 0", async () => {
  const stopping = AbortSignal.abort();
  const list = one(() => Promise.resolve(), { endsOnSignal: true });
  const { code } = await run([list], "orders list", testTerminal([], { stopping }));
  assertEquals(code, 0);
});

const helps = ["", "--help", "-h", "help"];

for (const args of helps) {
  Deno.test(`run: 'strom ${args}' lists the commands`, async () => {
    const { code, terminal } = await run([one(() => Promise.resolve())], args);
    assertEquals(code, 0);
    assertEquals(terminal.printed.includes("orders list  List them"), true);
  });
}

for (const args of ["orders list --help", "help orders list", "orders list --nonsense -h"]) {
  Deno.test(`run: 'strom ${args}' tells of the command and does not run it`, async () => {
    const list = one(() => Promise.reject(new Error("It ran")));
    const { code, terminal } = await run([list], args);
    assertEquals(code, 0);
    assertEquals(terminal.printed.startsWith("Usage: strom orders list [options]"), true);
  });
}

const unknown: readonly (readonly [string, string])[] = [
  ["odrers list", "strom: unknown command odrers (did you mean orders?)"],
  ["orders lst", "strom: unknown command orders lst (did you mean orders list?)"],
  ["orders", "strom: orders what? It can list"],
  ["bake", "strom: unknown command bake"],
  ["--jsno", "strom: unknown option --jsno"],
];

for (const [args, note] of unknown) {
  Deno.test(`run: 'strom ${args}' is a usage error`, async () => {
    const { code, terminal } = await run([one(() => Promise.resolve())], args);
    assertEquals([code, terminal.notes[0]], [2, note]);
  });
}

Deno.test("run: a cause is one line, whatever was thrown", () => {
  assertEquals(causeOf(new Error("")), "Error");
  assertEquals(causeOf("text"), "text");
  assertEquals(causeOf(undefined), "undefined");
});

Deno.test("run: each command of the command line has its help", async () => {
  for (const { name } of COMMANDS) {
    const { code, terminal } = await run(COMMANDS, `${name} --help`);
    assertEquals([name, code, terminal.notes], [name, 0, []]);
    const tooLong = terminal.printed.split("\n").filter((line) => line.length > 110);
    assertEquals([name, tooLong], [name, []]);
  }
});

Deno.test("run: the table types each command by its own options", () => {
  const typed = command({
    name: "typed",
    summary: "",
    options: { topic: requiredText("T", "") },
    run: ({ options }) => Promise.resolve(void options.topic.length),
  });
  assertEquals(typed.name, "typed");
});

Deno.test("run: the version is told, and a family of commands by its own name", async () => {
  const list = one(() => Promise.resolve());
  for (const args of ["--version", "version"]) {
    const { code, terminal } = await run([list], args);
    assertEquals(code, 0);
    assertMatch(terminal.printed, /^strom \d+\.\d+\.\d+, deno \d+\.\d+\.\d+\n$/);
  }
  const { terminal } = await run([list], "orders --help");
  assertMatch(terminal.printed, /^Usage: strom orders COMMAND \[options\]\n/);
  assertMatch(terminal.printed, /\nstrom orders COMMAND --help tells what a command takes\.\n$/);
});
