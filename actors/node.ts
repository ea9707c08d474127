/**
 * Boots a node: finds out where it belongs, opens its data folder, and sets it up there.
 *
 * Plain and with callbacks, so that a node runs in the simulated world too; start_node.ts is its
 * promise-based face.
 *
 * @module
 */

import { LogDirectory } from "../storage/log_directory.ts";
import { readMetaProperties } from "../storage/meta_properties.ts";
import type { BootedNode, BootOptions } from "./booted_node.ts";
import { type ClusterPlan, clusterPlanOf } from "./cluster_plan.ts";
import { JoiningNode } from "./joining_node.ts";
import { NodeListeners } from "./node_listeners.ts";
import { WiredNode } from "./wired_node.ts";

export type { BootedNode, BootOptions, NodeUsage } from "./booted_node.ts";

/**
 * Boots a node. One that is to join a cluster, and whose folder is new, first learns which cluster
 * that is: until then it holds its address and nothing else.
 *
 * @throws {ConfigError} when roles, voters or addresses cannot be read, or contradict each other
 * @throws {DiskError} of kind `locked` when another process uses the data folder
 * @throws {WrongNodeError} when the folder belongs to another node or cluster
 * @throws {NetworkError} when the address cannot be listened on
 */
export function bootNode(options: BootOptions): BootedNode {
  const { environment, config } = options;
  const plan = clusterPlanOf(config, options.nodeId);
  const isNew = readMetaProperties(environment.disk, "") === undefined;
  if (!isNew || plan.bootstrapServers.length === 0) return openNode(options, plan, plan.clusterId);
  return new JoiningNode(
    environment,
    new NodeListeners(environment.network, options),
    plan.bootstrapServers,
    config.nativeSharedSecret,
    (clusterId, listeners) => openNode(options, plan, clusterId, listeners),
    options.failed,
  );
}

/** Opens the data folder, and sets the node up in it. */
function openNode(
  options: BootOptions,
  plan: ClusterPlan,
  clusterId: string | undefined,
  bound?: NodeListeners,
): WiredNode {
  const { environment, nodeId } = options;
  const random = environment.random.stream("data folder");
  let listeners = bound;
  let directory: LogDirectory | undefined;
  try {
    directory = new LogDirectory(environment.disk, {
      nodeId,
      holder: environment.process,
      newId: () => random.uuid(),
      clusterId,
    });
    listeners ??= new NodeListeners(environment.network, options);
    return new WiredNode(options, plan, directory, listeners);
  } catch (error) {
    if (listeners === undefined) closeBound(options);
    else listeners.close();
    directory?.release();
    throw error;
  }
}

/** Listeners that were handed over are the node's, also where it does not come to be. */
function closeBound({ listener, kafkaListener }: BootOptions): void {
  listener?.close();
  kafkaListener?.close();
}
