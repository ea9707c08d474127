/**
 * `strom consume`: prints the records of a topic.
 *
 * @module
 */

import {
  Admin,
  type AssignedPartition,
  type AssignorName,
  ClientError,
  Consumer,
  type ConsumerConfig,
  type OffsetToCommit,
  UnknownTopicError,
} from "../../mod.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { consumerProperties } from "./client_properties.ts";
import { command, type Terminal } from "./command.ts";
import {
  flag,
  instant,
  integer,
  maybeChoice,
  pairs,
  requiredText,
  text,
  UsageError,
} from "./option.ts";
import { Rate } from "./rate.ts";
import { parseFormat, printJson, printValue, type RecordPrinter } from "./record_format.ts";

/** Records taken at once. */
const POLL_RECORDS = 10_000;

/** How long a poll waits where nobody said how long the whole may. */
const POLL_MS = 60_000;

/** How long one waits in a group, which must be left in order when the command is stopped. */
const GROUP_POLL_MS = 200;

const ASSIGNORS: readonly AssignorName[] = ["range", "roundrobin", "sticky", "cooperative-sticky"];

export const consume = command({
  name: "consume",
  summary: "Print the records of a topic",
  details: [
    "Values, one a line, unless told otherwise; from the end of the topic on, unless told otherwise.",
    "Goes on until it is stopped, or as --max-messages and --timeout-ms say.",
    "In a group partitions are shared with its other members. It begins where the group has come",
    "to, commits what was printed, and leaves the group when it ends.",
    "In a format %t %p %o %k %v %T %h are topic, partition, offset, key, value, timestamp and",
    "headers, %% is a percent sign, \\n a newline, \\t a tab.",
  ],
  options: {
    topic: requiredText("T", "The topic"),
    partition: integer("N", "Only this partition", { min: 0 }),
    group: text("G", "Consume as a member of this group"),
    assignor: maybeChoice(ASSIGNORS, "How members of the group divide partitions, not brokers"),
    isolation: maybeChoice(
      ["read_uncommitted", "read_committed"],
      "Whether records of transactions are shown before they are committed",
    ),
    property: pairs("A config by Kafka's name, as session.timeout.ms=10000"),
    fromBeginning: flag("Begin with the first record that there is"),
    offset: integer("N", "Begin at this offset", { min: 0 }),
    fromTime: instant("Begin with the first record that is not older"),
    maxMessages: integer("N", "End after so many records", { min: 1 }),
    timeoutMs: integer("N", "End when nothing came for so long", { min: 1, max: 0x7fffffff }),
    format: text("FORMAT", "How each record is printed, as '%p@%o %k=%v\\n'"),
    json,
    ...cluster,
  },
  exclusive: [
    ["fromBeginning", "offset", "fromTime"],
    ["format", "json"],
    ["group", "partition"],
    ["group", "offset"],
  ],
  async run({ options, terminal }) {
    const { topic, offset, partition, format, group, assignor, isolation } = options;
    if (assignor !== undefined && group === undefined) {
      throw new UsageError("--assignor is of use in a --group only");
    }
    const properties = consumerProperties(options.property);
    const print = options.json
      ? printJson
      : format === undefined
      ? printValue
      : parseFormat(format);
    const partitions = await partitionsOf(topic, options);
    if (partition !== undefined && partition >= partitions) {
      throw new Error(`Topic ${topic} has partitions 0 to ${partitions - 1}, and no ${partition}`);
    }
    const config: ConsumerConfig = {
      clientId: "strom-consume",
      ...access(options),
      maxPollRecords: POLL_RECORDS,
      allowAutoCreateTopics: false,
      ...(group === undefined ? {} : { group }),
      ...(assignor === undefined ? {} : { assignors: [assignor] }),
      ...(isolation === undefined ? {} : { isolationLevel: isolation }),
      ...startOf(options),
      ...properties,
      ...(partition !== undefined
        ? { assign: [{ topic, partition, ...(offset === undefined ? {} : { offset }) }] }
        : offset !== undefined
        ? { assign: await offsetInEach(topic, partitions, offset, options) }
        : { topics: [topic] }),
    };
    const consumer = await Consumer.connect(options.bootstrap, config);
    if (group === undefined) {
      terminal.stopping.addEventListener("abort", () => void consumer.close(), { once: true });
    }
    try {
      await printRecords(consumer, print, options, terminal);
    } finally {
      await consumer.close();
    }
  },
});

interface Start {
  readonly fromBeginning: boolean;
  readonly offset: number | undefined;
  readonly fromTime: number | undefined;
}

function startOf({ fromBeginning, offset, fromTime }: Start): Partial<ConsumerConfig> {
  if (fromBeginning) return { from: "earliest" };
  if (fromTime !== undefined) return { from: { timestamp: fromTime } };
  // Whoever names an offset wants that one, and to know when it is gone.
  return offset === undefined ? { from: "latest" } : { from: "latest", autoOffsetReset: "none" };
}

function connectAdmin(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, { clientId: "strom-consume", ...access(options) });
}

async function partitionsOf(topic: string, options: ClusterOptions): Promise<number> {
  await using admin = await connectAdmin(options);
  try {
    const [described] = await admin.describeTopics([topic]);
    return described?.partitions.length ?? 0;
  } catch (error) {
    if (!(error instanceof UnknownTopicError)) throw error;
    throw new Error(`There is no topic ${topic}`, { cause: error });
  }
}

/**
 * The same offset in each partition of a topic; in one that does not reach as far, its end, so that
 * the others can be read.
 */
async function offsetInEach(
  topic: string,
  partitions: number,
  offset: number,
  options: ClusterOptions,
): Promise<AssignedPartition[]> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  if (all.length === 1) return all.map((partition) => ({ ...partition, offset }));
  await using admin = await connectAdmin(options);
  const [starts, ends] = await Promise.all([
    admin.listOffsets(all.map((partition) => ({ ...partition, at: "earliest" as const }))),
    admin.listOffsets(all.map((partition) => ({ ...partition, at: "latest" as const }))),
  ]);
  return all.map((partition, index) => ({
    ...partition,
    offset: Math.min(
      Math.max(offset, starts[index]?.offset ?? 0),
      ends[index]?.offset ?? offset,
    ),
  }));
}

interface Limits {
  readonly group: string | undefined;
  readonly maxMessages: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly property: ReadonlyMap<string, string>;
}

async function printRecords(
  consumer: Consumer,
  print: RecordPrinter,
  limits: Limits,
  terminal: Terminal,
): Promise<void> {
  const { maxMessages = Infinity, timeoutMs = Infinity, group } = limits;
  const { output } = terminal;
  const rate = new Rate(terminal, "consumed");
  const printed = new Map<number, OffsetToCommit>();
  let silentMs = 0;
  while (rate.count < maxMessages && !terminal.stopping.aborted && silentMs < timeoutMs) {
    const waitMs = Math.min(timeoutMs - silentMs, group === undefined ? POLL_MS : GROUP_POLL_MS);
    const records = await consumer.poll(waitMs);
    if (records.length > 0) silentMs = 0;
    else if (group === undefined || hasJoined(consumer)) silentMs += waitMs;
    for (const record of records) {
      if (rate.count === maxMessages) break;
      print(record, output);
      const { topic, partition, offset } = record;
      if (group !== undefined) printed.set(partition, { topic, partition, offset: offset + 1 });
      rate.count++;
      if (output.isFull) await output.flush();
    }
    // Whoever reads along sees each record when it comes.
    await output.flush();
    rate.tick();
  }
  rate.end();
  await commitPrinted(consumer, printed, limits, terminal);
}

/** Silence counts from when the group has let the consumer in. */
function hasJoined(consumer: Consumer): boolean {
  return consumer.groupMetadata().generationId >= 0;
}

/** The consumer cannot know that what it gave last is done with. */
async function commitPrinted(
  consumer: Consumer,
  printed: ReadonlyMap<number, OffsetToCommit>,
  { property }: Limits,
  terminal: Terminal,
): Promise<void> {
  const held = new Set(consumer.assignment().map(({ partition }) => partition));
  const offsets = [...printed.values()].filter(({ partition }) => held.has(partition));
  if (offsets.length === 0 || property.get("enable.auto.commit") === "false") return;
  try {
    await consumer.commit(offsets);
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    terminal.note(`strom consume: ${error.message}`);
  }
}
