/**
 * How much of the end of a log is surely in the page cache: what this process appended last.
 *
 * The system drops the pages that were used least lately, so what counts is how much was appended
 * since to all logs of the node. The node keeps one count of that; each log notes now and then
 * where the count stood. Owns the guess, which is low rather than high; knows no file. What was
 * there before the process started, or what readers brought in, is not counted.
 *
 * @module
 */

/** Bytes that this process appended to all logs of a node. */
export class AppendedBytes {
  /** So many bytes appended last are taken to be in the page cache. */
  readonly hotMax: number;
  /** All that was appended so far. */
  count = 0;

  constructor(hotMax: number) {
    this.hotMax = hotMax;
  }
}

/** A log notes the count so often while the hot bytes change once: the guess is low by a share. */
const MARKS = 16;

/** Of one log. */
export class HotTail {
  readonly #all: AppendedBytes;
  /** Bytes appended to this log. */
  #own = 0;
  /** Where both counts stood, in turns: of this log, of all. The oldest first. */
  #marks: number[] = [];

  constructor(all: AppendedBytes) {
    this.#all = all;
  }

  /** So many bytes from the log's end on back were appended lately enough. */
  get bytes(): number {
    this.#forget();
    const first = this.#marks[0];
    return first === undefined ? 0 : this.#own - first;
  }

  appended(bytes: number): void {
    this.#forget();
    const all = this.#all;
    const marks = this.#marks;
    if (marks.length === 0 || all.count - marks[marks.length - 1]! >= all.hotMax / MARKS) {
      marks.push(this.#own, all.count);
    }
    this.#own += bytes;
    all.count += bytes;
  }

  /** Bytes were cut from the log's end: what is there now may be old. */
  clear(): void {
    this.#marks = [];
  }

  /** Only so many bytes at the log's end are as they were: what lies before was written anew. */
  limit(bytes: number): void {
    const marks = this.#marks;
    const from = this.#own - bytes;
    for (let index = 0; index < marks.length; index += 2) {
      if (marks[index]! < from) marks[index] = from;
    }
  }

  /** Drops the marks behind which too much was appended to count on them. */
  #forget(): void {
    const marks = this.#marks;
    const { count, hotMax } = this.#all;
    let old = 0;
    while (old < marks.length && count - marks[old + 1]! > hotMax) old += 2;
    if (old > 0) marks.splice(0, old);
  }
}
