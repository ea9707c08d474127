/**
 * A member of a group as a process of its own.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import type { MemberLife } from "./group_judge.ts";
import { type MemberJob, readEvents } from "./member_events.ts";

const MEMBER = fromFileUrl(new URL("./member.ts", import.meta.url));

export class MemberProcess {
  readonly name: string;
  readonly #job: MemberJob;
  readonly #child: Deno.ChildProcess;
  readonly #status: Promise<Deno.CommandStatus>;
  readonly #stoppedAt: number[] = [];
  #endedAt = Infinity;

  constructor(name: string, job: MemberJob) {
    this.name = name;
    this.#job = job;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", MEMBER, JSON.stringify(job)],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    this.#status = this.#child.status.then((status) => {
      this.#endedAt = Date.now();
      return status;
    });
  }

  get isRunning(): boolean {
    return this.#endedAt === Infinity;
  }

  /** What is known of it so far. */
  get life(): MemberLife {
    return {
      name: this.name,
      events: readEvents(this.#text()),
      endedAt: this.#endedAt,
      stoppedAt: this.#stoppedAt,
    };
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#status;
  }

  /** Has it leave the group and end. @throws {Error} when it fails at that */
  async leave(): Promise<void> {
    this.#signal("SIGTERM");
    const { code } = await this.#status;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`);
  }

  /** Has it do nothing for so long. */
  async pause(ms: number, sessionTimeoutMs: number): Promise<void> {
    if (ms > sessionTimeoutMs / 2) this.#stoppedAt.push(Date.now());
    this.#signal("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#signal("SIGCONT");
  }

  #signal(signal: Deno.Signal): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  #text(): string {
    try {
      return Deno.readTextFileSync(this.#job.file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }
}
