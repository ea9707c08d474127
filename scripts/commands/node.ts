/**
 * `strom node`: runs a node until it is told to stop.
 *
 * @module
 */

import { parseBrokerConfig } from "../../actors/config/broker_config.ts";
import { ConfigError } from "../../actors/config/definition.ts";
import { parseProperties } from "../../actors/config/properties_file.ts";
import { NetworkError, type Node, startNode } from "../../mod.ts";
import { command, type Terminal } from "./command.ts";
import { invocation } from "./invocation.ts";
import { integer, maybeAddress, pairs, text, UsageError } from "./option.ts";
import { ignoreClosedOutput } from "./output.ts";
import { readTextFile } from "./text_file.ts";

const DEFAULT_NATIVE = "127.0.0.1:9192";
const DEFAULT_KAFKA = "127.0.0.1:9092";
/** After so long those who wait for a node are told what it waits for. */
const PATIENCE_MS = 3000;

export const node = command({
  name: "node",
  summary: "Run a node",
  details: [
    "Prints one line when it is ready. SIGINT or SIGTERM stops it in order: everything is flushed,",
    "and the next start has nothing to recover. The third signal ends it at once.",
  ],
  options: {
    id: integer("N", "The node's id (default 1, or node.id of the config file)", {
      min: 0,
      max: 0x7fffffff,
    }),
    data: text("FOLDER", "The data folder, made where there is none (default ./data/ID)"),
    native: maybeAddress(
      DEFAULT_NATIVE,
      `Where to listen, port 0 is any (default as in --voters, else ${DEFAULT_NATIVE})`,
    ),
    advertisedNative: maybeAddress(DEFAULT_NATIVE, "Where others reach it, if elsewhere"),
    kafka: maybeAddress(
      DEFAULT_KAFKA,
      `For Kafka's clients (default ${DEFAULT_KAFKA}; any if --native is given)`,
    ),
    advertisedKafka: maybeAddress(DEFAULT_KAFKA, "Where they reach it, if elsewhere"),
    voters: text(
      "LIST",
      "The voters of a new cluster, the same on all nodes: ID@HOST:PORT,…",
    ),
    controllers: text("LIST", "Nodes of a cluster to join: HOST:PORT, with commas"),
    roles: text("ROLES", "broker, controller, or both with a comma (default both)"),
    rack: text("RACK", "Where the node stands: replicas are spread over racks"),
    config: text("FILE", "A file of key=value lines, with Kafka's names of broker configs"),
    set: pairs("A broker config, before the file's: see strom configs"),
  },
  endsOnSignal: true,
  async run({ options, terminal }) {
    const properties = readProperties(options.config, options.set);
    const nodeId = nodeIdOf(options.id, properties);
    const data = options.data ?? `./data/${nodeId}`;
    const stopped = `Strom node ${nodeId} has stopped in order: everything is flushed`;
    const voters = options.voters ?? properties["controller.quorum.voters"] ?? "";
    const waiting = explainWait(nodeId, voters, terminal);
    const node = await start({
      signal: terminal.stopping,
      nodeId,
      data,
      properties,
      ...given({
        native: options.native,
        advertisedNative: options.advertisedNative,
        kafka: options.kafka,
        advertisedKafka: options.advertisedKafka,
        voters: options.voters?.split(","),
        controllers: options.controllers?.split(","),
        roles: options.roles?.split(",") as ("broker" | "controller")[] | undefined,
        rack: options.rack,
      }),
    }).catch((error) => {
      if (terminal.stopping.aborted && error === terminal.stopping.reason) return undefined;
      throw error;
    }).finally(() => clearTimeout(waiting));
    if (node === undefined) return terminal.output.writeLine(stopped);
    terminal.output.writeLine(readyLine(node));
    // A node does not depend on somebody reading what it prints.
    await terminal.output.flush().catch(ignoreClosedOutput);
    const failure = await Promise.race([node.failed, aborted(terminal.stopping)]);
    if (failure !== undefined) throw new Error(`Node ${nodeId} has failed: ${failure}`);
    await node.close();
    terminal.output.writeLine(stopped);
    await terminal.output.flush().catch(ignoreClosedOutput);
  },
});

type Timeout = ReturnType<typeof setTimeout>;

/** One of several voters serves only when a majority of them has elected a controller. */
function explainWait(nodeId: number, voters: string, terminal: Terminal): Timeout | undefined {
  if (!voters.includes(",")) return undefined;
  return setTimeout(
    () => terminal.note(`Node ${nodeId} waits until a majority of the voters runs: ${voters}`),
    PATIENCE_MS,
  );
}

type Given<Options> = { [Name in keyof Options]?: NonNullable<Options[Name]> };

/** What of it is there. */
function given<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Given<Options>;
}

/**
 * The configs of a file, and those of the command line, which count first.
 * @throws {UsageError}
 */
export function readProperties(
  file: string | undefined,
  set: ReadonlyMap<string, string>,
): Record<string, string> {
  try {
    const fromFile = file === undefined
      ? {}
      : parseProperties(readTextFile(file, "config file"), file);
    return { ...fromFile, ...Object.fromEntries(set) };
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.problems.join("; "));
    throw error;
  }
}

/** @throws {UsageError} naming what is wrong with the configs */
export function checkConfig(properties: Readonly<Record<string, string>>): void {
  try {
    parseBrokerConfig(properties);
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.problems.join("; "));
    throw error;
  }
}

function nodeIdOf(id: number | undefined, properties: Record<string, string>): number {
  const named = properties["node.id"];
  if (named === undefined) return id ?? 1;
  if (id !== undefined && String(id) !== named) {
    throw new UsageError(`--id ${id} and node.id=${named} contradict each other`);
  }
  return Number(named);
}

async function start(options: Parameters<typeof startNode>[0]): Promise<Node> {
  try {
    return await startNode(options);
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.problems.join("; "));
    if (error instanceof NetworkError && error.kind === "address-in-use") {
      const [, failed = error.message] = /^(Cannot listen on \S+): /.exec(error.message) ?? [];
      const hint = "another process does; --native and --kafka choose other addresses";
      throw new Error(`${failed}: ${hint}`, { cause: error });
    }
    throw error;
  }
}

function readyLine({ nodeId, address, kafka, dataFolder }: Node): string {
  const bootstrap = address === DEFAULT_NATIVE ? "" : ` --bootstrap ${address}`;
  const listeners = kafka === undefined ? "" : `kafka ${kafka} · `;
  return `Strom node ${nodeId} is ready: ${listeners}native ${address}, data ${dataFolder}, pid ` +
    `${Deno.pid}. ` +
    `Send a first record: echo hello | ${invocation()} produce --topic greetings${bootstrap}`;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
