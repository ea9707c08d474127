/**
 * What the parts of the benchmark are given and give: processes, folders and the ceiling of this
 * run; progress for whoever waits, and figures.
 */

import { fromFileUrl, join } from "@std/path";
import type { Figure } from "./figure.ts";
import { type Ceiling, measureCeiling } from "./ceiling.ts";
import { RoleProcess } from "./role_process.ts";
import type { Job } from "./role.ts";

/** A part of the benchmark: something that is measured by itself. */
export interface Part {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  run(bench: Bench): Promise<void>;
}

export interface BenchOptions {
  /** Sizes as asked for, however long they take. */
  readonly full: boolean;
  /** Measured rounds of each throughput, of which the best counts. */
  readonly rounds: number;
  /** Where folders of data are made; they are removed again. */
  readonly folder: string;
  /** Where processor profiles of the processes go, if they are wanted. */
  readonly profiles?: string;
  progress(text: string): void;
}

/** The repository, or wherever this script lies. */
export const ROOT = fromFileUrl(import.meta.resolve("../../"));

/** One run of the benchmark. */
export class Bench {
  readonly figures: Figure[] = [];
  readonly #options: BenchOptions;
  #ceiling: Promise<Ceiling> | undefined;
  #part = "";
  #processes = 0;

  constructor(options: BenchOptions) {
    this.#options = options;
  }

  get full(): boolean {
    return this.#options.full;
  }

  get rounds(): number {
    return this.#options.rounds;
  }

  async run(part: Part): Promise<void> {
    this.#part = part.name;
    this.progress(part.summary);
    await part.run(this);
  }

  /** Says what is being done. */
  progress(text: string): void {
    this.#options.progress(`${this.#part}: ${text}`);
  }

  report(figure: Omit<Figure, "part">): void {
    this.figures.push({ part: this.#part, ...figure });
  }

  /** What empty sockets carry in this run; measured once. */
  ceiling(): Promise<Ceiling> {
    return this.#ceiling ??= measureCeiling(this);
  }

  start(job: Job): Promise<RoleProcess> {
    const { profiles } = this.#options;
    const flags = profiles === undefined ? [] : [
      "--v8-flags=--prof,--no-logfile-per-isolate," +
      `--logfile=${join(profiles, `${this.#part}-${++this.#processes}-${job.role}.log`)}`,
    ];
    return RoleProcess.start(job, { flags });
  }

  /** Runs with a folder that is gone afterwards, and what is in it. */
  async withFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
    const folder = Deno.makeTempDirSync({ dir: this.#options.folder, prefix: "strom-bench-" });
    try {
      return await use(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
}
