/**
 * The clocks of a simulated node: they drift from the world's time, and the wall clock is stepped.
 *
 * Invariant: monotonic time never goes back within an incarnation, whatever is done to the clocks.
 *
 * @module
 */

import type { Clock } from "../runtime/environment.ts";

/** What wall clocks show when the world begins, before their offsets: 2023-11-14 22:13:20 UTC. */
export const WORLD_EPOCH_MS = 1_700_000_000_000;
const MILLION = 1_000_000;

export class NodeClock implements Clock {
  readonly #trueUs: () => number;
  /** The node's time at `#baseUs` of the world's; it runs on from there at its own pace. */
  #baseUs = 0;
  #localAtBaseUs = 0;
  #driftPpm: number;
  #wallOffsetMs: number;
  #monotonicOriginUs = 0;

  constructor(trueUs: () => number, driftPpm: number, wallOffsetMs: number) {
    this.#trueUs = trueUs;
    this.#driftPpm = driftPpm;
    this.#wallOffsetMs = wallOffsetMs;
  }

  monotonic(): number {
    return (this.#localUs() - this.#monotonicOriginUs) / 1000;
  }

  wall(): number {
    return WORLD_EPOCH_MS + this.#wallOffsetMs + Math.floor(this.#localUs() / 1000);
  }

  /** How far the wall clock is from the world's time, in milliseconds. */
  get wallErrorMs(): number {
    return this.wall() - WORLD_EPOCH_MS - Math.floor(this.#trueUs() / 1000);
  }

  get driftPpm(): number {
    return this.#driftPpm;
  }

  /** Runs from now on this many millionths fast; slow when negative. */
  set driftPpm(driftPpm: number) {
    if (driftPpm <= -MILLION) throw new RangeError(`Cannot drift by ${driftPpm} ppm: time stops`);
    this.#localAtBaseUs = this.#localUs();
    this.#baseUs = this.#trueUs();
    this.#driftPpm = driftPpm;
  }

  /** Sets the wall clock forward, or back when negative. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Counts monotonic time from another moment, as a process that starts finds it. */
  restartMonotonic(startMs: number): void {
    this.#monotonicOriginUs = this.#localUs() - startMs * 1000;
  }

  /** How much of the world's time passes, at least, in this much of the node's. */
  trueDelayUs(localUs: number): number {
    if (this.#driftPpm === 0) return localUs;
    return Math.ceil((localUs * MILLION) / (MILLION + this.#driftPpm)) + 1;
  }

  #localUs(): number {
    const elapsed = this.#trueUs() - this.#baseUs;
    const drifted = this.#driftPpm === 0 ? 0 : Math.floor((elapsed * this.#driftPpm) / MILLION);
    return this.#localAtBaseUs + elapsed + drifted;
  }
}
