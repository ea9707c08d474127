/**
 * Runs the command line as its users do: as processes.
 */
import { fromFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** What a process left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `strom` with these arguments. */
export function spawnStrom(
  args: readonly string[],
  stdin: "null" | "piped" = "null",
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", `${ROOT}scripts/strom.ts`, ...args],
    cwd: ROOT,
    stdin,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  }).spawn();
}

/** Runs `strom` to its end. */
export async function strom(args: readonly string[], input?: string): Promise<Finished> {
  const process = spawnStrom(args, input === undefined ? "null" : "piped");
  const written = input === undefined ? Promise.resolve() : write(process, input);
  const { code, stdout, stderr } = await process.output();
  await written;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function write(process: Deno.ChildProcess, input: string): Promise<void> {
  const writer = process.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch (error) {
    // It ended without reading all of it.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** A node that runs in a process of its own. */
export class NodeProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stdout: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  /** The line that it printed when it was ready. */
  readonly ready: string;
  readonly address: string;
  #ended = false;

  constructor(
    process: Deno.ChildProcess,
    stdout: ReadableStreamDefaultReader<string>,
    stderr: Promise<string>,
    ready: string,
  ) {
    this.#process = process;
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.ready = ready;
    this.address = /native (\S+:\d+)/.exec(ready)?.[1] ?? "";
  }

  /** Starts a node, on a free port unless told where; resolves when it is ready. */
  static async start(data: string, ...args: string[]): Promise<NodeProcess> {
    const listen = args.includes("--native") ? [] : ["--native", ":0"];
    const process = spawnStrom(["node", "--data", data, ...listen, ...args]);
    const stderr = new Response(process.stderr).text();
    const stdout = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let line = "";
    while (!line.includes("\n")) {
      const { value, done } = await stdout.read();
      if (done) throw new Error(`The node ended before it was ready: ${await stderr}`);
      line += value;
    }
    return new NodeProcess(process, stdout, stderr, line);
  }

  get pid(): number {
    return this.#process.pid;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Waits for its end; gives what it printed since it was ready. */
  async finished(): Promise<Finished> {
    let stdout = "";
    for (let read = await this.#stdout.read(); !read.done; read = await this.#stdout.read()) {
      stdout += read.value;
    }
    const { code } = await this.#process.status;
    this.#ended = true;
    return { code, stdout, stderr: await this.#stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.kill("SIGTERM");
    await this.finished();
  }
}

/** A folder for one test. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "strom-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
