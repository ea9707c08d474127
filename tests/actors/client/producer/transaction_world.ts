/** A simulated node, and transactional producers of it. */

import type { ProducerConfig } from "../../../../actors/client/configs.ts";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import type { ClientError } from "../../../../actors/client/errors.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import { GroupWorld } from "../consumer/group_setup.ts";
import { ADDRESS } from "../node_world.ts";

/** The world. */
export class TransactionWorld extends GroupWorld {
  readonly #producers: Producer[] = [];

  constructor(properties: Readonly<Record<string, string>> = {}) {
    super({ properties: { "transaction.state.log.num.partitions": "3", ...properties } });
  }

  async producer(config: ProducerConfig = {}, client = 2): Promise<Producer> {
    const producer = await this.settled(Producer.connect(ADDRESS, {
      transactionalId: "x",
      ...config,
      environment: this.at(client),
    }));
    this.#producers.push(producer);
    return producer;
  }

  /** Partitions and groups are added before, from now on. */
  async downgrade(): Promise<void> {
    const admin = await this.admin();
    await this.settled(admin.updateFeatures({ "transaction.version": 1 }, { downgrade: true }));
  }

  /** All values that a new reader sees of a topic. */
  async read(
    topic: string,
    isolationLevel: "read_committed" | "read_uncommitted",
  ): Promise<string[]> {
    const consumer = await this.settled(Consumer.connect(ADDRESS, {
      topics: [topic],
      from: "earliest",
      isolationLevel,
      environment: this.at(6),
    }));
    const values: string[] = [];
    for (;;) {
      const records = await this.settled(consumer.poll(1500));
      if (records.length === 0) break;
      values.push(...records.map((record) => record.text()));
    }
    await this.settled(consumer.close());
    return values;
  }

  override async close(): Promise<void> {
    for (const producer of this.#producers) await this.settled(producer.close());
    await super.close();
  }
}

/** The error that a promise is rejected with. */
export async function failure(
  world: TransactionWorld,
  promise: Promise<unknown>,
): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}
