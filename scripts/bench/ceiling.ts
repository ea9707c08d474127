/** The ceiling: what empty sockets carry between the same processes, from end to end. */

import type { Bench } from "./bench.ts";
import { bestRound } from "./best_round.ts";
import type { Address } from "./load/sockets.ts";
import type { Throughput } from "./load/produce.ts";

/** In bytes a second. */
export interface Ceiling {
  /** From one process to another. */
  readonly hop: number;
  /** From one process through a second to a third. */
  readonly relay: number;
}

const ROUND_BYTES = 1024 ** 3;

export async function measureCeiling(bench: Bench): Promise<Ceiling> {
  bench.progress("empty sockets");
  return { hop: await measureHop(bench), relay: await measureRelay(bench) };
}

async function measureHop(bench: Bench): Promise<number> {
  await using receiver = await bench.start({ role: "socket-receiver" });
  await using sender = await bench.start({
    role: "socket-sender",
    to: receiver.ready as Address,
  });
  const best = await bestRound(bench, async () => {
    const received = receiver.round<Throughput>(0);
    await sender.round(ROUND_BYTES);
    return await received;
  });
  return bytesPerSecond(best);
}

async function measureRelay(bench: Bench): Promise<number> {
  await using receiver = await bench.start({ role: "socket-receiver" });
  await using relay = await bench.start({ role: "socket-relay", to: receiver.ready as Address });
  await using sender = await bench.start({ role: "socket-sender", to: relay.ready as Address });
  const best = await bestRound(bench, async () => {
    const received = receiver.round<Throughput>(0);
    const relayed = relay.round(0);
    await sender.round(ROUND_BYTES);
    await relayed;
    return await received;
  });
  return bytesPerSecond(best);
}

/** Of a run, in records and in bytes. */
export function recordsPerSecond({ records, elapsedMs }: Throughput): number {
  return records / elapsedMs * 1000;
}

export function bytesPerSecond({ bytes, elapsedMs }: Throughput): number {
  return bytes / elapsedMs * 1000;
}
