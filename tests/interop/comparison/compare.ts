/**
 * Asks Strom and Apache Kafka the same, and prints where their answers differ.
 *
 * Each case of `record_cases.ts` and `admin_cases.ts` is asked in every version that both have.
 * What may differ is made the same first (`sameForm`): ids, addresses, times, epochs and message
 * texts.
 *
 * Usage: deno run -A --no-check tests/interop/comparison/compare.ts STROM KAFKA [api…]
 */

import { Admin, Producer } from "../../../mod.ts";
import { API_VERSIONS, type ApiVersionsResponse } from "../../../net/messages/api_versions.ts";
import { METADATA, type MetadataResponse } from "../../../net/messages/metadata.ts";
import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { ADMIN_CASES } from "./admin_cases.ts";
import { type Case, type Ground, TOPIC } from "./case.ts";
import { type Answer, Exchange } from "./exchange.ts";
import { RECORD_CASES } from "./record_cases.ts";
import { sameForm } from "./same_form.ts";

class Side {
  readonly exchange: Exchange;
  readonly ground: Ground;
  readonly #versions: ReadonlyMap<number, { readonly min: number; readonly max: number }>;

  constructor(exchange: Exchange, ground: Ground, { apiKeys }: ApiVersionsResponse) {
    this.exchange = exchange;
    this.ground = ground;
    this.#versions = new Map(
      apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
        apiKey,
        { min: minVersion, max: maxVersion },
      ]),
    );
  }

  static async open(address: string): Promise<Side> {
    await prepare(address);
    const exchange = new Exchange(address);
    const apis = await exchange.ask(API_VERSIONS, 3, {
      clientSoftwareName: "compare",
      clientSoftwareVersion: "1",
    });
    const found = await exchange.ask(METADATA, 12, {
      topics: [{ name: TOPIC }],
    }) as MetadataResponse;
    const ground = { nodeId: found.brokers[0]!.nodeId, topicId: found.topics[0]!.topicId };
    return new Side(exchange, ground, apis as ApiVersionsResponse);
  }

  versionsOf({ key }: Api): { readonly min: number; readonly max: number } {
    return this.#versions.get(key) ?? { min: 0, max: -1 };
  }

  async answer({ api, request }: Case, version: number): Promise<Answer> {
    const draft = request(this.ground) as Draft<unknown>;
    try {
      return sameForm(api, await this.exchange.ask(api, version, draft), this.ground);
    } catch (error) {
      this.exchange.close();
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** The state that each case expects. */
async function prepare(address: string): Promise<void> {
  await using admin = await Admin.connect(`kafka://${address}`);
  if ((await admin.listTopics()).includes(TOPIC)) return;
  // Its records are of 1970.
  const configs = { "retention.ms": "-1" };
  await admin.createTopics([
    { name: TOPIC, partitions: 2, replicationFactor: 1, configs },
    { name: "dotted.name", partitions: 1, replicationFactor: 1 },
  ]);
  await using producer = await Producer.connect(`kafka://${address}`);
  const times = [1000, 1001, 1002];
  await producer.sendBatch(
    TOPIC,
    times.map((timestamp) => ({ value: `at ${timestamp}`, timestamp, partition: 0 })),
  );
  // The first answers bring up what coordinates groups and transactions.
  await admin.listConsumerGroupOffsets("none");
}

const [stromAddress, kafkaAddress, ...wanted] = Deno.args as [string, string, ...string[]];
const [strom, kafka] = await Promise.all([Side.open(stromAddress), Side.open(kafkaAddress)]);
let [asked, different] = [0, 0];
/** By case and difference: the versions in which it was seen. */
const seen = new Map<string, number[]>();
for (const each of [...RECORD_CASES, ...ADMIN_CASES]) {
  if (wanted.length > 0 && !wanted.includes(each.api.name)) continue;
  const [here, there] = [strom.versionsOf(each.api), kafka.versionsOf(each.api)];
  const to = Math.min(here.max, there.max, each.to);
  for (let version = Math.max(here.min, there.min, each.from); version <= to; version++) {
    const [ours, theirs] = await Promise.all([
      strom.answer(each, version),
      kafka.answer(each, version),
    ]);
    asked++;
    const lines = differences(ours, theirs, "");
    if (lines.length > 0) different++;
    for (const line of lines) {
      const at = `${each.api.name} (${each.name}): ${line}`;
      seen.set(at, [...(seen.get(at) ?? []), version]);
    }
  }
}
strom.exchange.close();
kafka.exchange.close();
for (const [line, versions] of seen) console.log(`${line}  [${versions.join(" ")}]`);
console.log(`\n${asked - different} passed, ${different} failed`);
Deno.exit(different === 0 ? 0 : 1);

/** One line for each field that differs. */
function differences(ours: unknown, theirs: unknown, path: string): string[] {
  if (isObject(ours) && isObject(theirs)) {
    const names = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...names].flatMap((name) => differences(ours[name], theirs[name], `${path}.${name}`));
  }
  const [here, there] = [JSON.stringify(ours), JSON.stringify(theirs)];
  return here === there ? [] : [`${path}: Strom ${short(here)}, Kafka ${short(there)}`];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function short(text: string | undefined): string {
  return text === undefined ? "nothing" : text.slice(0, 200);
}
