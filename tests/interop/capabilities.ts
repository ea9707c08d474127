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

/** Shown by processes of each client, on both clusters. */
export const KILLED_MEMBER = "killed member";

/** Shown by one client after the other, as it takes nodes away; on the larger cluster only. */
export const FAILOVER = "failover";

/** Shown by our own client besides, at Strom and at Apache Kafka. */
export const OWN_CAPABILITIES = [
  "cluster",
  "configs of all kinds",
  "errors",
  "quotas",
  "groups' offsets",
  "members",
  "assignors",
  "patterns",
  "transactions looked after",
  "transactions by version",
  "many records",
  "command line",
] as const;
