/**
 * How topics are shown: their partitions, who leads them, how far their logs are.
 *
 * @module
 */

import {
  Admin,
  type ConfigEntry,
  type PartitionInfo,
  type PartitionOffsets,
  type TopicDescription,
} from "../../mod.ts";
import { access, type ClusterOptions } from "./client_options.ts";
import type { Terminal } from "./command.ts";

/** What is known of a topic; offsets by topic and partition. */
export interface ShownTopic {
  readonly topic: TopicDescription;
  readonly configs: readonly ConfigEntry[];
  readonly offsets: ReadonlyMap<string, PartitionOffsets>;
}

/** Where the protocol says that a config was set on the topic itself. */
const SET_BY_TOPIC = 1;
/** A leader that does not answer within this is shown without offsets. */
const OFFSETS_TIMEOUT_MS = 3000;
const UNKNOWN = { logStartOffset: -1, highWatermark: -1, logEndOffset: -1 };

/** Where the logs of all partitions begin and end whose leaders answer. */
export async function offsetsOf(
  options: ClusterOptions,
  topics: readonly TopicDescription[],
): Promise<ReadonlyMap<string, PartitionOffsets>> {
  await using admin = await Admin.connect(options.bootstrap, {
    clientId: "strom-topics",
    ...access(options),
    defaultApiTimeoutMs: OFFSETS_TIMEOUT_MS,
  });
  const led = topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ leader }) => leader >= 0)
      .map(({ leader, partition }) => ({ leader, topic: name, partition }))
  );
  const byLeader = [...Map.groupBy(led, ({ leader }) => leader).values()];
  const answers = await Promise.all(
    byLeader.map((partitions) => admin.describeOffsets(partitions).catch(() => [])),
  );
  return new Map(answers.flat().map((one) => [keyOf(one.topic, one.partition), one]));
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** A topic's shape, for lists. */
export function shapeJson({ name, topicId, isInternal, partitions }: TopicDescription) {
  return { name, topicId, isInternal, partitions: partitions.map(partitionJson) };
}

/** All there is to say of a topic; offsets that are not known are -1. */
export function topicJson({ topic, configs, offsets }: ShownTopic) {
  const { name, topicId, isInternal, partitions } = topic;
  return {
    name,
    topicId,
    isInternal,
    configs,
    partitions: partitions.map((partition) => {
      const { logStartOffset, highWatermark, logEndOffset } =
        offsets.get(keyOf(name, partition.partition)) ?? UNKNOWN;
      return { ...partitionJson(partition), logStartOffset, highWatermark, logEndOffset };
    }),
  };
}

function partitionJson(info: PartitionInfo) {
  const { partition, leader, leaderEpoch, replicas, isr, offlineReplicas } = info;
  return { partition, leader, leaderEpoch, replicas, isr, offlineReplicas };
}

/** A line for the topic and one for each partition. */
export function printTopic({ topic, configs, offsets }: ShownTopic, { output }: Terminal): void {
  const { name, topicId, partitions } = topic;
  const set = configs.filter(({ configSource }) => configSource === SET_BY_TOPIC)
    .map(({ name, value }) => `${name}=${value}`);
  output.writeLine(
    [
      `${name}  id ${topicId}`,
      counted(partitions.length, "partition"),
      counted(partitions[0]?.replicas.length ?? 0, "replica"),
      ...set,
    ].join("  "),
  );
  for (const info of partitions) {
    output.writeLine(`  ${partitionLine(info, offsets.get(keyOf(name, info.partition)))}`);
  }
}

function partitionLine(info: PartitionInfo, offsets: PartitionOffsets | undefined): string {
  const { partition, leader, leaderEpoch, replicas, isr } = info;
  return [
    `partition ${partition}`,
    leader < 0 ? "no leader" : `leader ${leader}  leaderEpoch ${leaderEpoch}`,
    `replicas ${replicas.join(",")}  isr ${isr.join(",")}`,
    ...(offsets === undefined ? [] : [
      `logEndOffset ${offsets.logEndOffset}  highWatermark ${offsets.highWatermark}`,
      `logStartOffset ${offsets.logStartOffset}`,
    ]),
    ...(isr.length < replicas.length ? ["under-replicated"] : []),
  ].join("  ");
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
