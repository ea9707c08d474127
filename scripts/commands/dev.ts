/**
 * `strom dev`: a whole cluster on this machine, a process a node, for developing against.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { command, type Terminal } from "./command.ts";
import { invocation, quoted } from "./invocation.ts";
import { checkConfig, readProperties } from "./node.ts";
import { integer, pairs, text, textOr } from "./option.ts";
import { ignoreClosedOutput } from "./output.ts";

const STROM = fromFileUrl(new URL("../strom.ts", import.meta.url));
const HOST = "127.0.0.1";
const PORT = 9192;
const KAFKA_PORT = 9092;
/** Between the ports of two nodes. */
const PORT_STEP = 100;
const NODES = 3;
const VOTERS_MAX = 3;

export const dev = command({
  name: "dev",
  summary: "Run a cluster of several nodes on this machine, to develop against",
  details: [
    `Each node is a process with a folder of its own below --data, and listens ${PORT_STEP} ports above`,
    "the one before, for Kafka's clients one port above. Prints one line for each that is ready.",
    "SIGINT or SIGTERM stops all in order.",
    `The first ${VOTERS_MAX} vote for a controller. A data folder belongs to its cluster: that of another`,
    "number of voters, or of other ports, is refused. One that ends is told how to start again.",
  ],
  options: {
    nodes: integer("N", `How many nodes (default ${NODES})`, { min: 1, max: 100 }),
    data: textOr("FOLDER", "./data/dev", "Where the nodes' data folders are"),
    port: integer("PORT", `The native port of the first node (default ${PORT})`, {
      min: 1,
      max: 65_535,
    }),
    kafkaPort: integer("PORT", `Its port for Kafka's clients (default ${KAFKA_PORT})`, {
      min: 1,
      max: 65_535,
    }),
    config: text("FILE", "A file of key=value lines for all nodes"),
    set: pairs("A broker config for all nodes; counts before the file's"),
  },
  endsOnSignal: true,
  async run({ options, terminal }) {
    const { nodes = NODES, port = PORT, kafkaPort = KAFKA_PORT, data } = options;
    // What no node could read is said once.
    checkConfig(readProperties(options.config, options.set));
    const places = Array.from({ length: nodes }, (_, index) => ({
      id: index + 1,
      address: `${HOST}:${port + index * PORT_STEP}`,
      kafka: `${HOST}:${kafkaPort + index}`,
      data: join(data, String(index + 1)),
    }));
    const voters = places.slice(0, VOTERS_MAX).map(({ id, address }) => `${id}@${address}`).join();
    const settings = [
      ...(options.config === undefined ? [] : ["--config", options.config]),
      ...[...options.set].flatMap(([key, value]) => ["--set", `${key}=${value}`]),
    ];
    const started = places.map((place) =>
      new DevNode(place, ["--voters", voters, ...settings], terminal)
    );
    const stop = () => started.forEach((node) => node.stop());
    terminal.stopping.addEventListener("abort", stop, { once: true });
    // A signal before this one was heard of nobody.
    if (terminal.stopping.aborted) stop();
    await run(started, terminal);
  },
});

async function run(nodes: readonly DevNode[], terminal: Terminal): Promise<void> {
  const failures: string[] = [];
  let isServing = false;
  const ended = nodes.map(async (node) => {
    const failure = await node.ended;
    if (failure === undefined) return;
    terminal.note(failure);
    failures.push(failure);
    if (isServing && !terminal.stopping.aborted) {
      terminal.note(`It starts again with: ${invocation()} ${quoted(node.command)}`);
    }
  });
  const allReady = Promise.all(nodes.map(({ ready }) => ready)).then((all) => all.every(Boolean));
  if (await allReady) {
    isServing = true;
    const bootstrap = nodes.map(({ place }) => place.address).join();
    const kafka = nodes.map(({ place }) => place.kafka).join();
    await print(
      terminal,
      `All ${nodes.length} nodes are ready: kafka ${kafka} · native ${bootstrap}`,
    );
  } else {
    nodes.forEach((node) => node.stop());
  }
  await Promise.all(ended);
  if (failures.length > 0) throw new Error(`${failures.length} of ${nodes.length} nodes failed`);
}

/** Nobody has to read what is printed for the cluster to run. */
async function print({ output }: Terminal, line: string): Promise<void> {
  output.writeLine(line);
  await output.flush().catch(ignoreClosedOutput);
}

interface Place {
  readonly id: number;
  readonly address: string;
  readonly kafka: string;
  readonly data: string;
}

/** One node's process. */
class DevNode {
  readonly place: Place;
  /** Whether it came to serve; false when it ended before. */
  readonly ready: Promise<boolean>;
  /** Why it failed, once it has ended; undefined when it ended in order. */
  readonly ended: Promise<string | undefined>;
  /** What it was started with. */
  readonly command: readonly string[];
  readonly #child: Deno.ChildProcess;
  #isOver = false;

  constructor(place: Place, args: readonly string[], terminal: Terminal) {
    const { id, address, kafka, data } = place;
    this.place = place;
    this.command = [
      ...["node", "--id", String(id), "--native", address, "--kafka", kafka, "--data", data],
      ...args,
    ];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", STROM, ...this.command],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.ready = promise;
    const read = readLines(this.#child.stdout, (line) => {
      // The rest of its line is for those who run one node.
      const [, said] = /^Strom (node \d+ is ready: [^.]*(?:\.[^ ][^.]*)*)\. /.exec(line) ?? [];
      if (said === undefined) return;
      void print(terminal, `Strom ${said}`);
      resolve(true);
    });
    let last = "";
    const noted = readLines(this.#child.stderr, (line) => {
      last = line;
      terminal.note(`node ${id}: ${line}`);
    });
    this.ended = Promise.all([this.#child.status, read, noted]).then(([{ code, signal }]) => {
      this.#isOver = true;
      resolve(false);
      if (code === 0) return undefined;
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
      return `Node ${id} ${how}${last === "" ? "" : `: ${last}`}`;
    });
  }

  /** Asks it to end in order. */
  stop(): void {
    if (this.#isOver) return;
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      // It has ended meanwhile.
      if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
    }
  }
}

/** Hands each line to `take`; resolves at the end. */
async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  }
  if (rest !== "") take(rest);
}
