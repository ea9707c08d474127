/** A node as a user starts it: by the command line, in a process of its own. */

import { join } from "@std/path";
import { ROOT } from "./bench.ts";
import { type ProcessUsage, usageOf } from "./process_usage.ts";

const READY = /native (\S+), .* pid (\d+)/;

export interface NodeProcessOptions {
  readonly data: string;
  /** What runs deno, with what comes before `run`; this process's own deno when absent. */
  readonly launcher?: readonly string[];
}

/** Ends in order with the `using` that holds it. */
export class NodeProcess implements AsyncDisposable {
  /** From the start of the process to its ready line. */
  readonly readyMs: number;
  readonly startedAt: number;
  readonly bootstrap: string;
  /** Of the node itself, whoever launched it. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #rest: ReadableStreamDefaultReader<string>;
  #ended = false;

  /** Starts a node; resolves when it says that it is ready. */
  static async start({ data, launcher = [Deno.execPath()] }: NodeProcessOptions) {
    const [command, ...before] = launcher;
    const startedAt = performance.now();
    const child = new Deno.Command(command!, {
      args: [
        ...before,
        ...["run", "-qA", join(ROOT, "scripts/strom.ts"), "node"],
        ...["--data", data, "--native", "127.0.0.1:0"],
      ],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("Cannot start a node: it ended before it was ready");
      text += value;
    }
    const readyMs = performance.now() - startedAt;
    const [, bootstrap, pid] = READY.exec(text) ?? [];
    if (bootstrap === undefined) throw new Error(`Cannot understand the ready line: ${text}`);
    return new NodeProcess(child, reader, { startedAt, readyMs, bootstrap, pid: Number(pid) });
  }

  /** Made by `start`. */
  constructor(
    child: Deno.ChildProcess,
    rest: ReadableStreamDefaultReader<string>,
    ready: Pick<NodeProcess, "startedAt" | "readyMs" | "bootstrap" | "pid">,
  ) {
    this.#child = child;
    this.#rest = rest;
    this.startedAt = ready.startedAt;
    this.readyMs = ready.readyMs;
    this.bootstrap = ready.bootstrap;
    this.pid = ready.pid;
  }

  get usage(): ProcessUsage | undefined {
    return usageOf(this.pid);
  }

  /** Ends it in order; resolves with how long that took. */
  async end(): Promise<number> {
    const start = performance.now();
    await this.#stop("SIGTERM");
    return performance.now() - start;
  }

  /** Ends it as a power cut would, but for what the page cache holds. */
  kill(): Promise<void> {
    return this.#stop("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #stop(signal: Deno.Signal): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    Deno.kill(this.pid, signal);
    while (!(await this.#rest.read()).done);
    await this.#child.status;
  }
}

/** Resolves after so many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
