/**
 * Chance in the simulated world: streams with names, all from one seed.
 *
 * Each concern draws from a stream of its own (a link, a disk, a node's actors, the faults), so
 * that leaving one fault or one client out, as shrinking does, shifts no other draw. Only whole
 * numbers are drawn, and delays come from a table, for Math.log and its kin differ between
 * engines.
 *
 * @module
 */

import type { Random, RandomStream } from "../runtime/environment.ts";
import { SeededStream } from "../runtime/random_stream.ts";

/** Streams by name, from a seed. The same seed and name always give the same draws. */
export class SeededRandom implements Random {
  readonly #seed: string;
  readonly #streams = new Map<string, SeededStream>();

  /** Chance from a seed: a number, or any text. */
  constructor(seed: number | string) {
    this.#seed = String(seed);
  }

  stream(name: string): RandomStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      const key = `${this.#seed}/${name}`;
      stream = new SeededStream(hashText(key, 1), hashText(key, 2), hashText(key, 3));
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /** Streams that share nothing with this one's, whatever their names. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${name}/`);
  }
}

/** A 32-bit hash of a text (murmur3's mixing, a character at a time). */
export function hashText(text: string, salt: number): number {
  let hash = Math.imul(salt, 0x9e3779b1) | 0;
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return finish(hash ^ text.length);
}

/** Takes one more number of 32 bits into a hash. */
export function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Spreads what is in a hash over all its bits. */
export function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const SCALE = 2 ** 20;
const LN_2 = 726_817;

/** The exponential distribution below ln 2, in 64 steps of equal chance, times `SCALE`. */
const BELOW_LN_2: readonly number[] = [
  4104,
  12361,
  20683,
  29071,
  37528,
  46053,
  54648,
  63314,
  72052,
  80863,
  89750,
  98712,
  107751,
  116870,
  126068,
  135347,
  144709,
  154156,
  163689,
  173309,
  183018,
  192818,
  202710,
  212697,
  222779,
  232959,
  243240,
  253622,
  264108,
  274699,
  285399,
  296209,
  307132,
  318170,
  329325,
  340600,
  351998,
  363521,
  375172,
  386954,
  398869,
  410922,
  423115,
  435451,
  447935,
  460568,
  473356,
  486301,
  499409,
  512682,
  526125,
  539744,
  553541,
  567522,
  581692,
  596056,
  610620,
  625389,
  640369,
  655566,
  670987,
  686637,
  702525,
  718657,
];

/**
 * A whole number, exponentially distributed with this mean: how often its size passes ln 2 is a
 * run of coin tosses, what is left over comes from the table. At most 22 times the mean.
 */
export function exponential(stream: RandomStream, mean: number): number {
  if (mean <= 0) return 0;
  const drawn = stream.integer(2 ** 32);
  const tosses = Math.min(Math.clz32(drawn), 30);
  const size = tosses * LN_2 + (BELOW_LN_2[stream.integer(64)] as number);
  return Math.floor((mean * size) / SCALE);
}

/** One of the given, each as likely as the next. */
export function pick<Item>(stream: RandomStream, items: readonly Item[]): Item {
  return items[stream.integer(items.length)] as Item;
}

/** A whole number from `low` to `high`, both included. */
export function between(stream: RandomStream, low: number, high: number): number {
  return low + stream.integer(high - low + 1);
}
