/**
 * Which leader epoch begins at which offset: what KIP-101, KIP-279 and KIP-320 ask of a replica.
 *
 * Owns the entries of one log and their text form (`leader-epoch-checkpoint`, Kafka's version 0).
 * It does not own the file: the log writes it before its recovery point passes a new entry, and
 * rebuilds from the batches whatever lies past the recovery point.
 *
 * Invariants: epochs and start offsets rise strictly from entry to entry. An entry may have no
 * record yet (a leader that has appended nothing); such an entry does not survive a restart, which
 * loses nothing, since nobody can hold a record of it.
 *
 * @module
 */

import { type Epoch, NONE, type Offset, type OffsetAndEpoch } from "./bytes/ids.ts";
import { MalformedFileError, parseEntries, parseWhole } from "./checkpoint.ts";

/** Name of the file in the partition's folder. */
export const LEADER_EPOCH_CHECKPOINT = "leader-epoch-checkpoint";

/** A leader epoch and the offset of its first record. */
export interface EpochEntry {
  readonly epoch: Epoch;
  readonly startOffset: Offset;
}

/** The leader epochs of one log, oldest first. */
export class LeaderEpochs {
  readonly #epochs: Epoch[] = [];
  readonly #starts: Offset[] = [];

  get size(): number {
    return this.#epochs.length;
  }

  /** The newest epoch, or -1. */
  get latestEpoch(): Epoch {
    return this.#epochs.length === 0 ? NONE : this.#epochs[this.#epochs.length - 1]!;
  }

  /** Where the newest epoch begins, or -1. */
  get latestStartOffset(): Offset {
    return this.#starts.length === 0 ? NONE : this.#starts[this.#starts.length - 1]!;
  }

  /** The oldest epoch that has an entry, or -1. */
  get earliestEpoch(): Epoch {
    return this.#epochs[0] ?? NONE;
  }

  entries(): EpochEntry[] {
    return this.#epochs.map((epoch, index) => ({ epoch, startOffset: this.#starts[index]! }));
  }

  /**
   * Notes that `epoch` begins at `startOffset`, dropping entries that contradict it (KIP-279).
   * Returns whether anything changed.
   *
   * @throws {RangeError} when either is negative
   */
  assign(epoch: Epoch, startOffset: Offset): boolean {
    if (epoch < 0 || startOffset < 0) {
      throw new RangeError(`Cannot assign leader epoch ${epoch} at offset ${startOffset}`);
    }
    if (epoch === this.latestEpoch && startOffset >= this.latestStartOffset) return false;
    let kept = this.#epochs.length;
    while (
      kept > 0 && (this.#epochs[kept - 1]! >= epoch || this.#starts[kept - 1]! >= startOffset)
    ) kept--;
    this.#epochs.length = kept;
    this.#starts.length = kept;
    this.#epochs.push(epoch);
    this.#starts.push(startOffset);
    return true;
  }

  /**
   * Where the records of the largest epoch up to `epoch` end, with that epoch (KIP-101, KIP-279);
   * undefined when `epoch` is newer than all that is known.
   */
  endOffsetFor(epoch: Epoch, logEndOffset: Offset): OffsetAndEpoch | undefined {
    if (epoch < 0) return undefined;
    if (epoch === this.latestEpoch) return { offset: logEndOffset, epoch };
    const higher = this.#firstAbove(epoch);
    if (higher === this.#epochs.length) return undefined;
    const offset = this.#starts[higher]!;
    return { offset, epoch: higher === 0 ? epoch : this.#epochs[higher - 1]! };
  }

  /** The epoch of the record at `offset` (one below the log end), or -1 before the first entry. */
  epochForOffset(offset: Offset): Epoch {
    for (let index = this.#starts.length - 1; index >= 0; index--) {
      if (this.#starts[index]! <= offset) return this.#epochs[index]!;
    }
    return NONE;
  }

  /** Drops entries that begin at `endOffset` or later. Returns whether anything changed. */
  truncateFromEnd(endOffset: Offset): boolean {
    let kept = this.#starts.length;
    while (kept > 0 && this.#starts[kept - 1]! >= endOffset) kept--;
    if (kept === this.#starts.length) return false;
    this.#epochs.length = kept;
    this.#starts.length = kept;
    return true;
  }

  /**
   * Drops entries wholly below `startOffset`; the one that covers it now begins there. Returns
   * whether anything changed.
   */
  truncateFromStart(startOffset: Offset): boolean {
    let covering = -1;
    while (
      covering + 1 < this.#starts.length && this.#starts[covering + 1]! <= startOffset
    ) covering++;
    if (covering < 0 || (covering === 0 && this.#starts[0] === startOffset)) return false;
    this.#epochs.splice(0, covering);
    this.#starts.splice(0, covering);
    this.#starts[0] = startOffset;
    return true;
  }

  /** Forgets every entry. */
  clear(): void {
    this.#epochs.length = 0;
    this.#starts.length = 0;
  }

  /** The text of the checkpoint file; with `endOffset` only of entries that begin before it. */
  format(endOffset: Offset = Infinity): string {
    const lines: string[] = [];
    for (let index = 0; index < this.#epochs.length; index++) {
      const start = this.#starts[index]!;
      if (start < endOffset) lines.push(`${this.#epochs[index]} ${start}\n`);
    }
    return `0\n${lines.length}\n${lines.join("")}`;
  }

  /**
   * Reads the text of a checkpoint file.
   *
   * @throws {MalformedFileError} naming `path`, also when entries do not rise
   */
  static parse(text: string, path: string): LeaderEpochs {
    const result = new LeaderEpochs();
    for (const [epochText, startText] of parseEntries(text, path, 2)) {
      const epoch = parseWhole(epochText!, path);
      const start = parseWhole(startText!, path);
      if (epoch <= result.latestEpoch || start <= result.latestStartOffset) {
        throw new MalformedFileError(
          `Cannot read ${path}: epoch ${epoch} at offset ${start} does not rise`,
        );
      }
      result.#epochs.push(epoch);
      result.#starts.push(start);
    }
    return result;
  }

  #firstAbove(epoch: Epoch): number {
    let index = this.#epochs.length;
    while (index > 0 && this.#epochs[index - 1]! > epoch) index--;
    return index;
  }
}
