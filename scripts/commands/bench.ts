/**
 * `strom bench`: measures a cluster from one client process. What a whole machine can do, and how
 * that compares to its sockets and disks, is what `deno task bench` tells.
 *
 * @module
 */

import { Admin } from "../../mod.ts";
import { ConsumeRunner } from "../bench/load/consume.ts";
import { type Latencies, ProbeReceiver, ProbeSender } from "../bench/load/end_to_end.ts";
import { ProduceRunner, type Throughput } from "../bench/load/produce.ts";
import { access, cluster, type ClusterOptions } from "./client_options.ts";
import type { Command, Terminal } from "./command.ts";
import { command } from "./command.ts";
import { choice, flag, integer, textOr } from "./option.ts";
import { Rate } from "./rate.ts";

const DEFAULT_RECORDS = 1_000_000;
const DEFAULT_RECORD_BYTES = 100;
const DEFAULT_PARTITIONS = 3;
const DEFAULT_RATE = 10_000;
const DEFAULT_SECONDS = 5;
/** Records between two looks at how far it is. */
const STEP = 1_000_000;

const topic = textOr("T", "strom-bench", "The topic, made where there is none");
const json = flag("Print JSON");
const records = integer("N", `How many records (default ${DEFAULT_RECORDS})`, { min: 1 });
const recordSize = integer("B", `Bytes of each (default ${DEFAULT_RECORD_BYTES})`, { min: 0 });
const partitions = integer(
  "P",
  `Partitions of a topic that is made for it (default ${DEFAULT_PARTITIONS})`,
  { min: 1 },
);
const acks = choice(["all", "1", "0"], "all", "Who must have a record before it counts as sent");
const compression = choice(
  ["none", "gzip", "snappy", "lz4", "zstd"],
  "none",
  "How batches are compressed",
);

const produce = command({
  name: "bench produce",
  summary: "Send records as fast as they are acknowledged",
  options: {
    records,
    recordSize,
    partitions,
    mode: choice(
      ["promise", "keyed", "batch", "callback"],
      "promise",
      "A promise each, keyed text, whole lists, or a callback each",
    ),
    acks,
    compression,
    topic,
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    await makeTopic(options, options.topic, options.partitions);
    await using runner = await ProduceRunner.connect({
      bootstrap: options.bootstrap,
      topic: options.topic,
      mode: options.mode,
      recordSize: options.recordSize ?? DEFAULT_RECORD_BYTES,
      config: {
        clientId: "strom-bench",
        ...access(options),
        acks: acksOf(options.acks),
        compression: options.compression,
      },
    });
    const wanted = options.records ?? DEFAULT_RECORDS;
    printThroughput(await inSteps(runner, wanted, "produced", terminal), options.json, terminal);
  },
});

const consume = command({
  name: "bench consume",
  summary: "Read the records of a topic from its start as fast as they come",
  options: {
    records,
    mode: choice(["records", "batches"], "records", "Record by record, or undecoded batches"),
    topic,
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    const wanted = options.records ?? DEFAULT_RECORDS;
    await checkEnough(options, options.topic, wanted);
    await using runner = await ConsumeRunner.connect({
      bootstrap: options.bootstrap,
      topic: options.topic,
      mode: options.mode,
      from: "last",
      config: { clientId: "strom-bench", ...access(options) },
    });
    printThroughput(await inSteps(runner, wanted, "consumed", terminal), options.json, terminal);
  },
});

const endToEnd = command({
  name: "bench end-to-end",
  summary: "Measure how long records take from producer to consumer at a steady rate",
  options: {
    records: integer("N", `How many records (default ${DEFAULT_SECONDS} seconds' worth)`, {
      min: 1,
    }),
    rate: integer("N", `Records a second (default ${DEFAULT_RATE})`, { min: 1 }),
    recordSize,
    partitions,
    acks,
    compression,
    topic,
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    await makeTopic(options, options.topic, options.partitions);
    const recordsPerSecond = options.rate ?? DEFAULT_RATE;
    const load = {
      bootstrap: options.bootstrap,
      topic: options.topic,
      recordSize: options.recordSize ?? DEFAULT_RECORD_BYTES,
      recordsPerSecond,
      producer: {
        clientId: "strom-bench",
        ...access(options),
        acks: acksOf(options.acks),
        compression: options.compression,
      },
      consumer: { clientId: "strom-bench", ...access(options), from: "latest" as const },
    };
    await using receiver = await ProbeReceiver.connect(load);
    await using sender = await ProbeSender.connect(load);
    const wanted = options.records ?? DEFAULT_SECONDS * recordsPerSecond;
    const [latencies] = await Promise.all([receiver.run(wanted), sender.run(wanted)]);
    printLatencies(latencies, options.json, terminal);
  },
});

export const BENCH: readonly Command[] = [produce, consume, endToEnd];

function acksOf(text: "all" | "1" | "0"): "all" | 1 | 0 {
  return text === "all" ? "all" : text === "1" ? 1 : 0;
}

async function makeTopic(
  options: ClusterOptions,
  name: string,
  partitions = DEFAULT_PARTITIONS,
): Promise<void> {
  await using admin = await Admin.connect(options.bootstrap, access(options));
  if ((await admin.listTopics()).includes(name)) return;
  await admin.createTopics([{ name, partitions }]);
}

/** @throws {Error} where the topic would make a consumer wait for ever */
async function checkEnough(options: ClusterOptions, name: string, wanted: number): Promise<void> {
  await using admin = await Admin.connect(options.bootstrap, access(options));
  const [topic] = await admin.describeTopics([name]);
  const partitions = topic?.partitions.map(({ partition }) => partition) ?? [];
  const offsetsAt = (at: "earliest" | "latest") =>
    admin.listOffsets(partitions.map((partition) => ({ topic: name, partition, at })));
  const [starts, ends] = await Promise.all([offsetsAt("earliest"), offsetsAt("latest")]);
  const sum = (answers: typeof ends) => answers.reduce((all, { offset }) => all + offset, 0);
  const stored = sum(ends) - sum(starts);
  if (stored >= wanted) return;
  throw new Error(`Topic ${name} has ${stored} records, not ${wanted}: produce some first`);
}

/** Runs all of it, telling between steps how far it is. */
async function inSteps(
  runner: { run(records: number): Promise<Throughput> },
  wanted: number,
  verb: string,
  terminal: Terminal,
): Promise<Throughput> {
  const rate = new Rate(terminal, verb);
  const sum = { records: 0, bytes: 0, elapsedMs: 0 };
  while (sum.records < wanted && !terminal.stopping.aborted) {
    const { records, bytes, elapsedMs } = await runner.run(Math.min(STEP, wanted - sum.records));
    sum.records += records;
    sum.bytes += bytes;
    sum.elapsedMs += elapsedMs;
    rate.count = sum.records;
    rate.tick();
  }
  rate.end();
  return sum;
}

function printThroughput(
  { records, bytes, elapsedMs }: Throughput,
  asJson: boolean,
  { output }: Terminal,
): void {
  const recordsPerSecond = Math.round(records / elapsedMs * 1000);
  const bytesPerSecond = Math.round(bytes / elapsedMs * 1000);
  if (asJson) {
    const elapsed = Math.round(elapsedMs);
    const told = { records, bytes, elapsedMs: elapsed, recordsPerSecond, bytesPerSecond };
    return output.writeLine(JSON.stringify(told));
  }
  output.writeLine(
    `${grouped(records)} records in ${(elapsedMs / 1000).toFixed(2)} s: ` +
      `${grouped(recordsPerSecond)} records/s, ${(bytesPerSecond / 1e6).toFixed(1)} MB/s`,
  );
}

function printLatencies(latencies: Latencies, asJson: boolean, { output }: Terminal): void {
  if (asJson) return output.writeLine(JSON.stringify(latencies));
  const { records, p50Ms, p99Ms, p999Ms, maxMs } = latencies;
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  output.writeLine(
    `${grouped(records)} records: p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, p99.9 ${ms(p999Ms)}, ` +
      `longest ${ms(maxMs)}`,
  );
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
