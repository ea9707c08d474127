/**
 * The hunt: each bug is looked for where it must be caught, and wherever was looked everything must
 * be silent when nothing is broken.
 *
 * @module
 */

import type { Canary } from "./canaries.ts";
import { type Ground, look, looksOf } from "./grounds.ts";

/** What became of a bug. */
export interface Caught {
  readonly canary: Canary;
  /** The rule that caught it; undefined where it survived. */
  readonly rule: string | undefined;
  /** How often was looked. */
  readonly looks: number;
  /** Where it was caught, or why not, for people. */
  readonly where: string;
  /** What exactly was held against it. */
  readonly detail: string;
}

/** Looks for a bug until it is caught. */
export function hunt(canary: Canary): Caught {
  const { ground } = canary;
  const most = looksOf(ground);
  let detail = "";
  for (let round = 1; round <= most; round++) {
    const seen = look(ground, canary, round);
    detail = seen.stuck ?? seen.detail;
    if (seen.rule === undefined) continue;
    const where = placeOf(ground, round, detail);
    return { canary, rule: seen.rule, looks: round, where, detail };
  }
  return { canary, rule: undefined, looks: most, where: placeOf(ground, most, detail), detail };
}

function placeOf(ground: Ground, round: number, detail: string): string {
  switch (ground.kind) {
    case "seeds":
    case "logs":
      return `${round} ${round === 1 ? ground.kind.slice(0, -1) : ground.kind}: ${ground.name}`;
    case "walk":
    case "script":
      return `${ground.kind}: ${ground.name} (${detail})`;
    case "scenario":
      return `scenario: ${ground.name}${round === 1 ? "" : `, seed ${round}`}`;
  }
}

/** A place and how often was looked there. */
export interface Searched {
  readonly ground: Ground;
  readonly looks: number;
}

/** Every place that was looked at, once, with the most looks. */
export function searched(hunted: readonly Caught[]): readonly Searched[] {
  const places = new Map<string, Searched>();
  for (const { canary: { ground }, looks } of hunted) {
    const key = `${ground.kind} ${ground.name}`;
    const before = places.get(key)?.looks ?? 0;
    places.set(key, { ground, looks: Math.max(before, looks) });
  }
  return [...places.values()];
}

/** So many seeds or logs must be silent at least. */
const CLEAN_LOOKS_MIN = 5;

/** How many looks with nothing broken there are for so many with a bug. */
export function cleanLooks({ ground, looks }: Searched): number {
  return "atMost" in ground ? Math.max(looks, CLEAN_LOOKS_MIN) : looks;
}

/** The same looks with nothing broken: what is held against them, which is nothing. */
export function falseAlarms(place: Searched): readonly string[] {
  const { ground } = place;
  const alarms: string[] = [];
  for (let round = 1; round <= cleanLooks(place); round++) {
    const { rule, detail, stuck } = look(ground, {}, round);
    const at = "atMost" in ground ? `${ground.kind.slice(0, -1)} ${round}: ` : "";
    if (stuck !== undefined) alarms.push(`${at}${stuck}`);
    if (rule !== undefined) alarms.push(`${at}${rule}: ${detail}`);
  }
  return alarms;
}
