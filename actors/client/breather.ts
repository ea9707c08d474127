/**
 * Decides when a loop that sends without awaiting should let the event loop turn, and when it must
 * wait for room.
 *
 * @module
 */

import type { Environment } from "../runtime/environment.ts";
import type { Accumulator } from "./producer/accumulator.ts";

/** A loop breathes each time so many bytes of batches were begun. */
const BREATH_BYTES = 256 * 1024;

const NOW = Promise.resolve();

/** Gives the promises of `Producer.ready`. */
export class Breather {
  readonly #environment: Environment;
  readonly #accumulator: Accumulator;
  /** Below so many free bytes there is no room, and again from so many on. */
  readonly #lowBytes: number;
  readonly #enoughBytes: number;
  #breathedAt = 0;
  #turn: Promise<void> | undefined;
  #room: Promise<void> | undefined;
  #endRoom: (() => void) | undefined;

  constructor(environment: Environment, accumulator: Accumulator, bufferMemory: number) {
    this.#environment = environment;
    this.#accumulator = accumulator;
    this.#lowBytes = bufferMemory / 4;
    this.#enoughBytes = bufferMemory / 2;
  }

  /** Resolves when the caller may go on; `isFull` when records wait for room already. */
  ready(isFull: boolean): Promise<void> {
    if (this.#room !== undefined) return this.#room;
    const { begunBytes, freeBytes } = this.#accumulator;
    if (isFull || freeBytes < this.#lowBytes) {
      return this.#room = new Promise((resolve) => this.#endRoom = resolve);
    }
    if (begunBytes - this.#breathedAt < BREATH_BYTES) return NOW;
    this.#breathedAt = begunBytes;
    return this.#turn ??= this.#nextTurn();
  }

  /** To be called when memory was given back. */
  roomMade(isFull: boolean): void {
    if (this.#room === undefined) return;
    if (!isFull && this.#accumulator.freeBytes >= this.#enoughBytes) this.close();
  }

  /** Lets everybody go on. */
  close(): void {
    this.#room = undefined;
    this.#endRoom?.();
    this.#endRoom = undefined;
  }

  #nextTurn(): Promise<void> {
    const { dispatcher } = this.#environment;
    return new Promise((resolve) => {
      const end = () => {
        this.#turn = undefined;
        resolve();
      };
      // What the end of a turn asks for runs at the end of the next, from the event loop.
      dispatcher.atEndOfTurn(() => dispatcher.atEndOfTurn(end));
    });
  }
}
