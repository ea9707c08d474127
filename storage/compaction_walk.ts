/**
 * A walk over the records of a batch that reads of each only what compaction asks for: where it
 * lies, its offset, where its key is, and whether it has a value.
 *
 * Three times as fast as the cursor of record.ts, for it makes nothing and skips headers by the
 * record's length. What it trusts it has checked: no length leads past the body.
 *
 * @module
 */

/** Fields are of the record that the last `next()` found. */
export class RecordWalk {
  /** Where the record begins, its length included, and where it ends. */
  start = 0;
  end = 0;
  offsetDelta = -1;
  timestampDelta = 0;
  keyStart = 0;
  /** -1 where there is no key. */
  keyLength = -1;
  /** -1 where there is no value: a tombstone. */
  valueLength = -1;
  #bytes: Uint8Array = new Uint8Array(0);
  #bodyEnd = 0;
  #position = 0;

  /** Stands before the first of the records between two positions. */
  reset(bytes: Uint8Array, from: number, to: number): void {
    this.#bytes = bytes;
    this.#bodyEnd = to;
    this.end = from;
    this.offsetDelta = -1;
  }

  /** Moves to the next record; false at the end. @throws {RangeError} at what is no record */
  next(): boolean {
    const start = this.end;
    if (start >= this.#bodyEnd) return false;
    this.start = start;
    this.#position = start;
    const length = this.#varint();
    const end = this.#position + length;
    // At the least one byte each for attributes, two deltas, two lengths and a count.
    if (length < 6 || end > this.#bodyEnd) throw malformed(start, `length ${length}`);
    this.#position++;
    this.timestampDelta = this.#varlong();
    const previous = this.offsetDelta;
    this.offsetDelta = this.#varint();
    if (this.offsetDelta <= previous) throw malformed(start, `offset delta ${this.offsetDelta}`);
    const keyLength = this.keyLength = this.#varint();
    this.keyStart = this.#position;
    if (keyLength > 0) this.#position += keyLength;
    if (this.#position >= end || keyLength < -1) {
      throw malformed(start, `key length ${keyLength}`);
    }
    const valueLength = this.valueLength = this.#varint();
    if (valueLength > end - this.#position || valueLength < -1) {
      throw malformed(start, `value length ${valueLength}`);
    }
    this.end = end;
    return true;
  }

  /** Where the timestamp delta of the present record begins, and where what follows it does. */
  timestampSpan(): readonly [number, number] {
    this.#position = this.start;
    this.#varint();
    const from = ++this.#position;
    this.#varlong();
    return [from, this.#position];
  }

  #varint(): number {
    const bytes = this.#bytes;
    let position = this.#position;
    let byte = bytes[position++]!;
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw malformed(this.start, "a number of more than 32 bits");
      byte = bytes[position++]!;
      value |= (byte & 0x7f) << shift;
    }
    this.#position = position;
    return (value >>> 1) ^ -(value & 1);
  }

  #varlong(): number {
    const bytes = this.#bytes;
    const from = this.#position;
    let position = from;
    let byte = bytes[position++]!;
    let value = byte & 0x7f;
    let factor = 128;
    while (byte >= 0x80) {
      if (factor > 2 ** 56) throw malformed(this.start, "a number of more than 54 bits");
      byte = bytes[position++]!;
      value += (byte & 0x7f) * factor;
      factor *= 128;
    }
    this.#position = position;
    // Zigzag, without bit operations: they have 32 bits.
    if (value >= 2 ** 53) return this.#longVarlong(from, position);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Of a number whose zigzag form no double holds. */
  #longVarlong(from: number, to: number): number {
    let value = 0n;
    for (let at = to - 1; at >= from; at--) value = value << 7n | BigInt(this.#bytes[at]! & 0x7f);
    const number = Number((value >> 1n) ^ -(value & 1n));
    if (!Number.isSafeInteger(number)) throw malformed(this.start, "a time beyond 2^53");
    return number;
  }
}

function malformed(position: number, reason: string): RangeError {
  return new RangeError(`Cannot read record at ${position}: ${reason}`);
}
