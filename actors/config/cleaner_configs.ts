/**
 * The broker configs of the log cleaner: Kafka's names and defaults. Those of a topic's own
 * compaction are in topic_config.ts.
 *
 * @module
 */

import { boolean, double, int, long } from "./definition.ts";

const MIB = 1024 * 1024;

export const CLEANER_CONFIGS = {
  logCleanerEnable: boolean(
    "log.cleaner.enable",
    true,
    "Whether topics with cleanup.policy=compact are compacted",
  ),
  logCleanerThreads: int("log.cleaner.threads", 1, "Partitions that are compacted at a time", {
    min: 0,
    dynamic: "cluster-wide",
  }),
  logCleanerIoMaxBytesPerSecond: double(
    "log.cleaner.io.max.bytes.per.second",
    Number.MAX_VALUE,
    "Bytes a second that compaction reads and writes at the most",
    { dynamic: "cluster-wide" },
  ),
  logCleanerDedupeBufferSize: long(
    "log.cleaner.dedupe.buffer.size",
    128 * MIB,
    "Bytes of memory for keys while partitions are compacted, of 24 bytes a key",
    { min: 1024, dynamic: "cluster-wide" },
  ),
  logCleanerIoBufferSize: int(
    "log.cleaner.io.buffer.size",
    512 * 1024,
    "Bytes of the buffers that compaction reads and writes by",
    { min: 1024, dynamic: "cluster-wide" },
  ),
  logCleanerIoBufferLoadFactor: double(
    "log.cleaner.io.buffer.load.factor",
    0.9,
    "Which part of the memory for keys is used",
    { min: 0, max: 1, dynamic: "cluster-wide" },
  ),
  logCleanerBackoffMs: long(
    "log.cleaner.backoff.ms",
    15_000,
    "How long the cleaner rests where there is nothing to compact",
    { min: 1, dynamic: "cluster-wide" },
  ),
};
