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
import { BoundListener } from "../net/bound_listener.ts";
import type { BootedNode, BootOptions } from "./booted_node.ts";
import { type ClusterPlan, clusterPlanOf } from "./cluster_plan.ts";
import { JoiningNode } from "./joining_node.ts";
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
  const { environment, config, native } = options;
  const plan = clusterPlanOf(config, options.nodeId);
  const isNew = readMetaProperties(environment.disk, "") === undefined;
  if (!isNew || plan.bootstrapServers.length === 0) return openNode(options, plan, plan.clusterId);
  return new JoiningNode(
    environment,
    options.listener ?? new BoundListener(environment.network, native),
    plan.bootstrapServers,
    config.nativeSharedSecret,
    (clusterId, listener) => openNode({ ...options, listener }, plan, clusterId),
    options.failed,
  );
}

/** Opens the data folder, and sets the node up in it. */
function openNode(
  options: BootOptions,
  plan: ClusterPlan,
  clusterId: string | undefined,
): WiredNode {
  const { environment, nodeId, native } = options;
  const random = environment.random.stream("data folder");
  let listener = options.listener;
  let directory: LogDirectory | undefined;
  try {
    directory = new LogDirectory(environment.disk, {
      nodeId,
      holder: environment.process,
      newId: () => random.uuid(),
      clusterId,
    });
    listener ??= new BoundListener(environment.network, native);
    return new WiredNode(options, plan, directory, listener);
  } catch (error) {
    listener?.close();
    directory?.release();
    throw error;
  }
}
