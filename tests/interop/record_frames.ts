/**
 * Records what real clients send, and what a node answers them, into
 * tests/net/golden/client_frames.jsonl: the seeds of tests/net/kafka/client_frames_test.ts and of
 * the attacks on Kafka's port (tests/properties/kafka_frames_test.ts).
 *
 * Runs each client's script of trials against a node of its own. Of each client, API and version
 * two requests are kept, the shortest and the longest that is short; of each API and version two
 * responses. A client that the scripts do not know may be named with a command, which finds the
 * addresses in KAFKA_BOOTSTRAP. Where clients are named, frames of others stay as they were
 * recorded; what a node answers is then kept from them all.
 *
 * Usage: deno run -A --no-check tests/interop/record_frames.ts [client | name=command]…
 */

import { fromFileUrl } from "@std/path";
import { apiByKey } from "../../net/messages/table.ts";
import { Admin, startNode } from "../../mod.ts";
import { denoEnvironment } from "../../actors/runtime/deno_environment.ts";
import { CAPABILITIES } from "./capabilities.ts";
import { type Client, CLIENTS, whyAbsent } from "./clients.ts";
import { type RecordedFrame, RecordingNetwork } from "./recording_network.ts";
import { linesOf } from "./running_cluster.ts";

const FILE = fromFileUrl(new URL("../net/golden/client_frames.jsonl", import.meta.url));

/** The longest frame that is kept besides the shortest. */
const SHORT_BYTES = 400;

const PROPERTIES = {
  "message.max.bytes": "12000000",
  "group.initial.rebalance.delay.ms": "300",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.num.partitions": "4",
};

interface Line {
  readonly client: string;
  readonly kind: RecordedFrame["kind"];
  readonly api: string;
  readonly version: number;
  readonly hex: string;
}

/** Frames of one kind, the shortest first and the longest that is short last. */
class Kept {
  readonly #frames = new Map<string, Line[]>();

  take(line: Line): void {
    const { client, kind, api, version } = line;
    const key = [kind, api, version, kind === "request" ? client : ""].join(" ");
    const kept = this.#frames.get(key) ?? [];
    this.#frames.set(key, kept);
    const [shortest] = kept;
    const longest = kept.at(-1);
    if (shortest === undefined || line.hex.length < shortest.hex.length) kept.unshift(line);
    else if (line.hex.length > longest!.hex.length && line.hex.length <= 2 * SHORT_BYTES) {
      kept.push(line);
    }
    if (kept.length > 2) kept.splice(1, 1);
  }

  get lines(): Line[] {
    const order = ({ kind, api, version, client }: Line) =>
      [kind, api, String(version).padStart(2, "0"), client].join(" ");
    return [...this.#frames.values()].flat()
      .sort((a, b) => order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0);
  }
}

/** Which release a client is, in its own words. */
async function releaseOf({ name }: Client): Promise<string> {
  const output = async (command: string, ...args: string[]) => {
    const { stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  const python = (expression: string) => output("/usr/bin/python3", "-c", expression);
  switch (name) {
    case "kcat":
      return (await output("kcat", "-V")).match(/librdkafka [\d.]+/)?.[0] ?? "";
    case "confluent-kafka":
      return await python("import confluent_kafka as c; print('librdkafka', c.libversion()[0])");
    case "kafka-python":
      return await python("import kafka; print(kafka.__version__)");
    default: {
      const lock = await Deno.readTextFile(new URL("clients/deno.lock", import.meta.url));
      return lock.match(new RegExp(`npm:[^"]*${name}[^"]*": "([\\d.]+)`))?.[1] ?? "";
    }
  }
}

/** Has a node record what `run` makes of it. */
async function recording(
  client: string,
  kept: Kept,
  run: (addresses: { readonly kafka: string; readonly native: string }) => Promise<void>,
): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "strom-frames-" });
  const environment = denoEnvironment({ dataRoot: data, logLevel: "error" });
  let port = -1;
  const network = new RecordingNetwork(
    environment.network,
    (local) => local.port === port,
    ({ kind, apiKey, version, bytes }) => {
      const api = apiByKey(apiKey)?.name ?? String(apiKey);
      kept.take({ client, kind, api, version, hex: bytes.toHex() });
    },
  );
  const node = await startNode({
    data,
    native: { port: 0 },
    kafka: { port: 0 },
    properties: PROPERTIES,
    environment: { ...environment, network },
  });
  port = Number(node.kafka!.split(":")[1]);
  try {
    await run({ kafka: node.kafka!, native: node.address });
  } finally {
    await node.close();
    await Deno.remove(data, { recursive: true });
  }
}

async function runTrials(
  client: Client,
  { kafka, native }: { readonly kafka: string; readonly native: string },
): Promise<void> {
  const child = new Deno.Command(client.command, {
    args: [...client.args, kafka, "1", ...CAPABILITIES],
    stdin: "piped",
    stdout: "piped",
    env: { KAFKAJS_NO_PARTITIONER_WARNING: "1" },
  }).spawn();
  const orders = child.stdin.getWriter();
  for await (const line of linesOf(child.stdout)) {
    if (!line.startsWith("@")) continue;
    const { capability, outcome, create, partitions = 1 } = JSON.parse(line.slice(1));
    if (capability !== undefined) console.log(`${client.name}: ${capability}: ${outcome}`);
    if (create === undefined) continue;
    await using admin = await Admin.connect(native);
    await admin.createTopics([{ name: create, partitions }]);
    await orders.write(new TextEncoder().encode("done\n"));
  }
  await orders.close().catch(() => {});
  await child.status;
}

async function runCommand(command: string, kafka: string): Promise<void> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", command],
    env: { KAFKA_BOOTSTRAP: kafka },
  }).spawn().status;
  if (!success) throw new Error(`It failed: ${command}`);
}

const named = Deno.args.map((text) => text.split("=", 1)[0]!);
const kept = new Kept();
const releases: Record<string, string> = {};
if (named.length > 0) {
  const [head, ...lines] = (await Deno.readTextFile(FILE).catch(() => "{}")).trim().split("\n")
    .map((line) => JSON.parse(line));
  Object.assign(releases, head.clients);
  for (const line of lines as Line[]) {
    if (line.kind === "response" || !named.includes(line.client)) kept.take(line);
  }
}
for (const client of CLIENTS) {
  const { name } = client;
  if (name === "strom" || named.length > 0 && !Deno.args.includes(name)) continue;
  const absent = await whyAbsent(client);
  if (absent !== undefined) throw new Error(`Cannot record ${name}: ${absent}`);
  releases[name] = await releaseOf(client);
  await recording(name, kept, (addresses) => runTrials(client, addresses));
}
for (const text of Deno.args.filter((text) => text.includes("="))) {
  const name = text.split("=", 1)[0]!;
  // It is in the name.
  releases[name] = name.split(" ").at(-1)!;
  await recording(name, kept, ({ kafka }) => runCommand(text.slice(name.length + 1), kafka));
}
const source =
  "Recorded by tests/interop/record_frames.ts, which says how; those of Java by a program " +
  "that calls whatever its producer, its consumers and its Admin have. Responses are Strom's.";
const lines = [{ source, clients: releases }, ...kept.lines];
await Deno.writeTextFile(FILE, lines.map((line) => JSON.stringify(line)).join("\n") + "\n");
console.log(`${lines.length - 1} frames of ${Object.keys(releases).length} clients`);
