/**
 * The broker configs of transactions: Kafka's names and defaults. Those of the topic that they are
 * kept in stand beside those of the other internal topic, in group_configs.ts.
 *
 * @module
 */

import { boolean, int } from "./definition.ts";

const MINUTE_MS = 60_000;

export const TRANSACTION_CONFIGS = {
  transactionMaxTimeoutMs: int(
    "transaction.max.timeout.ms",
    15 * MINUTE_MS,
    "The longest transaction.timeout.ms that a producer may ask for",
    { min: 1 },
  ),
  transactionalIdExpirationMs: int(
    "transactional.id.expiration.ms",
    7 * 24 * 60 * MINUTE_MS,
    "A transactional id that nobody has used for this long is forgotten",
    { min: 1 },
  ),
  transactionAbortTimedOutIntervalMs: int(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    10_000,
    "How often transactions that have been open for too long are looked for",
    { min: 1 },
  ),
  transactionRemoveExpiredIntervalMs: int(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    60 * MINUTE_MS,
    "How often transactional ids to be forgotten are looked for",
    { min: 1 },
  ),
  transactionPartitionVerificationEnable: boolean(
    "transaction.partition.verification.enable",
    true,
    "Whether records of a transaction wait until its coordinator knows of the partition",
    { dynamic: "cluster-wide" },
  ),
};
