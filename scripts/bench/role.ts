/**
 * A process of its own that plays one role in a benchmark: a node, a producer, a consumer, an end
 * of a socket. Started by role_process.ts with its job as JSON; says lines of JSON on stdout and is
 * told lines on stdin: `ready` when it stands, then an answer to each `round` until it is told to
 * `end`.
 */

import { type Node, startNode } from "../../actors/start_node.ts";
import { jsonLine, readJsonLines } from "./lines.ts";
import { type AcknowledgedLoad, AcknowledgedSender } from "./load/acknowledgements.ts";
import { type ConsumeLoad, ConsumeRunner } from "./load/consume.ts";
import { type EndToEndLoad, ProbeReceiver, ProbeSender } from "./load/end_to_end.ts";
import { type LogLoad, measureLog } from "./load/log_files.ts";
import { type ProduceLoad, ProduceRunner } from "./load/produce.ts";
import {
  type Address,
  listenAnywhere,
  receiveBytes,
  relayBytes,
  sendBytes,
} from "./load/sockets.ts";

/** What a process is to be. */
export type Job =
  | {
    readonly role: "node";
    readonly data: string;
    readonly nodeId?: number;
    /** Any that is free when absent. */
    readonly port?: number;
    readonly properties?: Readonly<Record<string, string>>;
  }
  | { readonly role: "producer"; readonly load: ProduceLoad }
  | { readonly role: "consumer"; readonly load: ConsumeLoad }
  | { readonly role: "probe-sender"; readonly load: EndToEndLoad }
  | { readonly role: "probe-receiver"; readonly load: EndToEndLoad }
  | { readonly role: "acknowledged-sender"; readonly load: AcknowledgedLoad }
  | { readonly role: "log"; readonly load: LogLoad }
  | { readonly role: "socket-receiver" }
  | { readonly role: "socket-relay"; readonly to: Address }
  | { readonly role: "socket-sender"; readonly to: Address };

/** What a process is told. */
export type Order =
  | { readonly kind: "round"; readonly amount: number }
  | { readonly kind: "end" };

/** Plays a role: says what it is ready with, answers rounds, and ends. */
interface Player {
  readonly ready: unknown;
  round(amount: number): Promise<unknown>;
  end(): Promise<void>;
}

function play(job: Job): Promise<Player> {
  switch (job.role) {
    case "node":
      return playNode(job);
    case "producer":
      return playRunner(ProduceRunner.connect(job.load));
    case "consumer":
      return playRunner(ConsumeRunner.connect(job.load));
    case "probe-sender":
      return playRunner(ProbeSender.connect(job.load));
    case "probe-receiver":
      return playRunner(ProbeReceiver.connect(job.load));
    case "acknowledged-sender":
      return playRunner(AcknowledgedSender.connect(job.load));
    case "log":
      return playLog(job.load);
    case "socket-receiver":
      return playReceiver();
    case "socket-relay":
      return playRelay(job.to);
    case "socket-sender":
      return playSender(job.to);
  }
}

async function playNode(job: Extract<Job, { role: "node" }>): Promise<Player> {
  const { data, nodeId, port = 0, properties } = job;
  const node: Node = await startNode({
    data,
    native: { port },
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(properties === undefined ? {} : { properties }),
  });
  return {
    ready: { address: node.address, kafka: node.kafka },
    round: () => Promise.resolve(null),
    end: () => node.close(),
  };
}

/** Something that is connected once and run many times. */
interface Runner extends AsyncDisposable {
  run(amount: number): Promise<unknown>;
}

async function playRunner(connecting: Promise<Runner>): Promise<Player> {
  const runner = await connecting;
  return {
    ready: null,
    round: async (amount) => await runner.run(amount) ?? null,
    end: async () => await runner[Symbol.asyncDispose](),
  };
}

function playLog(load: LogLoad): Promise<Player> {
  return Promise.resolve({
    ready: null,
    round: () => Promise.resolve(measureLog(load)),
    end: () => Promise.resolve(),
  });
}

function playReceiver(): Promise<Player> {
  const listener = listenAnywhere();
  return Promise.resolve({
    ready: listener.addr,
    round: () => receiveBytes(listener),
    end: () => Promise.resolve(listener.close()),
  });
}

function playRelay(to: Address): Promise<Player> {
  const listener = listenAnywhere();
  return Promise.resolve({
    ready: listener.addr,
    round: () => relayBytes(listener, to).then(() => null),
    end: () => Promise.resolve(listener.close()),
  });
}

function playSender(to: Address): Promise<Player> {
  return Promise.resolve({
    ready: null,
    round: (bytes) => sendBytes(to, bytes).then(() => null),
    end: () => Promise.resolve(),
  });
}

async function say(line: unknown): Promise<void> {
  const bytes = jsonLine(line);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

if (import.meta.main) {
  const player = await play(JSON.parse(Deno.args[0] ?? "null") as Job);
  await say(player.ready);
  for await (const line of readJsonLines(Deno.stdin.readable)) {
    const order = line as Order;
    if (order.kind === "end") break;
    await say(await player.round(order.amount));
  }
  await player.end();
  Deno.exit(0);
}
