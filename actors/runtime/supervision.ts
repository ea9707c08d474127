/**
 * What becomes of an actor that failed: a pure decision on its strategy and its past restarts.
 * It acts on nothing; the cell does.
 *
 * @module
 */

import type { Supervision } from "./actor.ts";

export type Verdict =
  | { readonly kind: "stop" }
  /** Make it anew; `restarts` replaces what was remembered. */
  | { readonly kind: "restart"; readonly restarts: readonly number[] }
  /** Stop it; its parent has failed. */
  | { readonly kind: "escalate" };

/**
 * Decides on a failure at `now` (monotonic milliseconds). `restarts` are the moments of earlier
 * restarts, oldest first; those that left the window are forgotten, so it never outgrows the limit.
 */
export function judge(
  supervision: Supervision,
  restarts: readonly number[],
  now: number,
): Verdict {
  if (supervision.kind === "fail-stop") return { kind: "stop" };
  const recent = restarts.filter((at) => now - at < supervision.withinMs);
  if (recent.length >= supervision.limit) return { kind: "escalate" };
  return { kind: "restart", restarts: [...recent, now] };
}
