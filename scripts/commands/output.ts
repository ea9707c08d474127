/**
 * Gathers what a command prints and writes it in large pieces.
 *
 * @module
 */

/** Whoever reads the output has gone: there is nothing left to do. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** For those who do not depend on somebody reading what they print. */
export function ignoreClosedOutput(error: unknown): void {
  if (!(error instanceof OutputClosed)) throw error;
}

/** Where bytes end up: stdout, or a test's memory. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Beyond this much, `write` asks for a flush. */
const FLUSH_BYTES = 256 * 1024;

const encoder = new TextEncoder();

/** Bytes on their way to a sink. */
export class Output {
  readonly #sink: Sink;
  #buffer = new Uint8Array(FLUSH_BYTES + 64 * 1024);
  #length = 0;
  /** The flush begun last. */
  #flushed: Promise<void> = Promise.resolve();

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Whether it is time to `flush`: the buffer only grows until then. */
  get isFull(): boolean {
    return this.#length >= FLUSH_BYTES;
  }

  /** Takes a copy of the bytes. */
  write(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (end > this.#buffer.length) this.#grow(end);
    this.#buffer.set(bytes, this.#length);
    this.#length = end;
  }

  writeByte(byte: number): void {
    if (this.#length === this.#buffer.length) this.#grow(this.#length + 1);
    this.#buffer[this.#length++] = byte;
  }

  writeText(text: string): void {
    this.write(encoder.encode(text));
  }

  writeLine(text: string): void {
    this.writeText(`${text}\n`);
  }

  /**
   * Writes what was gathered; several at a time do so one after the other.
   * @throws {OutputClosed} when nobody reads it any more
   */
  flush(): Promise<void> {
    const write = () => this.#writeOut();
    return this.#flushed = this.#flushed.then(write, write);
  }

  async #writeOut(): Promise<void> {
    let written = 0;
    try {
      while (written < this.#length) {
        written += await this.#sink.write(this.#buffer.subarray(written, this.#length));
      }
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) {
        throw new OutputClosed("Nobody reads the output");
      }
      throw error;
    } finally {
      this.#length = 0;
    }
  }

  #grow(least: number): void {
    const grown = new Uint8Array(Math.max(least, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
