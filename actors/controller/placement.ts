/**
 * Which brokers hold the replicas of new partitions.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { BrokerImage, ClusterImage } from "./cluster_image.ts";
import { type DecisionContext, Refusal } from "./decision.ts";

/**
 * Spreads partitions over the active brokers: first replicas go round from a drawn broker, taking
 * racks in turn; the others follow with a shift that grows each round, one on each rack before any
 * rack gets a second. Brokers that name no rack share one.
 * @throws {Refusal} INVALID_REPLICATION_FACTOR
 */
export function placeReplicas(
  { image, random, rules }: Pick<DecisionContext, "image" | "random" | "rules">,
  partitions: number,
  replicationFactor: number,
): NodeId[][] {
  const brokers = rackByRack([...image.brokers.values()].filter((it) => rules.isActive(it)));
  const refuse = (reason: string) => {
    throw new Refusal(ErrorCode.INVALID_REPLICATION_FACTOR, reason);
  };
  if (replicationFactor < 1) refuse(`Replication factor ${replicationFactor} is less than 1`);
  if (replicationFactor > brokers.length) {
    refuse(
      `Replication factor ${replicationFactor} is larger than the number of brokers available, ` +
        `${brokers.length}`,
    );
  }
  const racks = new Set(brokers.map(({ rack }) => rack)).size;
  const first = random.integer(brokers.length);
  const shift = random.integer(brokers.length);
  return Array.from({ length: partitions }, (_, partition) => {
    const leader = (first + partition) % brokers.length;
    const gap = shift + Math.floor(partition / brokers.length);
    return followOn(brokers, racks, leader, gap, replicationFactor);
  });
}

/** The replicas of one partition: the first broker, and those that follow it best. */
function followOn(
  brokers: readonly BrokerImage[],
  racks: number,
  leader: number,
  gap: number,
  replicationFactor: number,
): NodeId[] {
  const chosen = [brokers[leader] as BrokerImage];
  while (chosen.length < replicationFactor) {
    // Full rounds over the racks: each has so many replicas, some have one more.
    const perRack = Math.floor(chosen.length / racks);
    const others = brokers.length - 1;
    let best: BrokerImage | undefined;
    let bestLoad = Infinity;
    for (let step = 0; step < others && bestLoad > perRack; step++) {
      const candidate = brokers[(leader + 1 + (gap + step) % others) % brokers.length];
      if (candidate === undefined || chosen.includes(candidate)) continue;
      const load = chosen.filter(({ rack }) => rack === candidate.rack).length;
      if (load < bestLoad) [best, bestLoad] = [candidate, load];
    }
    chosen.push(best as BrokerImage);
  }
  return chosen.map(({ id }) => id);
}

/** The brokers so that neighbours stand in different racks while there are some: a1 b1 c1 a2… */
function rackByRack(brokers: readonly BrokerImage[]): BrokerImage[] {
  const racks = new Map<string | null, BrokerImage[]>();
  for (const broker of brokers.toSorted((a, b) => a.id - b.id)) {
    const rack = racks.get(broker.rack) ?? [];
    rack.push(broker);
    racks.set(broker.rack, rack);
  }
  const largest = Math.max(...[...racks.values()].map((rack) => rack.length), 0);
  return Array.from({ length: largest }, (_, index) => index).flatMap((index) =>
    [...racks.values()].flatMap((rack) => rack[index] ?? [])
  );
}

/**
 * Checks a placement made by hand: each replica on a broker that is registered.
 * @throws {Refusal} INVALID_REPLICA_ASSIGNMENT
 */
export function checkPlacement(image: ClusterImage, replicas: readonly NodeId[]): void {
  const refuse = (reason: string) => {
    throw new Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, reason);
  };
  if (replicas.length === 0) refuse("An assignment has no replica");
  if (new Set(replicas).size < replicas.length) {
    refuse(`Assignment ${replicas.join(",")} names a broker twice`);
  }
  for (const id of replicas) {
    if (!image.brokers.has(id)) refuse(`Assignment ${replicas.join(",")}: no broker ${id}`);
  }
}
