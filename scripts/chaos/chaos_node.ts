/**
 * A node as a user starts it, in a process that is killed, stopped and started again.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import type { NodePlace } from "./links.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const READY = / is ready: .* pid (\d+)/;
const START_TIMEOUT_MS = 60_000;

export interface ChaosNodeOptions {
  readonly id: number;
  readonly folder: string;
  readonly place: NodePlace;
  /** `controller.quorum.voters` */
  readonly voters: string;
  /** Broker configs. */
  readonly properties: Readonly<Record<string, string>>;
}

/** One node; its folder outlives its processes. */
export class ChaosNode {
  readonly id: number;
  readonly data: string;
  readonly #options: ChaosNodeOptions;
  #child: Deno.ChildProcess | undefined;
  #pid = 0;
  #ended: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  #isRetired = false;

  constructor(options: ChaosNodeOptions) {
    this.id = options.id;
    this.#options = options;
    this.data = join(options.folder, `node-${options.id}`);
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Whether it runs and is not stopped by a signal. */
  get isUp(): boolean {
    return this.isRunning && !this.#isStopped;
  }

  /** Resolves when the node says that it is ready. */
  async start(): Promise<void> {
    const { id, place, voters, properties, folder } = this.#options;
    if (this.#isRetired) throw new Error(`Cannot start node ${id}: the run is over`);
    const command = [...place.launcher, Deno.execPath(), "run", "-qA"];
    const [program, ...args] = [
      ...command,
      join(ROOT, "scripts/strom.ts"),
      "node",
      ...["--id", String(id), "--data", join(this.data, "data"), "--voters", voters],
      ...["--native", place.listen, "--advertised-native", place.advertised],
      ...Object.entries(properties).flatMap(([key, value]) => ["--set", `${key}=${value}`]),
    ];
    const log = Deno.openSync(join(folder, `node-${id}.log`), { create: true, append: true });
    const child = new Deno.Command(program!, {
      args,
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    this.#isStopped = false;
    // The pid of a launcher that becomes the node; the ready line says the same.
    this.#pid = child.pid;
    const logged = child.stderr.pipeTo(log.writable).catch(() => {});
    const { promise: ready, resolve, reject } = Promise.withResolvers<string>();
    const read = readLines(child.stdout, (text) => {
      if (READY.test(text)) resolve(text);
    });
    const ended = Promise.all([child.status, read, logged]);
    this.#ended = ended;
    ended.then(() => {
      if (this.#child === child) this.#child = undefined;
      reject(new Error(`Node ${id} ended before it was ready: see its log`));
    });
    const timer = setTimeout(
      () => reject(new Error(`Node ${id} was not ready within ${START_TIMEOUT_MS} ms`)),
      START_TIMEOUT_MS,
    );
    try {
      const [, pid] = READY.exec(await ready) ?? [];
      this.#pid = Number(pid);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process at once, and lets no other begin. */
  retire(): Promise<void> {
    this.#isRetired = true;
    return this.kill();
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#ended;
    this.#child = undefined;
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.resume();
    this.#signal("SIGTERM");
    await this.#ended;
    this.#child = undefined;
  }

  /** Has it do nothing until `resume`, while time goes on. */
  pause(): void {
    this.#signal("SIGSTOP");
    this.#isStopped = true;
  }

  resume(): void {
    if (!this.#isStopped) return;
    this.#signal("SIGCONT");
    this.#isStopped = false;
  }

  #signal(signal: Deno.Signal): void {
    if (this.#child === undefined) return;
    try {
      Deno.kill(this.#pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  received: (text: string) => void,
): Promise<void> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream() as TransformStream)) {
    text += chunk;
    received(text);
  }
}
