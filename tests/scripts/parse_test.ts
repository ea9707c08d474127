import { assertEquals, assertThrows } from "@std/assert";
import { command } from "../../scripts/commands/command.ts";
import { commandHelp, commandList } from "../../scripts/commands/help.ts";
import {
  address,
  choice,
  flag,
  instant,
  integer,
  pairs,
  requiredText,
  text,
  textOr,
  texts,
  UsageError,
} from "../../scripts/commands/option.ts";
import { asksForHelp, parseArguments } from "../../scripts/commands/parse.ts";

const COMMAND = command({
  name: "try out",
  summary: "Try it",
  operands: ["FILE"],
  options: {
    topic: requiredText("T", "The topic"),
    name: text("NAME", "A name"),
    host: textOr("HOST", "here", "Where"),
    maxMessages: integer("N", "How many", { min: 1, max: 10 }),
    fromBeginning: flag("From the start"),
    fromTime: instant("From then on"),
    compression: choice(["none", "gzip"], "none", "How"),
    config: pairs("A config"),
    tag: texts("TAG", "A tag"),
    native: address("127.0.0.1:9192", "Where to listen"),
  },
  exclusive: [["fromBeginning", "fromTime"]],
  run: () => Promise.resolve(),
});

function parse(...args: string[]) {
  return parseArguments(COMMAND, args);
}

Deno.test("parse: options that are absent have their defaults", () => {
  assertEquals(parse("file", "--topic", "t"), {
    operands: ["file"],
    options: {
      topic: "t",
      name: undefined,
      host: "here",
      maxMessages: undefined,
      fromBeginning: false,
      fromTime: undefined,
      compression: "none",
      config: new Map(),
      tag: [],
      native: { host: "127.0.0.1", port: 9192 },
    },
  });
});

Deno.test("parse: values are taken with a blank or an equals sign, before operands or behind", () => {
  const { options, operands } = parse(
    ...["--topic=t", "--max-messages", "3", "--from-beginning", "--config", "a=1", "7"],
    ...["--config=b=2=3", "--tag", "x", "--tag", "y", "--compression", "gzip", "--name=-5"],
  );
  assertEquals(operands, ["7"]);
  assertEquals(options["maxMessages"], 3);
  assertEquals(options["fromBeginning"], true);
  assertEquals(options["config"], new Map([["a", "1"], ["b", "2=3"]]));
  assertEquals(options["tag"], ["x", "y"]);
  assertEquals(options["compression"], "gzip");
  assertEquals(options["name"], "-5");
});

Deno.test("parse: what stands behind -- is an operand", () => {
  assertEquals(parse("--topic", "t", "--", "--file").operands, ["--file"]);
});

const refused: readonly (readonly [string, readonly string[], string])[] = [
  ["an unknown option", ["--tpoic", "t"], "Unknown option --tpoic (did you mean --topic?)"],
  [
    "an unknown option with a value",
    ["--tpoic=t"],
    "Unknown option --tpoic (did you mean --topic?)",
  ],
  ["an unknown option like none", ["--zookeeper"], "Unknown option --zookeeper"],
  ["an unknown letter", ["-x"], "Unknown option -x"],
  ["a required option's absence", ["f"], "--topic T is missing"],
  ["an operand's absence", ["--topic", "t"], "FILE is missing"],
  ["an operand too many", ["--topic", "t", "f", "g"], "Unexpected argument g"],
  ["an option without its value", ["f", "--topic"], "--topic has no value"],
  ["an empty value", ["f", "--topic="], "--topic has no value"],
  ["a value that looks like an option", ["f", "--topic", "--name", "n"], "--topic has no value"],
  ["a value of a flag", ["f", "--topic", "t", "--from-beginning=yes"], "--from-beginning takes no"],
  ["an option given twice", ["f", "--topic", "t", "--topic", "u"], "--topic is given 2 times"],
  ["no number", ["f", "--topic", "t", "--max-messages", "ten"], "--max-messages ten is no whole"],
  ["half a number", ["f", "--topic", "t", "--max-messages", "1.5"], "is no whole number"],
  ["a number too small", ["f", "--topic", "t", "--max-messages", "0"], "0 is less than 1"],
  ["a number too large", ["f", "--topic", "t", "--max-messages", "11"], "11 is more than 10"],
  [
    "no choice",
    ["f", "--topic", "t", "--compression", "rar"],
    "--compression is none, gzip, not rar",
  ],
  ["no pair", ["f", "--topic", "t", "--config", "a"], "--config a is no key=value"],
  ["a key twice", ["f", "--topic", "t", "--config", "a=1", "--config", "a=2"], "sets a twice"],
  ["no time", ["f", "--topic", "t", "--from-time", "noon"], "--from-time noon is no time"],
  ["no address", ["f", "--topic", "t", "--native", "a:b:c"], "--native a:b:c is no host:port"],
  ["a port too large", ["f", "--topic", "t", "--native", "a:70000"], "is no host:port"],
  [
    "options that contradict each other",
    ["f", "--topic", "t", "--from-beginning", "--from-time", "2026-01-01"],
    "--from-beginning and --from-time contradict each other",
  ],
];

for (const [name, args, message] of refused) {
  Deno.test(`parse: ${name} is refused`, () => {
    assertThrows(() => parse(...args), UsageError, message);
  });
}

const times = [
  ["2026-01-31", "2026-01-31T00:00:00.000Z"],
  ["2026-01-31T12:00:00", "2026-01-31T12:00:00.000Z"],
  ["2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z"],
  ["2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"],
] as const;

for (const [given, utc] of times) {
  Deno.test(`parse: the time ${given} is ${utc}`, () => {
    const { options } = parse("f", "--topic", "t", "--from-time", given);
    assertEquals(options["fromTime"], Date.parse(utc));
  });
}

const addresses = [
  ["0.0.0.0:1", "0.0.0.0", 1],
  [":0", "127.0.0.1", 0],
  ["example.org", "example.org", 9192],
  ["[::1]:5", "::1", 5],
] as const;

for (const [given, host, port] of addresses) {
  Deno.test(`parse: the address ${given} is port ${port} of ${host}`, () => {
    const { options } = parse("f", "--topic", "t", "--native", given);
    assertEquals(options["native"], { host, port });
  });
}

Deno.test("parse: help is asked for wherever it stands, but not behind --", () => {
  assertEquals(asksForHelp(["--nonsense", "--help"]), true);
  assertEquals(asksForHelp(["-h"]), true);
  assertEquals(asksForHelp(["--", "--help"]), false);
});

Deno.test("help: every option stands aligned, with what it needs and what it is without", () => {
  const help = commandHelp(COMMAND);
  assertEquals(help.split("\n")[0], "Usage: strom try out FILE --topic T [options]");
  const lines = help.split("\n").filter((line) => line.startsWith("  --"));
  assertEquals(lines.includes("  --topic T                The topic (required)"), true, help);
  assertEquals(lines.includes("  --host HOST              Where (default here)"), true);
  assertEquals(lines.includes("  --tag TAG                A tag (may be repeated)"), true);
  assertEquals(lines.at(-1), "  --help                   Print this");
});

Deno.test("help: the commands are listed with what they do", () => {
  assertEquals(commandList([COMMAND]).includes("  try out  Try it"), true);
});
