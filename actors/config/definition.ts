/**
 * What a config is: its name, its type, its default as text, what values it may have.
 *
 * Owns the way from text to a typed value, and the sentence that says why a text is refused. Values
 * are kept and sent as text everywhere else; they become typed where they are used.
 *
 * @module
 */

import { UNLIMITED } from "../../storage/log_config.ts";
import { nearestName } from "./nearest_name.ts";

export type ConfigType = "boolean" | "int" | "long" | "double" | "string" | "list" | "password";

/** Where a broker's config may be changed while it runs (KIP-226). */
export type DynamicUpdate = "read-only" | "per-broker" | "cluster-wide";

/** A config whose values are, when typed, a `Value`. */
export interface ConfigDefinition<Value = unknown> {
  readonly name: string;
  readonly type: ConfigType;
  /** Null where there is none: the config is unset until somebody sets it. */
  readonly defaultText: string | null;
  /** One line for whoever lists the configs. */
  readonly documentation: string;
  /** Of numbers. */
  readonly min?: number;
  readonly max?: number;
  /** Of strings, and of each item of a list. */
  readonly allowed?: readonly string[];
  /** Of a list: what each item looks like, and how to say that. */
  readonly itemPattern?: RegExp;
  readonly itemForm?: string;
  readonly dynamic: DynamicUpdate;
  /** Its value is shown to nobody. */
  readonly isSensitive: boolean;
  /** The type parameter's only trace. */
  readonly value?: Value;
}

/** The type that a definition's values have. */
export type ConfigValue<Definition> = Definition extends ConfigDefinition<infer Value> ? Value
  : never;

/** The typed values of a table of definitions. */
export type ConfigValues<Table> = {
  readonly [Field in keyof Table]: ConfigValue<Table[Field]>;
};

/** Configs that are unknown or malformed: the message has one line for each. */
export class ConfigError extends Error {
  /** @ignore */
  override readonly name = "ConfigError";
  /** One line for each. */
  readonly problems: readonly string[];

  /** Of these problems. */
  constructor(problems: readonly string[]) {
    super(
      problems.length === 1
        ? `Bad config: ${problems[0]}`
        : `Bad configs:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

/** What a definition may leave out. */
export interface ConfigOptions {
  readonly min?: number;
  readonly max?: number;
  readonly allowed?: readonly string[];
  readonly itemPattern?: RegExp;
  readonly itemForm?: string;
  readonly dynamic?: DynamicUpdate;
}

const INT_MAX = 0x7fffffff;

/** Kafka's Long.MAX_VALUE as text: the usual way to say "never" or "no limit". */
export const LONG_MAX_TEXT = "9223372036854775807";

export function boolean(
  name: string,
  defaultValue: boolean,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<boolean> {
  return define(name, "boolean", String(defaultValue), documentation, options);
}

export function int(
  name: string,
  defaultValue: number,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<number> {
  return define(name, "int", String(defaultValue), documentation, {
    min: -INT_MAX - 1,
    max: INT_MAX,
    ...options,
  });
}

/** A value beyond what a number holds exactly is read as `UNLIMITED`. */
export function long(
  name: string,
  defaultValue: number,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<number> {
  const text = defaultValue === UNLIMITED ? LONG_MAX_TEXT : String(defaultValue);
  return define(name, "long", text, documentation, options);
}

export function double(
  name: string,
  defaultValue: number,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<number> {
  return define(name, "double", String(defaultValue), documentation, options);
}

/** A string out of a set, where there is one. */
export function string<Value extends string = string>(
  name: string,
  defaultValue: Value,
  documentation: string,
  options: ConfigOptions & { readonly allowed?: readonly Value[] } = {},
): ConfigDefinition<Value> {
  return define(name, "string", defaultValue, documentation, options);
}

/** A text that is shown to nobody. */
export function password(
  name: string,
  defaultValue: string,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<string> {
  return define(name, "password", defaultValue, documentation, options);
}

/** Items parted by commas. */
export function list(
  name: string,
  defaultValue: string,
  documentation: string,
  options: ConfigOptions = {},
): ConfigDefinition<readonly string[]> {
  return define(name, "list", defaultValue, documentation, options);
}

function define<Value>(
  name: string,
  type: ConfigType,
  defaultText: string | null,
  documentation: string,
  options: ConfigOptions,
): ConfigDefinition<Value> {
  return {
    name,
    type,
    defaultText,
    documentation,
    dynamic: "read-only",
    ...options,
    isSensitive: type === "password",
  };
}

/** Why `text` is no value for the config; undefined when it is one. */
export function checkConfig(definition: ConfigDefinition, text: string): string | undefined {
  const problem = problemOf(definition, text);
  if (problem === undefined) return undefined;
  return `${definition.name}=${definition.isSensitive ? "[hidden]" : text} ${problem}`;
}

/**
 * The typed value of a text.
 * @throws {ConfigError} naming the config and the text
 */
export function parseConfig<Value>(definition: ConfigDefinition<Value>, text: string): Value {
  const problem = checkConfig(definition, text);
  if (problem !== undefined) throw new ConfigError([problem]);
  return typed(definition, text) as Value;
}

/** Why a config of that name is refused: with the nearest known name where one is near. */
export function unknownConfig(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
  return `${name} is no known config${hint}`;
}

/** The items of a list's text. */
export function splitList(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

function typed({ type }: ConfigDefinition, text: string): unknown {
  switch (type) {
    case "boolean":
      return text.trim().toLowerCase() === "true";
    case "int":
    case "double":
      return Number(text);
    case "long":
      return Math.min(Number(text), UNLIMITED);
    case "list":
      return splitList(text);
    case "string":
    case "password":
      return text.trim();
  }
}

function problemOf(definition: ConfigDefinition, text: string): string | undefined {
  const trimmed = text.trim();
  switch (definition.type) {
    case "boolean":
      return /^(true|false)$/i.test(trimmed) ? undefined : "is neither true nor false";
    case "int":
    case "long": {
      if (!/^[+-]?\d+$/.test(trimmed)) return "is no whole number";
      if (definition.type === "long" && !fitsLong(trimmed)) return "is no 64-bit number";
      return outOfRange(definition, Number(trimmed));
    }
    case "double":
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) return "is no number";
      return outOfRange(definition, Number(trimmed));
    case "string":
      return notAllowed(definition, [trimmed]);
    case "list":
      return malformedItem(definition, splitList(text)) ?? notAllowed(definition, splitList(text));
    case "password":
      return undefined;
  }
}

function fitsLong(text: string): boolean {
  const value = BigInt(text.replace(/^\+/, ""));
  return value === BigInt.asIntN(64, value);
}

function outOfRange({ min, max }: ConfigDefinition, value: number): string | undefined {
  if (min !== undefined && value < min) return `is less than ${min}`;
  if (max !== undefined && value > max) return `is more than ${max}`;
  return undefined;
}

function malformedItem(
  { itemPattern, itemForm }: ConfigDefinition,
  items: readonly string[],
): string | undefined {
  const malformed = items.find((item) => itemPattern?.test(item) === false);
  return malformed === undefined ? undefined : `names ${malformed}, which is not ${itemForm}`;
}

function notAllowed({ allowed }: ConfigDefinition, items: readonly string[]): string | undefined {
  if (allowed === undefined) return undefined;
  const stranger = items.find((item) => !allowed.includes(item));
  if (stranger === undefined) return undefined;
  return items.length === 1
    ? `is none of ${allowed.join(", ")}`
    : `names ${stranger}, which is none of ${allowed.join(", ")}`;
}
