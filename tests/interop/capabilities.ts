/**
 * What each client has to show, and on which clusters.
 *
 * @module
 */

/** Shown on a cluster of one node and on one of three. */
export const CAPABILITIES = [
  "metadata",
  "produce, consume",
  "gzip",
  "snappy",
  "lz4",
  "zstd",
  "headers, nulls, timestamps",
  "10 MB batch",
  "idempotent producer",
  "topics",
  "configs",
  "offsets by time",
  "commit, resume",
  "rebalance",
  "transactions",
] as const;

/** Shown by one client after the other, as it takes nodes away; on the larger cluster only. */
export const FAILOVER = "failover";
