/**
 * Who asks, and whether it may: the one place where a request's declared resource and operation
 * meet the authorizer, and its cost the quota.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";

/** Whoever is at the other end of a connection. */
export interface Principal {
  /** `User`, as in Kafka. */
  readonly type: string;
  readonly name: string;
}

export const ANONYMOUS: Principal = { type: "User", name: "ANONYMOUS" };

export type ResourceType = "cluster" | "topic" | "group" | "transactional-id";

export type Operation =
  | "read"
  | "write"
  | "create"
  | "delete"
  | "alter"
  | "describe"
  | "describe-configs"
  | "alter-configs"
  | "idempotent-write"
  | "cluster-action";

/** One thing that a request does to one resource. */
export interface Access {
  readonly operation: Operation;
  readonly resourceType: ResourceType;
  readonly resourceName: string;
}

/** What is done to a group. */
export function groupAccess(operation: Operation, resourceName: string): Access {
  return { operation, resourceType: "group", resourceName };
}

/** What is done to the cluster: there is one. */
export function clusterAccess(operation: Operation): Access {
  return { operation, resourceType: "cluster", resourceName: "kafka-cluster" };
}

/** What is done to configs: those of brokers are the cluster's. */
export function configAccess(
  operation: "describe-configs" | "alter-configs",
  { resourceType, resourceName }: {
    readonly resourceType: number;
    readonly resourceName: string;
  },
): Access {
  switch (resourceType) {
    case CONFIG_RESOURCE.topic:
      return topicAccess(operation, resourceName);
    case CONFIG_RESOURCE.group:
      return groupAccess(operation, resourceName);
    default:
      return clusterAccess(operation);
  }
}

/** What is done to a topic. */
export function topicAccess(operation: Operation, resourceName: string): Access {
  return { operation, resourceType: "topic", resourceName };
}

/** The same, of a topic found by its id: where there is none, nobody is refused anything. */
export function maybeTopicAccess(
  operation: Operation,
  resourceName: string | undefined,
): Access | undefined {
  return resourceName === undefined ? undefined : topicAccess(operation, resourceName);
}

export interface Authorizer {
  allows(principal: Principal, access: Access): boolean;
}

/** Allows everything: what holds until access control is configured. */
export const ALLOW_ALL: Authorizer = { allows: () => true };

/** What is limited: bytes produced, bytes fetched, milliseconds that requests take. */
export type QuotaKind = "produce" | "fetch" | "request";

export interface QuotaHook {
  /** Whether anything is limited. */
  readonly isUsed: boolean;
  /** Notes what a client took; returns for how many milliseconds it must hold back. */
  charge(kind: QuotaKind, principal: Principal, clientId: string, cost: number): number;
}
