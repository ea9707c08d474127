/**
 * A node whose port is attacked, for many runs of a property, and what must hold after each: no
 * actor fails, another client is served, what is ended is told in one line, and nothing is held for
 * who has gone.
 */

import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { batchOf, BrokerWorld } from "../actors/broker/broker_world.ts";
import type { TestClient } from "../actors/broker/test_client.ts";

/** Whoever sends what it should not. */
export interface Hostile {
  readonly ended: { readonly isSettled: boolean };
  raw(bytes: Uint8Array): void;
  close(abort: boolean): void;
}

/** A node with a client that must not notice anything. */
export class AttackedPort {
  readonly #world = BrokerWorld.serving({
    properties: { "auto.create.topics.enable": "false", "queued.max.fetch.bytes": "1000000" },
    kafka: true,
  });
  readonly #victim: TestClient;
  #sent = 0;
  #lines = 0;

  constructor() {
    this.#victim = this.#world.client();
    this.#world.createTopic(this.#victim, "victim");
    this.#world.createTopic(this.#victim, "target", 2);
    this.#world.produce(this.#victim, "target", batchOf(["a", "b"], { compression: "gzip" }));
    this.#world.pass(10);
  }

  /** Sends the pieces by whoever `connect` gives, and looks at what became of everybody. */
  attack(connect: (world: BrokerWorld) => Hostile, pieces: readonly Uint8Array[]): void {
    const world = this.#world;
    const { lentBytes } = world.booted.usage;
    const hostile = connect(world);
    for (const piece of pieces) {
      hostile.raw(piece.slice());
      world.pass(1);
    }
    const { errorCode, baseOffset } = world.produce(this.#victim, "victim", batchOf(["v"]));
    assertEquals([errorCode, baseOffset], [0, this.#sent++]);
    const endedByNode = hostile.ended.isSettled;
    hostile.close(true);
    world.pass(5);
    const lines = world.linesWith("connection closed").length - this.#lines;
    this.#lines += lines;
    assert(lines === 1 || lines === 0 && !endedByNode, `${lines} lines for one connection`);
    assertEquals(world.linesWith("actor failed"), []);
    assertEquals(world.failure, undefined);
    assertEquals(world.booted.usage, {
      lentBytes,
      requestBytes: 0,
      fetchedBytes: 0,
      receivedBytes: 0,
      waitingPlaces: 0,
    });
  }
}

/** Bytes in pieces, as a network may give them. */
export function inPieces(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<readonly Uint8Array[]> {
  return fc.tuple(bytes, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }))
    .map(([whole, cuts]) => {
      const places = [0, ...cuts.map((cut) => Math.floor(cut * whole.length)), whole.length];
      places.sort((a, b) => a - b);
      return places.slice(1).map((place, index) => whole.subarray(places[index], place));
    });
}

/** All of them, one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
