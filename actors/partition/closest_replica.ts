/**
 * From which replica a consumer reads best: one in its own rack (KIP-392).
 *
 * Owns the choice, which is Kafka's rack-aware one, as the leader makes it: the leader itself where
 * it stands in the consumer's rack, or nobody does; else of those in that rack who hold what the
 * consumer asks for the one that is farthest, and of several the one that caught up last.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { FollowerProgress } from "./follower_progress.ts";
import type { BrokerStandings } from "./messages.ts";

/** What the leader knows. */
export interface ReplicaView {
  readonly nodeId: NodeId;
  readonly followers: ReadonlyMap<NodeId, FollowerProgress>;
  readonly brokers: BrokerStandings;
}

/** The follower that a consumer in `rack` is to read from; undefined for the leader. */
export function closestFollower(
  { nodeId, followers, brokers }: ReplicaView,
  rack: string,
  fetchOffset: Offset,
): NodeId | undefined {
  if (brokers.get(nodeId)?.rack === rack) return undefined;
  let best: NodeId | undefined;
  for (const [id, follower] of followers) {
    const broker = brokers.get(id);
    if (broker?.rack !== rack || broker.fenced || broker.shuttingDown) continue;
    const { logEndOffset, logStartOffset } = follower;
    if (logEndOffset < fetchOffset || logEndOffset < 0 || logStartOffset > fetchOffset) continue;
    const other = best === undefined ? undefined : followers.get(best);
    const isBetter = other === undefined || logEndOffset > other.logEndOffset ||
      (logEndOffset === other.logEndOffset && follower.lastCaughtUp > other.lastCaughtUp);
    if (isBetter) best = id;
  }
  return best;
}
