/**
 * What whoever asks may do to a resource, as responses tell it: a set of operations, a bit each
 * (KIP-430).
 *
 * @module
 */

import { ACL_OPERATIONS } from "../../../net/messages/acl_operations.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type Access,
  clusterAccess,
  groupAccess,
  type Operation,
  type ResourceType,
  topicAccess,
} from "./access.ts";

/** What there is to do to a resource of each type that responses tell of. */
const OPERATIONS: Readonly<
  Record<Exclude<ResourceType, "transactional-id">, readonly Operation[]>
> = {
  cluster: [
    "create",
    "alter",
    "describe",
    "cluster-action",
    "describe-configs",
    "alter-configs",
    "idempotent-write",
  ],
  topic: [
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "describe-configs",
    "alter-configs",
  ],
  group: ["read", "delete", "describe", "describe-configs", "alter-configs"],
};

/** Whoever asks. */
interface Asking {
  allows(access: Access): boolean;
}

/** What may be done to the cluster: nothing, as long as it may not be described. */
export function clusterOperations(call: Asking): number {
  if (!call.allows(clusterAccess("describe"))) return 0;
  return allowed(call, OPERATIONS.cluster, clusterAccess);
}

/** The topic as it is told of, with what may be done to it; not where only its id was given. */
export function withTopicOperations<Topic extends { readonly name: string | null }>(
  call: Asking,
  topic: Topic,
): Topic {
  const { name } = topic;
  if (name === null) return topic;
  const operations = allowed(call, OPERATIONS.topic, (one) => topicAccess(one, name));
  return { ...topic, topicAuthorizedOperations: operations };
}

/** The group as it is told of, with what may be done to it; not where there is only an error. */
export function withGroupOperations<
  Group extends { readonly groupId: string; readonly errorCode: number },
>(call: Asking, group: Group): Group {
  if (group.errorCode !== ErrorCode.NONE) return group;
  const operations = allowed(call, OPERATIONS.group, (one) => groupAccess(one, group.groupId));
  return { ...group, authorizedOperations: operations };
}

function allowed(
  call: Asking,
  operations: readonly Operation[],
  access: (operation: Operation) => Access,
): number {
  return operations.filter((operation) => call.allows(access(operation)))
    .reduce((bits, operation) => bits | 1 << ACL_OPERATIONS[operation], 0);
}
