/**
 * Collecting the answers to many questions before going on with all of them.
 *
 * @module
 */

/**
 * Calls `done` once, when each of `count` slots was filled; at once when there are none. Filling a
 * slot twice is an error in the caller.
 */
export class Gather<Answer> {
  readonly #answers: (Answer | undefined)[];
  readonly #done: (answers: readonly Answer[]) => void;
  #open: number;

  constructor(count: number, done: (answers: readonly Answer[]) => void) {
    this.#answers = new Array(count).fill(undefined);
    this.#done = done;
    this.#open = count;
    if (count === 0) done([]);
  }

  fill(slot: number, answer: Answer): void {
    if (this.#answers[slot] !== undefined) throw new Error(`Cannot fill slot ${slot} twice`);
    this.#answers[slot] = answer;
    this.#open--;
    if (this.#open === 0) this.#done(this.#answers as readonly Answer[]);
  }
}
