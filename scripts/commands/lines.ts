/**
 * Takes bytes apart into lines without decoding them.
 *
 * A line ends at a newline, which is not part of it; everything else is, a carriage return too, so
 * that what is consumed is what was produced. What follows the last newline is a line unless it is
 * empty.
 *
 * @module
 */

const NEWLINE = 0x0a;

/** Splits chunks, one after the other, as they come. */
export class LineSplitter {
  /** The beginning of a line that has not ended yet. */
  readonly #pieces: Uint8Array[] = [];

  /** Calls `take` with each line that ends in the chunk. Lines are views on chunks or copies. */
  push(chunk: Uint8Array, take: (line: Uint8Array) => void): void {
    let start = 0;
    let end = chunk.indexOf(NEWLINE);
    if (end >= 0 && this.#pieces.length > 0) {
      this.#pieces.push(chunk.subarray(0, end));
      take(this.#join());
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    while (end >= 0) {
      take(chunk.subarray(start, end));
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    if (start < chunk.length) this.#pieces.push(chunk.subarray(start));
  }

  /** The line that no newline ended. */
  end(): Uint8Array | undefined {
    return this.#pieces.length === 0 ? undefined : this.#join();
  }

  #join(): Uint8Array {
    const pieces = this.#pieces.splice(0);
    if (pieces.length === 1 && pieces[0] !== undefined) return pieces[0];
    const line = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      line.set(piece, at);
      at += piece.length;
    }
    return line;
  }
}

/** A line taken apart; without a separator in it all of it is the value. */
export interface KeyAndValue {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
}

/** Takes a line apart where the separator stands first. */
export function splitKey(line: Uint8Array, separator: Uint8Array): KeyAndValue {
  const at = indexOfBytes(line, separator);
  return at < 0
    ? { key: null, value: line }
    : { key: line.subarray(0, at), value: line.subarray(at + separator.length) };
}

/** Whether two are the same bytes. */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array): number {
  const first = wanted[0];
  if (first === undefined) return -1;
  const last = bytes.length - wanted.length;
  for (let at = bytes.indexOf(first); at >= 0 && at <= last; at = bytes.indexOf(first, at + 1)) {
    let matched = 1;
    while (matched < wanted.length && bytes[at + matched] === wanted[matched]) matched++;
    if (matched === wanted.length) return at;
  }
  return -1;
}
