/**
 * What the configs of a node say of its place in a cluster.
 *
 * @module
 */

import type { NodeId, Uuid } from "../storage/bytes/ids.ts";
import type { SocketAddress } from "../net/network.ts";
import { clusterIdOf } from "./cluster_id.ts";
import type { BrokerConfig } from "./config/broker_config.ts";
import { ConfigError } from "./config/definition.ts";
import { type ListenerAddresses, parseAdvertised } from "./config/listeners.ts";
import {
  type NamedVoter,
  type NodeRoles,
  parseBootstrapServers,
  parseRoles,
  parseVoters,
} from "./config/quorum_voters.ts";

/** A node's place in its cluster. */
export interface ClusterPlan {
  readonly roles: NodeRoles;
  /** The first voters of the metadata quorum; none is this node alone, or whoever is asked. */
  readonly voters: readonly NamedVoter[];
  /** Nodes of the cluster to join; none where the voters say which cluster it is. */
  readonly bootstrapServers: readonly SocketAddress[];
  /** Where others reach it, if not where it listens. */
  readonly advertised: ListenerAddresses;
  /** The cluster of these voters. */
  readonly clusterId: Uuid | undefined;
}

/** @throws {ConfigError} when something cannot be read, or two configs contradict each other */
export function clusterPlanOf(config: BrokerConfig, nodeId: NodeId): ClusterPlan {
  const roles = parseRoles(config.processRoles);
  const voters = parseVoters(config.controllerQuorumVoters);
  const servers = parseBootstrapServers(config.controllerQuorumBootstrapServers);
  const advertised = parseAdvertised(config.advertisedListeners);
  if (!roles.controller && voters.some(({ id }) => id === nodeId)) {
    throw new ConfigError([
      `process.roles=${config.processRoles} has no controller, but controller.quorum.voters ` +
      `names node ${nodeId}`,
    ]);
  }
  if (!roles.controller && voters.length === 0 && servers.length === 0) {
    throw new ConfigError([
      `process.roles=${config.processRoles} has no controller: controller.quorum.voters or ` +
      "controller.quorum.bootstrap.servers must say where there is one",
    ]);
  }
  if (voters.length === 0) {
    return { roles, voters, bootstrapServers: servers, advertised, clusterId: undefined };
  }
  const clusterId = clusterIdOf(voters);
  return { roles, voters, bootstrapServers: [], advertised, clusterId };
}
