/**
 * A node that is attacked: whatever comes, it stays up, another client notices nothing, one line
 * says why the connection was ended, and nothing is held for it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { batchOf, type BrokerWorld } from "./broker_world.ts";

const UINT32_BYTES = 4;

/** Runs an attack on a node that serves, and looks at what became of everybody. */
export function withstand(
  world: BrokerWorld,
  /** Begins it; returns whether it is over. */
  attack: (world: BrokerWorld) => () => boolean,
  /** Part of the line that is logged. */
  reason: string,
): void {
  const victim = world.client();
  world.createTopic(victim, "victim");
  world.createTopic(victim, "large", 1, { "max.message.bytes": "4000000" });
  world.produce(victim, "large", batchOf(["x".repeat(3_000_000)]));
  const isOver = attack(world);
  const sent: string[] = [];
  for (let i = 0; i < 40 && !isOver(); i++) {
    const asked = world.simulation.nowMs;
    sent.push(`${i}`);
    assertEquals(world.produce(victim, "victim", batchOf([`${i}`])).errorCode, 0);
    const waited = world.simulation.nowMs - asked;
    assert(waited < 50, `the victim waited ${waited} ms`);
    world.pass(1000);
  }
  assert(isOver(), "the connection is ended");
  world.pass(100);
  const lines = world.linesWith("connection closed");
  assertEquals(lines.length, 1, lines.join("\n"));
  assertStringIncludes(lines[0]!, reason);
  assertEquals(world.linesWith("actor failed"), []);
  assertEquals(world.failure, undefined);
  assertEquals(world.values(victim, "victim"), sent);
  victim.close();
  world.pass(100);
  world.assertNothingHeld();
}

/** The bytes of a number, and some more. */
export function uint32(value: number, ...more: number[]): Uint8Array {
  const bytes = new Uint8Array(UINT32_BYTES + more.length);
  new DataView(bytes.buffer).setUint32(0, value);
  bytes.set(more, UINT32_BYTES);
  return bytes;
}
