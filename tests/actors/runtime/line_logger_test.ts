import { assert, assertEquals } from "@std/assert";
import { LineLogger, type LineLoggerOptions } from "../../../actors/runtime/line_logger.ts";

function logger(options: Partial<LineLoggerOptions> = {}): { log: LineLogger; lines: string[] } {
  const lines: string[] = [];
  const log = new LineLogger({
    level: "info",
    now: () => 1_700_000_000_123,
    write: (line) => void lines.push(line),
    ...options,
  });
  return { log, lines };
}

Deno.test("line logger: an event is one line of key=value with ISO time", () => {
  const { log, lines } = logger();
  log.log("info", "connection closed", { peer: "10.0.0.1:9092", bytes: 12, idle: true, id: null });
  assertEquals(lines, [
    "time=2023-11-14T22:13:20.123Z level=info " +
    'event="connection closed" peer=10.0.0.1:9092 bytes=12 idle=true id=null',
  ]);
});

Deno.test("line logger: values with spaces, quotes, breaks or nothing in them are quoted", () => {
  const { log, lines } = logger();
  log.log("warn", "x", { a: 'say "hi"', b: "two\nlines\u001b[0m", c: "", d: "k=v", e: undefined });
  assertEquals(lines.length, 1);
  assert(!lines[0]!.includes("\n") && !lines[0]!.includes("\u001b"));
  assert(
    lines[0]!.endsWith(
      ' event=x a="say \\"hi\\"" b="two\\nlines\\u001b[0m" c="" d="k=v"',
    ),
    lines[0],
  );
});

Deno.test("line logger: events below the level are not written", () => {
  const { log, lines } = logger({ level: "warn" });
  for (const level of ["debug", "info", "warn", "error"] as const) log.log(level, level);
  assertEquals(lines.map((line) => /event=(\w+)/.exec(line)?.[1]), ["warn", "error"]);
});

Deno.test("line logger: fields given with `with` stand on each line, later ones win", () => {
  const { log, lines } = logger();
  log.with({ node: 1, a: 1 }).with({ a: 2 }).log("info", "x", { b: 3 });
  assert(lines[0]!.endsWith("event=x node=1 a=2 b=3"));
});

Deno.test("line logger: an error is name and message; its stack is written only where asked for", () => {
  const error = new TypeError("not that");
  const plain = logger();
  plain.log.log("error", "actor failed", { error });
  assert(plain.lines[0]!.endsWith('error="TypeError: not that"'));
  const verbose = logger({ stacks: true });
  verbose.log.log("error", "actor failed", { error });
  assert(verbose.lines[0]!.includes('error_stack="TypeError: not that\\n'));
});

Deno.test("line logger: JSON lines carry the same values", () => {
  const { log, lines } = logger({ format: "json" });
  log.log("info", "x", { a: 1, b: "two\nlines", c: null, error: new Error("oh") });
  assertEquals(JSON.parse(lines[0]!), {
    time: "2023-11-14T22:13:20.123Z",
    level: "info",
    event: "x",
    a: 1,
    b: "two\nlines",
    c: null,
    error: "Error: oh",
  });
});
