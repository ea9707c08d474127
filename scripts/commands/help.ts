/**
 * The texts that `--help` prints.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { optionName } from "./option.ts";

/** Everything about one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([key, option]) => {
    const { placeholder, help, defaultText, isRequired, isRepeatable } = option;
    const notes = [
      isRequired === true ? "required" : "",
      isRepeatable === true ? "may be repeated" : "",
      defaultText === undefined ? "" : `default ${defaultText}`,
    ].filter((note) => note !== "");
    const name = `--${optionName(key)}${placeholder === undefined ? "" : ` ${placeholder}`}`;
    return [name, `${help}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`] as const;
  });
  return [
    `Usage: strom ${usageOf(command)}`,
    "",
    command.summary,
    ...(command.details === undefined ? [] : ["", ...command.details]),
    "",
    "Options:",
    ...columns([...options, ["--help", "Print this"]]),
    "",
  ].join("\n");
}

/** The commands, each with its line: all, or those of one family. */
export function commandList(commands: readonly Command[], family?: string): string {
  const start = family === undefined ? "strom" : `strom ${family}`;
  return [
    `Usage: ${start} COMMAND [options]`,
    "",
    "Commands:",
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    "",
    `${start} COMMAND --help tells what a command takes.`,
    "",
  ].join("\n");
}

function usageOf({ name, operands = [], optionalOperands = [], options }: Command): string {
  const required = Object.entries(options).filter(([, option]) => option.isRequired === true)
    .map(([key, option]) => `--${optionName(key)} ${option.placeholder ?? ""}`);
  const optional = optionalOperands.map((operand) => `[${operand}]`);
  return [name, ...operands, ...required, ...optional, "[options]"].join(" ");
}

/** Lines of two columns; a left one that is too long has a line to itself. */
function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.min(28, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) =>
    left.length > width
      ? [`  ${left}`, `  ${" ".repeat(width)}  ${right}`]
      : [`  ${left.padEnd(width)}  ${right}`]
  );
}
