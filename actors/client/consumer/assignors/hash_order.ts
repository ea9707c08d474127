/**
 * The order in which Java's hash maps list their keys.
 *
 * Which of two members keeps a partition more than the other hangs, in Kafka's sticky assignors, on
 * the order in which a hash map lists the members. A group may be led by one of our members now and
 * by one of Kafka's next, and the same inputs must give the same assignment, or partitions move for
 * nothing.
 *
 * @module
 */

/** The buckets of a map that was not told how much it will hold. */
const BUCKETS_MIN = 16;

/** Java's `String.hashCode`, a signed 32-bit number. */
export function hashOfText(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The `hashCode` of Kafka's `TopicPartition`. */
export function hashOfPlace(topic: string, partition: number): number {
  return (Math.imul(31, 31 + partition) + hashOfText(topic)) | 0;
}

/** Buckets that a map has which has held at most so many keys. */
export function bucketsFor(keysMax: number): number {
  let buckets = BUCKETS_MIN;
  while (keysMax > buckets * 0.75) buckets *= 2;
  return buckets;
}

/** The bucket that a key is in. */
export function bucketOf(hash: number, buckets: number): number {
  return (hash ^ (hash >>> 16)) & (buckets - 1);
}

/** Items, in the order in which they were put into a map, in the order in which it lists them. */
export function inHashOrder<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const buckets = bucketsFor(items.length);
  const placed = items.map((item) => ({
    item,
    bucket: bucketOf(hashOfText(keyOf(item)), buckets),
  }));
  return placed.sort((a, b) => a.bucket - b.bucket).map(({ item }) => item);
}
