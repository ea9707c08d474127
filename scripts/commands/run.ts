/**
 * Runs one command line: finds the command, reads its arguments, and turns what comes of it into
 * an exit code. 0 is success, also when nobody reads the output any more; 1 a failure, with one
 * line of cause; 2 a command line that is not understood; 130 an interruption.
 *
 * @module
 */

import { nearestName } from "../../actors/config/nearest_name.ts";
import { CLIENT_SOFTWARE } from "../../actors/link/greeting.ts";
import type { Command, Terminal } from "./command.ts";
import { commandHelp, commandList } from "./help.ts";
import { UsageError } from "./option.ts";
import { ignoreClosedOutput, OutputClosed } from "./output.ts";
import { asksForHelp, parseArguments } from "./parse.ts";

export const EXIT = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Runs `args` with one of the commands; returns the exit code. */
export async function runCommandLine(
  commands: readonly Command[],
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  if (args.length === 1 && (args[0] === "--version" || args[0] === "version")) {
    const { clientSoftwareVersion } = CLIENT_SOFTWARE;
    terminal.output.writeLine(`strom ${clientSoftwareVersion}, deno ${Deno.version.deno}`);
    await terminal.output.flush().catch(ignoreClosedOutput);
    return EXIT.success;
  }
  const wanted = args[0] === "help" ? [...args.slice(1), "--help"] : args;
  const firstOption = wanted.findIndex((arg) => arg.startsWith("-"));
  const words = firstOption < 0 ? wanted : wanted.slice(0, firstOption);
  const found = find(commands, words);
  try {
    if (found === undefined) return await runNone(commands, words, wanted, terminal);
    const rest = wanted.slice(found.name.split(" ").length);
    if (asksForHelp(rest)) terminal.output.writeText(commandHelp(found));
    else await found.run({ ...parseArguments(found, rest), terminal });
    await terminal.output.flush();
  } catch (error) {
    return await fail(found, error, terminal);
  }
  return terminal.stopping.aborted && found?.endsOnSignal !== true
    ? EXIT.interrupted
    : EXIT.success;
}

/** The command that the words name: of two words, or of one. */
function find(commands: readonly Command[], words: readonly string[]): Command | undefined {
  return commands.find(({ name }) => name === `${words[0]} ${words[1]}`) ??
    commands.find(({ name }) => name === words[0]);
}

/** No command was named, or none that there is. */
async function runNone(
  commands: readonly Command[],
  words: readonly string[],
  args: readonly string[],
  { output }: Terminal,
): Promise<number> {
  const [first, second] = words;
  const family = commands.filter(({ name }) => name.startsWith(`${first} `));
  const listed = family.length > 0 ? family : commands;
  if (asksForHelp(args) || args.length === 0) {
    output.writeText(commandList(listed, family.length > 0 ? first : undefined));
    await output.flush();
    return EXIT.success;
  }
  if (first === undefined) throw new UsageError(`Unknown option ${args[0]}`);
  if (family.length > 0 && second === undefined) {
    const verbs = family.map(({ name }) => name.slice(first.length + 1));
    throw new UsageError(`${first} what? It can ${verbs.join(", ")}`);
  }
  const typed = family.length > 0 ? `${first} ${second}` : first;
  const nearest = nearestName(typed, commands.map(({ name }) => name)) ??
    nearestName(first, commands.map(({ name }) => name.split(" ")[0] ?? ""));
  const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
  throw new UsageError(`Unknown command ${typed}${hint}`);
}

async function fail(
  command: Command | undefined,
  error: unknown,
  terminal: Terminal,
): Promise<number> {
  const name = command === undefined ? "strom" : `strom ${command.name}`;
  if (error instanceof OutputClosed) return EXIT.success;
  // What was printed before the failure is still true.
  await terminal.output.flush().catch(() => {});
  if (error instanceof UsageError) {
    terminal.note(`${name}: ${asPartOfLine(error.message)}`);
    terminal.note(`see ${name} --help`);
    return EXIT.usage;
  }
  if (terminal.stopping.aborted && command?.endsOnSignal !== true) return EXIT.interrupted;
  terminal.note(`${name}: ${causeOf(error)}`);
  return EXIT.failure;
}

/** A sentence that follows a colon: without its capital, unless that is of a name. */
function asPartOfLine(message: string): string {
  return /^[A-Z][a-z]/.test(message) ? message.charAt(0).toLowerCase() + message.slice(1) : message;
}

/** What went wrong, in one line. */
export function causeOf(error: unknown): string {
  const message = error instanceof Error ? error.message || error.name : String(error);
  return message.split("\n").map((line) => line.trim()).filter((line) => line !== "").join("; ")
    .replace(":; ", ": ");
}
