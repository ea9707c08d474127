/**
 * DescribeLogDirs: this broker's data folder, and the size of each log in it (KIP-113, KIP-827).
 *
 * Only what is here is told of: partitions whose replicas are elsewhere are left out, and so are
 * those whose logs cannot be read.
 *
 * @module
 */

import {
  DESCRIBE_LOG_DIRS,
  type DescribeLogDirsPartition,
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
} from "../../../net/messages/describe_log_dirs.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { DescribeLogReply } from "../../partition/messages.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { askPartitions, type TopicQuestion } from "../partition_questions.ts";
import { OFFLINE } from "../services.ts";

export const describeLogDirs: ApiHandler<DescribeLogDirsRequest, DescribeLogDirsResponse> = {
  api: DESCRIBE_LOG_DIRS,
  access: () => [clusterAccess("describe")],
  handle(call) {
    const { disk } = call.broker.environment;
    askPartitions<number, DescribeLogReply, DescribeLogDirsPartition | undefined>(call, {
      topics: held(call),
      partitionOf: (partition) => partition,
      timeoutMs: call.broker.config.requestTimeoutMs,
      question: (_partition, replyTo) => ({ kind: "describe-log", replyTo }),
      answered: (partitionIndex, { error, sizeInBytes, logEndOffset, highWatermark }) =>
        error !== ErrorCode.NONE ? undefined : {
          partitionIndex,
          partitionSize: sizeInBytes,
          offsetLag: Math.max(highWatermark - logEndOffset, 0),
          isFutureKey: false,
        },
      failed: () => undefined,
    }, (topics) => {
      const { totalBytes = -1, usableBytes = -1 } = disk.space() ?? {};
      const logs = topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.filter((log) => log !== undefined),
      }));
      call.reply({
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        results: [{
          errorCode: ErrorCode.NONE,
          logDir: disk.root,
          topics: logs.filter(({ partitions }) => partitions.length > 0),
          totalBytes,
          usableBytes,
        }],
      });
    });
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode, results: [] }),
};

/** Which of the partitions asked for have a log here; all of them where nobody says which. */
function held(
  { request, broker }: Call<DescribeLogDirsRequest, DescribeLogDirsResponse>,
): TopicQuestion<number>[] {
  const { image, partitions } = broker;
  const asked = request.topics?.map(({ topic, partitions }) => ({ name: topic, partitions })) ??
    [...image.topics.values()].map(({ name, partitions }) => ({
      name,
      partitions: [...partitions.keys()],
    }));
  return asked.map(({ name, partitions: asked }) => {
    const topic = image.topicByName(name);
    const isHere = (partition: number) => {
      const found = topic && partitions.find(topic.id, partition);
      return found !== undefined && found !== OFFLINE;
    };
    return { name, partitions: asked.filter(isHere) };
  });
}
