/** A producer in a world with a fake cluster that has one topic, "t". */

import type { ProducerConfig } from "../../../../actors/client/configs.ts";
import type { ClientError } from "../../../../actors/client/errors.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import { ClientWorld } from "../client_world.ts";

export const decoder = new TextDecoder();

export interface Setup {
  readonly world: ClientWorld;
  readonly producer: Producer;
}

export async function setUp(
  config: ProducerConfig = {},
  options: {
    readonly partitions?: number;
    readonly brokers?: number;
    /** Runs before the producer connects. */
    readonly before?: (world: ClientWorld) => void;
  } = {},
): Promise<Setup> {
  const world = new ClientWorld({ brokers: options.brokers ?? 1 });
  world.cluster.createTopic("t", options.partitions ?? 1);
  options.before?.(world);
  const { environment } = world;
  const producer = await world.settled(
    Producer.connect(world.bootstrap, { ...config, environment }),
  );
  return { world, producer };
}

/** The values stored in a partition, as text. */
export function stored({ world }: Setup, partition = 0): string[] {
  const records = world.cluster.partition("t", partition)!.records;
  return records.map(({ value }) => value === null ? "null" : decoder.decode(value));
}

/** What the promise rejected with, after letting time go on. */
export async function rejection({ world }: Setup, promise: Promise<unknown>): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}
