/**
 * How the values of configs are checked: by one table of bounds, or by a list of what is allowed.
 *
 * @module
 */

import { InvalidConfigError } from "./errors.ts";

/** A number's default, least and greatest value. */
export type Bounds = readonly [fallback: number, min: number, max: number];

export const INT32_MAX = 0x7fffffff;

/** Timers and clocks hold no longer: 24.8 days. */
export const DURATION: readonly [min: number, max: number] = [0, INT32_MAX];

/** What a table of bounds gives. */
export type Numbers<T> = { readonly [Name in keyof T]: number };

/** @throws {InvalidConfigError} where a number lies outside of its bounds */
export function numbers<T extends Record<string, Bounds>>(
  table: T,
  given: { readonly [Name in keyof T]?: unknown },
): Numbers<T> {
  const filled: Record<string, number> = {};
  for (const [name, [fallback, min, max]] of Object.entries(table)) {
    filled[name] = integer(name, given[name] ?? fallback, min, max);
  }
  return filled as Numbers<T>;
}

/** @throws {InvalidConfigError} where it is no whole number within the bounds */
export function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw new InvalidConfigError(
    `Cannot use ${name} ${String(value)}: it is no whole number from ${min} to ${max}`,
  );
}

/** @throws {InvalidConfigError} where it is none of those */
export function oneOf<T>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new InvalidConfigError(
    `Cannot use ${name} ${String(value)}: it is none of ${allowed.join(", ")}`,
  );
}
