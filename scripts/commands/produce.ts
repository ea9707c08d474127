/**
 * `strom produce`: sends lines from stdin, each as one record.
 *
 * @module
 */

import { type BatchRecord, Producer } from "../../mod.ts";
import { access, cluster } from "./client_options.ts";
import { producerProperties } from "./client_properties.ts";
import { command, type Terminal } from "./command.ts";
import { isSame, LineSplitter, splitKey } from "./lines.ts";
import { choice, integer, pairs, requiredText, text } from "./option.ts";
import { Rate } from "./rate.ts";
import { unescape } from "./record_format.ts";

/** Chunks of input that may be under way: beyond, reading waits. */
const CHUNKS_IN_FLIGHT_MAX = 64;

/** Larger than a client's default, as the lines of a file come all at once. */
const BATCH_BYTES = 64 * 1024;

export const produce = command({
  name: "produce",
  summary: "Send lines from stdin to a topic, each as one record",
  details: [
    "Lines are taken as bytes, without their newline. A topic that does not exist is made, where",
    "the broker's auto.create.topics.enable allows it. A value that is null removes its key from a",
    "compacted topic: --key-separator : --null-marker NULL, and a line 42:NULL.",
  ],
  options: {
    topic: requiredText("T", "The topic"),
    keySeparator: text("S", "What stands between key and value; a line without it has no key"),
    nullMarker: text("S", "What stands for null, as a key or a value"),
    header: pairs("A header of each record"),
    partition: integer("N", "The partition; without it the key or the load chooses", { min: 0 }),
    acks: choice(["all", "1", "0"], "all", "Who must have a record before it counts as sent"),
    compression: choice(
      ["none", "gzip", "snappy", "lz4", "zstd"],
      "none",
      "How batches are compressed",
    ),
    property: pairs("A config by Kafka's name, as linger.ms=5"),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { topic, partition, acks, compression } = options;
    const toRecord = recordMaker(options);
    const producer = await Producer.connect(options.bootstrap, {
      clientId: "strom-produce",
      ...access(options),
      acks: acks === "all" ? "all" : acks === "1" ? 1 : 0,
      compression,
      batchSize: BATCH_BYTES,
      ...producerProperties(options.property),
    });
    if (terminal.isTyped) terminal.note("A record a line; Ctrl-D ends");
    try {
      await sendLines(
        terminal,
        (lines) =>
          producer.sendBatch(topic, lines.map((line) => ({ ...toRecord(line), partition }))),
      );
    } finally {
      await producer.close();
    }
  },
});

/** What each line becomes. */
function recordMaker({ keySeparator, nullMarker, header }: {
  readonly keySeparator: string | undefined;
  readonly nullMarker: string | undefined;
  readonly header: ReadonlyMap<string, string>;
}): (line: Uint8Array) => BatchRecord {
  const encoder = new TextEncoder();
  const separator = keySeparator === undefined
    ? undefined
    : encoder.encode(unescape(keySeparator, "key-separator"));
  const marker = nullMarker === undefined ? undefined : encoder.encode(nullMarker);
  const orNull = (bytes: Uint8Array | null) =>
    bytes !== null && marker !== undefined && isSame(bytes, marker) ? null : bytes;
  const headers = header.size === 0 ? undefined : Object.fromEntries(header);
  return (line) => {
    if (separator === undefined) return { value: orNull(line), headers };
    const { key, value } = splitKey(line, separator);
    return { key: orNull(key), value: orNull(value), headers };
  };
}

/** Sends the lines of stdin by chunks; fails with the first that could not be sent. */
async function sendLines(
  terminal: Terminal,
  send: (lines: Uint8Array[]) => Promise<unknown>,
): Promise<void> {
  const rate = new Rate(terminal, "produced");
  const splitter = new LineSplitter();
  const inFlight = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const sendAll = (lines: Uint8Array[]) => {
    if (lines.length === 0) return;
    const sent = send(lines).then(
      () => void (rate.count += lines.length),
      (error) => void (failure ??= { error }),
    ).then(() => void inFlight.delete(sent));
    inFlight.add(sent);
  };
  for await (const chunk of terminal.input()) {
    const lines: Uint8Array[] = [];
    splitter.push(chunk, (line) => void lines.push(line));
    sendAll(lines);
    while (inFlight.size >= CHUNKS_IN_FLIGHT_MAX) await Promise.race(inFlight);
    rate.tick();
    if (failure !== undefined) break;
  }
  const last = splitter.end();
  if (last !== undefined && failure === undefined) sendAll([last]);
  await Promise.all(inFlight);
  rate.end();
  if (failure !== undefined) throw failure.error;
}
