/**
 * Sources of chance for disks in tests, and every state that a power cut can leave.
 *
 * @module
 */

import type { CrashModel, DiskChance } from "../../storage/disk_faults.ts";
import type { MemoryDisk } from "../../storage/memory_disk.ts";

/** Chance that repeats from a seed (mulberry32). */
export class SeededChance implements DiskChance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  integer(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  }
}

/** Chance that takes each course once: run, then `next`, until that says no. */
export class EveryChance implements DiskChance {
  readonly #choices: { value: number; readonly below: number }[] = [];
  #position = 0;

  integer(below: number): number {
    if (this.#position === this.#choices.length) this.#choices.push({ value: 0, below });
    return this.#choices[this.#position++]!.value;
  }

  /** Turns to the next course; false after the last. */
  next(): boolean {
    this.#position = 0;
    for (let last = this.#choices.at(-1); last !== undefined; last = this.#choices.at(-1)) {
      if (++last.value < last.below) return true;
      this.#choices.pop();
    }
    return false;
  }
}

/**
 * Every disk that a power cut now can leave, sectors being whole and gaps zero unless the model
 * says otherwise. The disk itself is left as it is.
 *
 * @throws {RangeError} where there are more than `limit` courses.
 */
export function* crashStates(
  disk: MemoryDisk,
  model: CrashModel = {},
  limit = 100_000,
): Generator<MemoryDisk> {
  const chance = new EveryChance();
  let count = 0;
  do {
    if (++count > limit) throw new RangeError(`Cannot try more than ${limit} courses of a crash`);
    const crashed = disk.clone();
    crashed.crash(chance, { tornOf1024: 0, unwritten: "zeros", ...model });
    yield crashed;
  } while (chance.next());
}
