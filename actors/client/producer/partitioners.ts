/**
 * Which partition a record goes to: by its key, as Kafka's own client chooses, so that records of
 * one key written by both meet; or, without a key, to a partition that is kept until its batch ends
 * (KIP-480), the next one being the least loaded (KIP-794).
 *
 * Owns the hash and the choice. Does not own the batches: the caller says when one ended.
 *
 * @module
 */

import type { RandomStream } from "../../runtime/environment.ts";

/** The user's own choice of a partition: a whole number from 0 up to, not including, the count. */
export type Partitioner = (
  topic: string,
  key: Uint8Array | null,
  value: Uint8Array | null,
  partitionCount: number,
) => number;

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The murmur2 hash of Kafka's client, as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const length = to - from;
  let hash = SEED ^ length;
  let position = from;
  for (const wordsEnd = to - 3; position < wordsEnd; position += 4) {
    const word = bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24);
    hash = mix(hash, word);
  }
  let tail = 0;
  for (let last = to - 1; last >= position; last--) tail = (tail << 8) | bytes[last]!;
  return finish(hash, tail, position < to);
}

/**
 * The murmur2 hash of a text's UTF-8 bytes when all its characters are ASCII, without making the
 * bytes; undefined when one is not.
 */
export function murmur2Ascii(text: string): number | undefined {
  const length = text.length;
  let hash = SEED ^ length;
  let seen = 0;
  let position = 0;
  for (const wordsEnd = length - 3; position < wordsEnd; position += 4) {
    const a = text.charCodeAt(position);
    const b = text.charCodeAt(position + 1);
    const c = text.charCodeAt(position + 2);
    const d = text.charCodeAt(position + 3);
    seen |= a | b | c | d;
    hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24));
  }
  let tail = 0;
  for (let last = length - 1; last >= position; last--) {
    const code = text.charCodeAt(last);
    seen |= code;
    tail = (tail << 8) | code;
  }
  return seen > 0x7f ? undefined : finish(hash, tail, position < length);
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, M);
  k = Math.imul(k ^ (k >>> 24), M);
  return Math.imul(hash, M) ^ k;
}

function finish(hash: number, tail: number, hasTail: boolean): number {
  let h = hasTail ? Math.imul(hash ^ tail, M) : hash;
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

/** The partition of a hash. Partitions without a leader count too: a key stays where it is. */
export function partitionOfHash(hash: number, partitionCount: number): number {
  return (hash & 0x7fffffff) % partitionCount;
}

/** What the choice for records without a key needs to know of a topic. */
export interface PartitionLoads {
  readonly partitionCount: number;
  /** Whether the partition has a leader. */
  isAvailable(partition: number): boolean;
  /** How much waits to be sent to it. */
  load(partition: number): number;
}

/** Partitions that are compared before one is chosen. */
const CANDIDATES_MAX = 16;

/**
 * The partition for the next batch of records without a key, another than `previous` (-1 for none):
 * the least loaded of those that have a leader, in a large topic of some taken by chance; by chance
 * among equals.
 */
export function nextStickyPartition(
  loads: PartitionLoads,
  previous: number,
  random: RandomStream,
): number {
  const count = loads.partitionCount;
  if (count <= 1) return 0;
  const start = random.integer(count);
  let best = -1;
  let bestLoad = Infinity;
  for (let i = 0; i < Math.min(count, CANDIDATES_MAX); i++) {
    const partition = count <= CANDIDATES_MAX ? (start + i) % count : random.integer(count);
    if (partition === previous || !loads.isAvailable(partition)) continue;
    const load = loads.load(partition);
    if (load < bestLoad) {
      best = partition;
      bestLoad = load;
    }
  }
  if (best !== -1) return best;
  return previous !== -1 && loads.isAvailable(previous) ? previous : start;
}
