/**
 * A cluster in a process of its own (cluster.ts), and the clients' orders to it.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

const SCRIPT = fromFileUrl(new URL("cluster.ts", import.meta.url));

export class RunningCluster {
  readonly nodes: number;
  readonly kafka: string;
  readonly native: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** One order at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    nodes: number,
    child: Deno.ChildProcess,
    lines: AsyncIterator<string>,
    addresses: { readonly kafka: string; readonly native: string },
  ) {
    this.nodes = nodes;
    this.kafka = addresses.kafka;
    this.native = addresses.native;
    this.#child = child;
    this.#lines = lines;
    this.#writer = child.stdin.getWriter();
  }

  static async start(nodes: number): Promise<RunningCluster> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", "--no-check", SCRIPT, String(nodes)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = linesOf(child.stdout);
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`The cluster of ${nodes} nodes did not start`);
    return new RunningCluster(nodes, child, lines, JSON.parse(value));
  }

  /** Resolves when it was carried out. */
  order(what: Readonly<Record<string, unknown>>): Promise<void> {
    const done = this.#turn.then(async () => {
      await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(what)}\n`));
      if ((await this.#lines.next()).done === true) throw new Error("The cluster has ended");
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Ends it in order, or kills it if it takes too long. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`The cluster of ${this.nodes} nodes ended with ${code}`);
  }
}

/** The lines of a stream. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
