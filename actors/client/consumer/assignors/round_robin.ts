/**
 * The round-robin assignor: all partitions of all topics, one to each member in turn.
 *
 * @module
 */

import type { Assignor } from "./assignor.ts";
import { byIdentity, type Place, Places, settled } from "./places.ts";

/** Deals out the partitions of all topics, one after the other, to those who subscribe. */
export const ROUND_ROBIN: Assignor = {
  name: "roundrobin",
  protocol: "eager",
  assign(topics, members) {
    const places = new Places(topics, members);
    const assignment = new Map<string, Place[]>(members.map(({ memberId }) => [memberId, []]));
    const order = members.toSorted(byIdentity).map(({ memberId, topics }) => ({
      memberId,
      topics: new Set(topics),
    }));
    let next = 0;
    for (const topic of places.topics) {
      for (const place of places.of(topic)) {
        while (!order[next]!.topics.has(topic)) next = (next + 1) % order.length;
        assignment.get(order[next]!.memberId)!.push(place);
        next = (next + 1) % order.length;
      }
    }
    return settled(assignment);
  },
};
