/**
 * The id of a cluster whose first voters are given: all nodes derive the same one from the same
 * words, so that none has to ask another.
 *
 * @module
 */

import type { Uuid } from "../storage/bytes/ids.ts";
import { formatAddress } from "../net/network.ts";
import { readUuid } from "../net/schema/uuid.ts";
import type { NamedVoter } from "./config/quorum_voters.ts";

/** Two hashes that begin apart give the 128 bits. */
const SEEDS = [0xcbf29ce484222325n, 0x6c62272e07bb0142n] as const;
const PRIME = 0x100000001b3n;

/** The cluster id that these voters agree on; the order in which they are named says nothing. */
export function clusterIdOf(voters: readonly NamedVoter[]): Uuid {
  const text = [...voters]
    .sort((a, b) => a.id - b.id)
    .map(({ id, address }) => `${id}@${formatAddress(address)}`)
    .join(",");
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  SEEDS.forEach((seed, index) => view.setBigUint64(8 * index, hash(seed, text)));
  // A random id of version 4 looks like that, and no text begins with `-`, which options do.
  bytes[0] = bytes[0]! & 0x7f;
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return readUuid(bytes, 0);
}

/** FNV-1a of 64 bits, and a finish that spreads the last letters over all of them. */
function hash(seed: bigint, text: string): bigint {
  let value = seed;
  for (const byte of new TextEncoder().encode(text)) {
    value = BigInt.asUintN(64, (value ^ BigInt(byte)) * PRIME);
  }
  value = BigInt.asUintN(64, (value ^ (value >> 33n)) * 0xff51afd7ed558ccdn);
  value = BigInt.asUintN(64, (value ^ (value >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return value ^ (value >> 33n);
}
