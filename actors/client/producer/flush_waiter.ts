/**
 * Counts what a `flush` still waits for.
 *
 * @module
 */

/** Calls `finished` once everything that was added is done. */
export class FlushWaiter {
  readonly #finished: () => void;
  /** One more than was added until `armed`: so that it cannot end while it is being filled. */
  #remaining = 1;

  constructor(finished: () => void) {
    this.#finished = finished;
  }

  /** One thing more to wait for. */
  add(): void {
    this.#remaining++;
  }

  /** One of the things is done. */
  done(): void {
    if (--this.#remaining === 0) this.#finished();
  }

  /** Everything was added. */
  armed(): void {
    this.done();
  }
}
