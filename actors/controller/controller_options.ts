/**
 * What the controller of a node is made from.
 *
 * @module
 */

import { type NodeId, ZERO_UUID } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { Ref } from "../runtime/ref.ts";
import type { ControllerDecisions } from "./decisions.ts";
import type { QuorumPeer, QuorumTransport } from "./messages.ts";
import type { ControllerObserver } from "./observer.ts";
import type { QuorumTimeouts } from "./quorum_context.ts";
import type { QuorumRules } from "./quorum_rules.ts";
import { VoterSet } from "./voters.ts";

export interface ControllerOptions {
  readonly nodeId: NodeId;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly config: BrokerConfig;
  /** The first voters, where the log names none: `controller.quorum.voters`; empty is this node. */
  readonly voters: readonly QuorumPeer[];
  /** Nodes of a cluster to join, where no voters are known. */
  readonly bootstrapServers?: readonly SocketAddress[] | undefined;
  /** Where others reach this node. */
  readonly address?: SocketAddress | undefined;
  /** Whether the node has the role of a controller; an observer where not. */
  readonly isController: boolean;
  /** How the other nodes of the quorum are reached. */
  readonly transport: QuorumTransport;
  /** Told why the controller has failed. */
  readonly failed: Ref<ControllerFailed>;
  readonly observer?: ControllerObserver | undefined;
  /** Stand in for the classes of the same names. */
  readonly QuorumRules?: typeof QuorumRules | undefined;
  readonly ControllerDecisions?: typeof ControllerDecisions | undefined;
}

export interface ControllerFailed {
  readonly kind: "controller-failed";
  readonly reason: string;
}

const FETCH_WAIT_MS = 500;
const FETCH_BYTES = 1024 * 1024;

/** The times of `controller.quorum.*`. */
export function quorumTimeouts(config: BrokerConfig): QuorumTimeouts {
  const requestMs = config.controllerQuorumRequestTimeoutMs;
  return {
    electionMs: config.controllerQuorumElectionTimeoutMs,
    fetchMs: config.controllerQuorumFetchTimeoutMs,
    backoffMaxMs: config.controllerQuorumElectionBackoffMaxMs,
    requestMs,
    retryMs: config.controllerQuorumRetryBackoffMs,
    fetchWaitMs: Math.min(FETCH_WAIT_MS, Math.floor(requestMs / 2)),
    fetchBytes: FETCH_BYTES,
  };
}

/** Who votes where no record says so. */
export function configuredVoters(options: ControllerOptions): VoterSet {
  const { voters, bootstrapServers, nodeId, directory, address, isController } = options;
  if (voters.length > 0) {
    return new VoterSet(
      voters.map((voter) => ({ id: voter.id, directoryId: ZERO_UUID, address: voter.address })),
    );
  }
  if (!isController || (bootstrapServers ?? []).length > 0) return VoterSet.NONE;
  return new VoterSet([{ id: nodeId, directoryId: directory.directoryId, address }]);
}
