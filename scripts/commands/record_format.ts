/**
 * How `consume` prints records: by a format of `%` and letters, or as JSON.
 *
 * @module
 */

import { UsageError } from "./option.ts";
import type { Output } from "./output.ts";

/** What can be printed of a record. */
export interface PrintedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

/** Prints one record. */
export type RecordPrinter = (record: PrintedRecord, output: Output) => void;

const encoder = new TextEncoder();
const NEWLINE = 0x0a;

/** Values as they are, one a line; null is an empty line. */
export const printValue: RecordPrinter = ({ value }, output) => {
  if (value !== null) output.write(value);
  output.writeByte(NEWLINE);
};

/** What the letters of a format stand for. */
const FIELDS: Readonly<Record<string, RecordPrinter>> = {
  t: ({ topic }, output) => output.writeText(topic),
  p: ({ partition }, output) => output.writeText(String(partition)),
  o: ({ offset }, output) => output.writeText(String(offset)),
  k: ({ key }, output) => key !== null && output.write(key),
  v: ({ value }, output) => value !== null && output.write(value),
  T: ({ timestamp }, output) => output.writeText(String(timestamp)),
  h: ({ headers }, output) => {
    headers.forEach(({ key, value }, index) => {
      output.writeText(`${index === 0 ? "" : ","}${key}=`);
      if (value !== null) output.write(value);
    });
  },
  "%": (_record, output) => output.writeText("%"),
};

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "0": "\0",
  "\\": "\\",
};

/**
 * Reads a format: `%t %p %o %k %v %T %h` are topic, partition, offset, key, value, timestamp and
 * headers, `%%` a percent sign; `\n \t \r \0 \\` are what they are elsewhere.
 * @throws {UsageError}
 */
export function parseFormat(format: string): RecordPrinter {
  const parts: RecordPrinter[] = [];
  let literal = "";
  const endLiteral = () => {
    if (literal === "") return;
    const bytes = encoder.encode(literal);
    literal = "";
    parts.push((_record, output) => output.write(bytes));
  };
  for (let at = 0; at < format.length; at++) {
    const character = format[at] ?? "";
    if (character !== "%" && character !== "\\") {
      literal += character;
      continue;
    }
    const letter = format[++at] ?? "";
    const field = FIELDS[letter];
    const escaped = ESCAPES[letter];
    if (character === "%" && letter !== "" && field !== undefined) {
      endLiteral();
      parts.push(field);
    } else if (character === "\\" && escaped !== undefined) literal += escaped;
    else throw new UsageError(`--format has ${character}${letter}, which stands for nothing`);
  }
  endLiteral();
  return (record, output) => {
    for (const part of parts) part(record, output);
  };
}

/**
 * Text in which `\n \t \r \0 \\` are what they are elsewhere.
 * @throws {UsageError}
 */
export function unescape(text: string, option: string): string {
  return text.replace(/\\(.?)/gs, (escape, letter: string) => {
    const character = ESCAPES[letter];
    if (character === undefined) {
      throw new UsageError(`--${option} has ${escape}, which stands for nothing`);
    }
    return character;
  });
}

/** One JSON object a line, with the names of the protocol. */
export const printJson: RecordPrinter = (record, output) => {
  const { topic, partition, offset, timestamp, key, value, headers } = record;
  output.writeLine(JSON.stringify({
    topic,
    partition,
    offset,
    timestamp,
    key: jsonOf(key),
    value: jsonOf(value),
    headers: headers.map((header) => ({ key: header.key, value: jsonOf(header.value) })),
  }));
};

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as JSON can carry them: text where they are UTF-8, else `{"base64": …}`. */
export function jsonOf(bytes: Uint8Array | null): string | null | { readonly base64: string } {
  if (bytes === null) return null;
  try {
    return decoder.decode(bytes);
  } catch {
    return { base64: bytes.toBase64() };
  }
}
