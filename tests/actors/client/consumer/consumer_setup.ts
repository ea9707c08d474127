/** A consumer in a world with a fake cluster that has one topic, "t". */

import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import type { ConsumerRecord } from "../../../../actors/client/consumer/consumer_record.ts";
import type { ClientError } from "../../../../actors/client/errors.ts";
import { type BatchOptions, RecordBatchBuilder } from "../../../../storage/record_batch_builder.ts";
import { ClientWorld } from "../client_world.ts";

/** Stores a batch of records with these values, whose keys are null. */
export function store(
  world: ClientWorld,
  partition: number,
  values: readonly string[],
  options: BatchOptions & { timestamp?: number } = {},
): void {
  const builder = new RecordBatchBuilder(new Uint8Array(1024 * 1024));
  const { timestamp = 1000, ...rest } = options;
  for (const value of values) builder.tryAppend(timestamp, null, value);
  world.cluster.partition("t", partition)!.append(builder.build(rest));
  world.cluster.wake();
}

export function numbers(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

export interface Setup {
  readonly world: ClientWorld;
  readonly consumer: Consumer;
}

export async function setUp(
  config: ConsumerConfig = { topics: ["t"], from: "earliest" },
  prepare: (world: ClientWorld) => void = () => {},
  options: { partitions?: number; brokers?: number } = {},
): Promise<Setup> {
  const world = new ClientWorld({ brokers: options.brokers ?? 1 });
  world.cluster.createTopic("t", options.partitions ?? 1);
  prepare(world);
  const { environment } = world;
  const consumer = await world.settled(
    Consumer.connect(world.bootstrap, { ...config, environment }),
  );
  return { world, consumer };
}

/** Takes so many records by a loop. */
export async function take({ world, consumer }: Setup, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = [];
  const loop = async () => {
    for await (const record of consumer) {
      records.push(record);
      if (records.length === count) break;
    }
  };
  await world.settled(loop());
  return records;
}

export function texts(records: readonly ConsumerRecord[]): string[] {
  return records.map((record) => record.text());
}

export async function failure(world: ClientWorld, promise: Promise<unknown>): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}
