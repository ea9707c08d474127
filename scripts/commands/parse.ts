/**
 * Reads a command's arguments, strictly: whatever is not understood is a usage error, never passed
 * over.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { nearestName } from "../../actors/config/nearest_name.ts";
import type { Command } from "./command.ts";
import { optionName, UsageError } from "./option.ts";

/** A command's arguments, understood. */
export interface ParsedArguments {
  /** By their keys in the table. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
}

/** Whether help is asked for, whatever else is wrong. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

/** @throws {UsageError} */
export function parseArguments(
  { options, operands = [], optionalOperands = [], exclusive = [] }: Command,
  args: readonly string[],
): ParsedArguments {
  const keys = new Map(Object.keys(options).map((key) => [optionName(key), key]));
  const names = [...keys.keys()];
  const flags = names.filter((name) => placeholderOf(name) === undefined);
  refuseValuesOfFlags(args, flags);
  const unknown: string[] = [];
  const negatives: string[] = [];
  const parsed = parseArgs(args, {
    boolean: flags,
    string: [...names.filter((name) => !flags.includes(name)), "_"],
    collect: names,
    unknown: (arg, key) => {
      if (key === undefined) return true;
      if (optionalOperands.length > 0 && /^-\d+$/.test(arg)) negatives.push(arg);
      else unknown.push(arg);
      return false;
    },
  });
  const given = new Map(names.map((name) => [name, textsOf(parsed[name])]));
  for (const [name, texts] of given) checkTexts(name, texts);
  if (unknown[0] !== undefined) throw unknownOption(unknown[0], names);
  const stood = [...parsed._.map(String), ...negatives];
  checkOperands(stood, operands, optionalOperands.length);
  for (const set of exclusive) checkExclusive(set.map(optionName), given);
  const values = names.map((name) => {
    const key = keys.get(name) ?? name;
    const texts = given.get(name) ?? [];
    const option = options[key];
    if (option?.isRequired === true && texts.length === 0) {
      throw new UsageError(`--${name} ${option.placeholder ?? ""} is missing`);
    }
    return [key, option?.read(texts, name)] as const;
  });
  return { options: Object.fromEntries(values), operands: stood };

  function placeholderOf(name: string): string | undefined {
    return options[keys.get(name) ?? ""]?.placeholder;
  }

  function checkTexts(name: string, texts: readonly string[]): void {
    const option = options[keys.get(name) ?? ""];
    if (texts.includes("")) {
      throw new UsageError(
        `--${name} has no value (one that begins with - is given as --${name}=VALUE)`,
      );
    }
    if (texts.length > 1 && option?.isRepeatable !== true) {
      throw new UsageError(`--${name} is given ${texts.length} times`);
    }
  }
}

/** The texts that an option was given, in any of the shapes that the parser returns. */
function textsOf(value: unknown): string[] {
  const values = Array.isArray(value) ? value : [value];
  return values.filter((one) => one !== false && one !== undefined).map(String);
}

function refuseValuesOfFlags(args: readonly string[], flags: readonly string[]): void {
  for (const arg of args) {
    if (arg === "--") return;
    const name = /^--([^=]+)=/.exec(arg)?.[1];
    if (name !== undefined && flags.includes(name)) {
      throw new UsageError(`--${name} takes no value`);
    }
  }
}

function unknownOption(arg: string, names: readonly string[]): UsageError {
  const option = arg.replace(/=.*$/s, "");
  const nearest = nearestName(option.replace(/^-+/, ""), names);
  return new UsageError(
    `Unknown option ${option}${nearest === undefined ? "" : ` (did you mean --${nearest}?)`}`,
  );
}

function checkOperands(
  given: readonly string[],
  wanted: readonly string[],
  optional: number,
): void {
  const missing = wanted[given.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  const extra = given[wanted.length + optional];
  if (extra !== undefined) throw new UsageError(`Unexpected argument ${extra}`);
}

function checkExclusive(
  names: readonly string[],
  given: ReadonlyMap<string, readonly string[]>,
): void {
  const together = names.filter((name) => (given.get(name)?.length ?? 0) > 0);
  if (together.length < 2) return;
  throw new UsageError(
    `${together.map((name) => `--${name}`).join(" and ")} contradict each other`,
  );
}
