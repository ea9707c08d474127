/**
 * The talk at the beginning of a link between nodes that know a secret: the one that connects shows
 * it and says which node it is, the other checks that, and does the same.
 *
 * The secret goes over the wire as it is: where others can listen, the link is one with `tls`.
 *
 * @module
 */

import { readInt32, writeInt32 } from "../../storage/bytes/big_endian.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { Handshake, HandshakeStep } from "./remoting.ts";

const NODE_BYTES = 4;

/** One side of such a talk, of the node `node`: what `RemotingOptions.handshake` is to give. */
export function secretHandshake(
  role: "connects" | "accepts",
  node: NodeId,
  secret: string,
): Handshake {
  const words = new TextEncoder().encode(secret);
  const introduction = new Uint8Array(NODE_BYTES + words.length);
  writeInt32(introduction, 0, node);
  introduction.set(words, NODE_BYTES);
  return {
    begin: () => role === "connects" ? introduction : undefined,
    heard(bytes): HandshakeStep {
      if (bytes.length < NODE_BYTES || !isSame(bytes.subarray(NODE_BYTES), words)) {
        return { kind: "refused", reason: "The secret is missing or wrong" };
      }
      const accepted = { kind: "accepted", peer: readInt32(bytes, 0) } as const;
      return role === "accepts" ? { ...accepted, bytes: introduction } : accepted;
    },
  };
}

/** Takes as long wherever the two differ: how long it took tells nobody how much was right. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let index = 0; index < one.length; index++) difference |= one[index]! ^ (other[index] ?? 0);
  return difference === 0;
}
