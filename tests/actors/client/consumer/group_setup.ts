/** Members of a group on a simulated node, and what they see of each other. */

import { Admin } from "../../../../actors/client/admin/admin.ts";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import type { TopicPartition } from "../../../../actors/client/topic_partition.ts";
import { ADDRESS, NodeWorld, type NodeWorldOptions } from "../node_world.ts";

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** One reader of a group, which takes records in a loop. */
export class Reader {
  readonly name: string;
  readonly consumer: Consumer;
  /** `assigned t-0 t-1` and the like, in order. */
  readonly events: string[] = [];
  /** `topic-partition@offset`, in order. */
  readonly taken: string[] = [];
  readonly values: string[] = [];
  loop: Promise<void> | undefined;
  #isStopping = false;

  constructor(name: string, consumer: Consumer, events: string[]) {
    this.name = name;
    this.consumer = consumer;
    this.events = events;
  }

  /** The partitions it has. */
  get owned(): string[] {
    return this.consumer.assignment().map(keyOf).sort();
  }

  /** Takes records until it is stopped. */
  read(): void {
    this.loop = (async () => {
      for await (const record of this.consumer) {
        this.taken.push(`${keyOf(record)}@${record.offset}`);
        this.values.push(record.text());
        if (this.#isStopping) break;
      }
    })();
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await this.consumer.close();
    await this.loop;
  }
}

export class GroupWorld extends NodeWorld {
  readonly readers: Reader[] = [];
  #producer: Producer | undefined;
  #admin: Admin | undefined;

  constructor(options: NodeWorldOptions = {}) {
    super({ clients: 6, ...options });
  }

  async admin(): Promise<Admin> {
    return this.#admin ??= await this.settled(
      Admin.connect(ADDRESS, { environment: this.at(1) }),
    );
  }

  async createTopic(name: string, partitions: number): Promise<void> {
    const admin = await this.admin();
    await this.settled(admin.createTopics([{ name, partitions }]));
  }

  /** Stores values, one after the other in the partitions. */
  async produce(topic: string, partitions: number, values: readonly string[]): Promise<void> {
    const records = values.map((value, i) => ({ value, partition: i % partitions }));
    await this.settled((await this.#sender()).sendBatch(topic, records));
  }

  /** Stores a value in one partition. */
  async produceTo(topic: string, partition: number, value: string): Promise<void> {
    await this.settled((await this.#sender()).send({ topic, partition, value }));
  }

  async #sender(): Promise<Producer> {
    return this.#producer ??= await this.settled(
      Producer.connect(ADDRESS, { environment: this.at(1) }),
    );
  }

  /** Connects a reader on a host of its own. */
  async reader(config: ConsumerConfig): Promise<Reader> {
    const events: string[] = [];
    const name = `reader ${this.readers.length + 1}`;
    const environment = config.environment ?? this.at(2 + this.readers.length % 5);
    const say = (what: string) => (partitions: readonly TopicPartition[]) => {
      events.push([what, ...partitions.map(keyOf)].join(" "));
    };
    const consumer = await this.settled(Consumer.connect(ADDRESS, {
      autoOffsetReset: "earliest",
      metadataMaxAgeMs: 2_000,
      rebalanceListener: {
        assigned: say("assigned"),
        revoked: say("revoked"),
        lost: say("lost"),
      },
      clientId: name.replace(" ", "-"),
      ...config,
      environment,
    }));
    const reader = new Reader(name, consumer, events);
    this.readers.push(reader);
    return reader;
  }

  /** Until each partition of the topic is one reader's, and no reader waits for another. */
  async shared(readers: readonly Reader[], topic: string, partitions: number): Promise<void> {
    const least = Math.floor(partitions / readers.length);
    await this.until(() => {
      const owned = readers.flatMap((reader) => reader.owned);
      return owned.length === partitions && new Set(owned).size === partitions &&
        owned.every((key) => key.startsWith(`${topic}-`)) &&
        readers.every((reader) => reader.owned.length >= Math.min(least, 1));
    });
  }

  async close(): Promise<void> {
    for (const reader of this.readers) await this.settled(reader.close());
    if (this.#producer !== undefined) await this.settled(this.#producer.close());
    if (this.#admin !== undefined) await this.settled(this.#admin.close());
  }
}
