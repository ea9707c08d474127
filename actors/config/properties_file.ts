/**
 * Reads files of `key=value` lines, as Kafka's `server.properties` are.
 *
 * A line that begins with `#` or `!` is a comment; one that ends in a backslash goes on in the
 * next. Key and value end where `=` or `:` stands, with blanks around left away. Unlike Java, which
 * takes the last of two lines with one key, a key that comes twice is refused.
 *
 * @module
 */

import { ConfigError } from "./definition.ts";

/**
 * The properties of a file's text; `file` is only for messages.
 * @throws {ConfigError} naming each bad line by its number
 */
export function parseProperties(text: string, file: string): Record<string, string> {
  const problems: string[] = [];
  const lineOf = new Map<string, number>();
  const properties: [key: string, value: string][] = [];
  for (const { content, line } of logicalLines(text)) {
    const separator = content.search(/[=:]/);
    const key = separator < 0 ? "" : content.slice(0, separator).trim();
    const earlier = lineOf.get(key);
    if (separator < 0) {
      problems.push(`${file}:${line}: ${content} has no = between key and value`);
    } else if (key === "") {
      problems.push(`${file}:${line}: ${content} has no key`);
    } else if (earlier !== undefined) {
      problems.push(`${file}:${line}: ${key} is set already in line ${earlier}`);
    } else {
      lineOf.set(key, line);
      properties.push([key, content.slice(separator + 1).trim()]);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.fromEntries(properties);
}

interface LogicalLine {
  readonly content: string;
  /** The number of its first line in the file, from 1. */
  readonly line: number;
}

/** Lines without comments and empty ones, with continued ones joined. */
function logicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let continued: { content: string; readonly line: number } | undefined;
  text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/).forEach((raw, index) => {
    const trimmed = raw.trimStart();
    if (continued === undefined && (trimmed.trimEnd() === "" || /^[#!]/.test(trimmed))) return;
    // An odd number of backslashes: the last one is none of a pair.
    const goesOn = (/\\*$/.exec(trimmed)?.[0].length ?? 0) % 2 === 1;
    const content = (continued?.content ?? "") + (goesOn ? trimmed.slice(0, -1) : trimmed);
    const line = continued?.line ?? index + 1;
    continued = goesOn ? { content, line } : undefined;
    if (!goesOn) lines.push({ content: content.trim(), line });
  });
  if (continued !== undefined) lines.push({ ...continued, content: continued.content.trim() });
  return lines;
}
