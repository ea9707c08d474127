/**
 * Which brokers hold the replicas of new partitions.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { RandomStream } from "../runtime/environment.ts";
import type { ClusterImage } from "./cluster_image.ts";
import { Refusal } from "./decision.ts";

/**
 * Spreads partitions over the brokers that are not fenced: first replicas go round from a drawn
 * broker, the others follow it with a shift that grows each round (as Kafka's striped placement).
 * @throws {Refusal} INVALID_REPLICATION_FACTOR
 */
export function placeReplicas(
  image: ClusterImage,
  random: RandomStream,
  partitions: number,
  replicationFactor: number,
): NodeId[][] {
  const brokers = usableBrokers(image);
  if (replicationFactor < 1) {
    throw new Refusal(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Replication factor ${replicationFactor} is less than 1`,
    );
  }
  if (replicationFactor > brokers.length) {
    throw new Refusal(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Replication factor ${replicationFactor} is larger than the ${brokers.length} brokers ` +
        `available`,
    );
  }
  const first = random.integer(brokers.length);
  const shift = random.integer(brokers.length);
  return Array.from({ length: partitions }, (_, partition) => {
    const leader = first + partition;
    const gap = shift + Math.floor(partition / brokers.length);
    return Array.from({ length: replicationFactor }, (_, replica) => {
      const step = replica === 0 ? 0 : 1 + (gap + replica - 1) % (brokers.length - 1);
      return brokers[(leader + step) % brokers.length] as NodeId;
    });
  });
}

/**
 * Checks a placement made by hand.
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

function usableBrokers(image: ClusterImage): NodeId[] {
  return [...image.brokers.values()]
    .filter((broker) => !broker.fenced && !broker.inControlledShutdown)
    .map((broker) => broker.id)
    .sort((a, b) => a - b);
}
