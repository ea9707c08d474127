/**
 * A logger that writes one line for each event: `key=value` (logfmt) or JSON.
 *
 * It owns the form of a line, not where lines go nor what time it is. A value never breaks a line.
 *
 * @module
 */

import type { LogFields, Logger, LogLevel } from "./environment.ts";

/** How a log line is written: `key=value` pairs, or JSON. */
export type LogFormat = "logfmt" | "json";

export interface LineLoggerOptions {
  /** Events below this level are not written. */
  readonly level: LogLevel;
  readonly format?: LogFormat;
  /** Writes stacks of errors too. */
  readonly stacks?: boolean;
  /** Milliseconds since 1970. */
  now(): number;
  /** Takes a line without its end. */
  write(line: string): void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** What may stand in logfmt without quotes. */
const PLAIN = /^[^\s"=\\\p{Cc}]+$/u;

type Value = LogFields[string];

export class LineLogger implements Logger {
  readonly #options: LineLoggerOptions;
  readonly #fields: LogFields;

  constructor(options: LineLoggerOptions, fields: LogFields = {}) {
    this.#options = options;
    this.#fields = fields;
  }

  log(level: LogLevel, event: string, fields: LogFields = {}): void {
    if (RANK[level] < RANK[this.#options.level]) return;
    const values: [string, Value][] = [
      ["time", new Date(this.#options.now()).toISOString()],
      ["level", level],
      ["event", event],
    ];
    for (const [key, value] of Object.entries({ ...this.#fields, ...fields })) {
      if (value === undefined) continue;
      if (!(value instanceof Error)) values.push([key, value]);
      else {
        values.push([key, `${value.name}: ${value.message}`]);
        if (this.#options.stacks) values.push([`${key}_stack`, value.stack]);
      }
    }
    const json = this.#options.format === "json";
    this.#options.write(json ? JSON.stringify(Object.fromEntries(values)) : logfmt(values));
  }

  with(fields: LogFields): Logger {
    return new LineLogger(this.#options, { ...this.#fields, ...fields });
  }
}

function logfmt(values: readonly [string, Value][]): string {
  return values.map(([key, value]) => `${key}=${quoted(String(value))}`).join(" ");
}

function quoted(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text);
}
