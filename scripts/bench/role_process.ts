/** The benchmark's side of a process that plays a role; see role.ts. */

import { fromFileUrl } from "@std/path";
import { jsonLine, readJsonLines } from "./lines.ts";
import { type ProcessUsage, usageOf } from "./process_usage.ts";
import type { Job, Order } from "./role.ts";

const ROLE_MODULE = fromFileUrl(import.meta.resolve("./role.ts"));

export interface RoleOptions {
  /** Flags for the runtime, as for profiles. */
  readonly flags?: readonly string[];
}

/** A process with a role. Ends with the `using` that holds it. */
export class RoleProcess implements AsyncDisposable {
  readonly role: Job["role"];
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: unknown;
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<unknown>;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  #ended = false;

  /** Starts a process; resolves when it is ready. */
  static async start(job: Job, options: RoleOptions = {}): Promise<RoleProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", ...options.flags ?? [], ROLE_MODULE, JSON.stringify(job)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = readJsonLines(child.stdout);
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`Cannot start ${job.role}: it ended before it was ready`);
    return new RoleProcess(job.role, child, lines, value);
  }

  constructor(
    role: Job["role"],
    child: Deno.ChildProcess,
    lines: AsyncGenerator<unknown>,
    ready: unknown,
  ) {
    this.role = role;
    this.pid = child.pid;
    this.ready = ready;
    this.#child = child;
    this.#lines = lines;
    this.#orders = child.stdin.getWriter();
  }

  get usage(): ProcessUsage | undefined {
    return usageOf(this.pid);
  }

  /** Has it do its work once; resolves with what it says of it. */
  async round<Answer>(amount: number): Promise<Answer> {
    await this.#order({ kind: "round", amount });
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`Cannot go on: the ${this.role} ended within a round`);
    return value as Answer;
  }

  /** Ends it in order. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#order({ kind: "end" });
      await this.#orders.close();
    } catch {
      // It has ended by itself; its status says how.
    }
    for await (const _ of this.#lines);
    const { success, code } = await this.#child.status;
    if (!success) throw new Error(`Cannot end the ${this.role} in order: it exited with ${code}`);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#ended = true;
    this.#child.kill("SIGKILL");
    await this.#orders.abort().catch(() => {});
    for await (const _ of this.#lines);
    await this.#child.status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  #order(order: Order): Promise<void> {
    return this.#orders.write(jsonLine(order));
  }
}
