/**
 * How long to wait before the next attempt: exponential, with chance in it (KIP-144, KIP-580), so
 * that many clients that failed together do not come back together.
 *
 * @module
 */

import type { RandomStream } from "../runtime/environment.ts";

/** Milliseconds before the first repetition, and the most before any. */
export interface BackoffBounds {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Each wait lies within this share of its nominal length, above or below. */
const JITTER = 0.2;
const JITTER_STEPS = 1 << 16;

/** Milliseconds to wait after `failures` failures in a row, at least one. */
export function backoffMs(bounds: BackoffBounds, failures: number, random: RandomStream): number {
  if (bounds.initialMs === 0) return 0;
  // The cap comes first: with chance above it, the longest waits would still come in step.
  const nominal = Math.min(bounds.maxMs, bounds.initialMs * 2 ** Math.min(30, failures - 1));
  const share = random.integer(JITTER_STEPS) / JITTER_STEPS;
  return nominal * (1 - JITTER + 2 * JITTER * share);
}
