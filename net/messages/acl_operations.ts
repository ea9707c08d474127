/**
 * Operations as Kafka numbers them, and sets of them as responses tell what a client may do to a
 * resource: one bit each (KIP-430).
 *
 * @module
 */

export const ACL_OPERATIONS = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  "cluster-action": 9,
  "describe-configs": 10,
  "alter-configs": 11,
  "idempotent-write": 12,
} as const;

/** In the place of a set that nobody asked for. */
export const OPERATIONS_NOT_ASKED = -2147483648;
