/**
 * A producer that keeps a node busy and remembers what was acknowledged, and a reader that holds a
 * recovered node to it: every acknowledged record at its offset, nothing torn, no gap.
 */

import { DenoNetwork } from "../../net/deno_network.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { LIST_OFFSETS } from "../../net/messages/list_offsets.ts";
import { walkBatches } from "../../storage/record_batch.ts";
import { checkBatch } from "../../storage/record_batch_validation.ts";
import { batchOf, beginFetch, beginProduce, valuesOf } from "../actors/broker/broker_world.ts";
import { TestClient } from "../actors/broker/test_client.ts";

export const TOPIC = "orders";
const PARTITIONS = 3;
const IN_FLIGHT = 12;

/** A client of the node at `host:port`. */
export async function connect(address: string): Promise<TestClient> {
  const [host, port] = address.split(":");
  const client = new TestClient();
  const network = new DenoNetwork();
  await Promise.race([
    new Promise<void>((resolve) =>
      client.connect(network, { host: host!, port: Number(port) }, resolve)
    ),
    client.ended.settled().then((reason) => Promise.reject(new Error(reason))),
  ]);
  await client.handshake().settled();
  return client;
}

export class ProduceRun {
  /** By partition: the values acknowledged, by offset. */
  readonly acknowledged: ReadonlyMap<number, string>[] = Array.from(
    { length: PARTITIONS },
    () => new Map<number, string>(),
  );
  /** Every value that was sent. */
  readonly #sent = new Set<string>();
  #client: TestClient | undefined;
  #number = 0;
  #inFlight = 0;
  #stopped = true;

  get count(): number {
    return this.acknowledged.reduce((sum, { size }) => sum + size, 0);
  }

  async createTopic(address: string): Promise<void> {
    const client = await connect(address);
    const topic = { name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1 };
    await client.begin(CREATE_TOPICS, { timeoutMs: 10_000, topics: [topic] }).settled();
    client.close();
    await client.ended.settled();
  }

  /** Sends from now on, until the connection ends or `stop`. */
  async start(address: string): Promise<void> {
    this.#client = await connect(address);
    this.#stopped = false;
    for (let i = 0; i < IN_FLIGHT; i++) this.#send(this.#client);
  }

  /** Sends no more; ends when all that was sent is answered or lost. */
  async stop(): Promise<void> {
    this.#stopped = true;
    while (this.#inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#client?.close(true);
    await this.#client?.ended.settled();
  }

  /** What was acknowledged up to now, to hold a copy of now against. */
  snapshot(): ReadonlyMap<number, string>[] {
    return this.acknowledged.map((values) => new Map(values));
  }

  #send(client: TestClient): void {
    if (this.#stopped || client.ended.isSettled) return;
    const number = this.#number++;
    const partition = number % PARTITIONS;
    const values = Array.from(
      { length: 1 + number % 4 },
      (_, index) => `${number}/${index} `.padEnd(10 + (number * 7919) % 1500, "."),
    );
    for (const value of values) this.#sent.add(value);
    this.#inFlight++;
    beginProduce(client, TOPIC, batchOf(values), { partition }).settled().then((response) => {
      const { errorCode, baseOffset } = response.responses[0]!.partitionResponses[0]!;
      const acknowledged = this.acknowledged[partition] as Map<number, string>;
      if (errorCode !== 0) return;
      values.forEach((value, index) => acknowledged.set(baseOffset + index, value));
    }, () => {}).finally(() => {
      this.#inFlight--;
      this.#send(client);
    });
  }

  /** What is wrong with the node at an address, held against what was acknowledged. */
  async check(
    address: string,
    acknowledged: readonly ReadonlyMap<number, string>[] = this.acknowledged,
  ): Promise<string[]> {
    const client = await connect(address);
    const problems: string[] = [];
    for (const [partition, expected] of acknowledged.entries()) {
      const found = await this.#read(client, partition, problems);
      for (const [offset, value] of expected) {
        if (found[offset] === value) continue;
        const is = found[offset] === undefined ? "nothing" : JSON.stringify(found[offset]);
        problems.push(`partition ${partition}: ${is} at ${offset}, acknowledged was ${value}`);
      }
    }
    client.close(true);
    await client.ended.settled();
    return problems;
  }

  async #read(client: TestClient, partition: number, problems: string[]): Promise<string[]> {
    const { topics } = await client.begin(LIST_OFFSETS, {
      replicaId: -1,
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
    }).settled();
    const end = topics[0]!.partitions[0]!.offset;
    const values: string[] = [];
    while (values.length < end) {
      const response = await beginFetch(client, TOPIC, values.length, { partition }).settled();
      const { records, errorCode } = response.responses[0]!.partitions[0]!;
      if (errorCode !== 0 || records === null) {
        problems.push(`partition ${partition}: error ${errorCode} at ${values.length}`);
        return values;
      }
      for (const batch of walkBatches(records)) {
        const fault = checkBatch(records, batch.position, records.length);
        if (fault !== null) problems.push(`partition ${partition}: ${fault.reason}`);
        if (batch.baseOffset !== values.length) {
          problems.push(`partition ${partition}: ${batch.baseOffset} follows ${values.length - 1}`);
        }
        values.push(...valuesOf(batch));
      }
    }
    for (const value of values) {
      if (!this.#sent.has(value)) problems.push(`partition ${partition}: ${value} was never sent`);
    }
    if (new Set(values).size < values.length) problems.push(`partition ${partition}: a duplicate`);
    return values;
  }
}
