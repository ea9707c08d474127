/**
 * Which partition of an internal topic a key belongs to, as every Kafka client and tool reckons it.
 *
 * @module
 */

/** Java's `String.hashCode`: over UTF-16 units, in 32 bits, signed. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(31, hash) + text.charCodeAt(index) | 0;
  }
  return hash;
}

/** The partition of a group or transactional id: Kafka's `abs`, of which the smallest int is 0. */
export function partitionOfKey(key: string, partitions: number): number {
  const hash = javaHashCode(key);
  return (hash === -0x80000000 ? 0 : Math.abs(hash)) % partitions;
}
