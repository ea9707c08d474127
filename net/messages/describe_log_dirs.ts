/**
 * DescribeLogDirs: the folders of a broker and the size of each replica in them (KIP-113).
 *
 * Version 2 is flexible; 3 adds a top-level error, 4 the size of the file system (KIP-827).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const DESCRIBE_LOG_DIRS = api({
  key: 35,
  name: "DescribeLogDirs",
  versions: "1-4",
  flexibleVersions: "2+",
  request: struct({
    topics: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullableVersions: "0+" },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16({ versions: "3+", ignorable: true }),
    results: array(struct({
      errorCode: int16(),
      logDir: string(),
      topics: array(struct({
        name: string(),
        partitions: array(struct({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        })),
      })),
      totalBytes: int64({ versions: "4+", default: -1, ignorable: true }),
      usableBytes: int64({ versions: "4+", default: -1, ignorable: true }),
    })),
  }),
});

export type DescribeLogDirsRequest = Infer<typeof DESCRIBE_LOG_DIRS.request>;
export type DescribeLogDirsResponse = Infer<typeof DESCRIBE_LOG_DIRS.response>;
export type DescribableLogDirTopic = NonNullable<DescribeLogDirsRequest["topics"]>[number];
export type DescribeLogDirsResult = DescribeLogDirsResponse["results"][number];
export type DescribeLogDirsTopic = DescribeLogDirsResult["topics"][number];
export type DescribeLogDirsPartition = DescribeLogDirsTopic["partitions"][number];
