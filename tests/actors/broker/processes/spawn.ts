/** Starting the processes of tests, and talking to them line by line. */

/** How many descriptors a process may have, with its soft limit raised as far as allowed. */
export function descriptorsMax(): number {
  const { stdout } = new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).outputSync();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(text);
}

/** A process that prints a line of JSON for what it did, and may be told to go on. */
export class TestProcess {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  #text = "";

  /** Runs a script of this folder with all the descriptors it may have. */
  constructor(script: string, args: readonly string[], flags: readonly string[] = []) {
    const path = new URL(script, import.meta.url).pathname;
    const config = new URL("../../../../deno.json", import.meta.url).pathname;
    const run = ["run", "--allow-all", "--no-check", "--config", config, ...flags, path, ...args];
    this.#process = new Deno.Command("sh", {
      args: ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", Deno.execPath(), ...run],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The next line. */
  async line<T>(): Promise<T> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error("The process has ended");
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return JSON.parse(line) as T;
  }

  /** Tells it to go on, and gives the next line. */
  async next<T>(): Promise<T> {
    await this.#input.write(new TextEncoder().encode("next\n"));
    return await this.line<T>();
  }

  /** Ends its input and waits for its end. */
  async end(): Promise<Deno.CommandStatus> {
    await this.#input.close();
    return await this.#ended();
  }

  /** kill -9 */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#input.abort().catch(() => {});
    await this.#ended();
  }

  async #ended(): Promise<Deno.CommandStatus> {
    await this.#output.cancel();
    return await this.#process.status;
  }
}
