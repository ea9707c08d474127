/**
 * The topic configs that decisions go by, as they are set now: by the topic, else live for all
 * brokers, else by the configs that the controller's node was started with.
 *
 * @module
 */

import type { DecisionContext } from "./decision.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";

/** The topic config, and the broker config that sets its default: they have one name. */
export const MIN_INSYNC_REPLICAS = "min.insync.replicas";

/** The topic config, and the broker config that sets its default: they have one name. */
export const UNCLEAN_ELECTION = "unclean.leader.election.enable";

export interface TopicSettings {
  readonly minInsyncReplicas: number;
  readonly uncleanElectionEnabled: boolean;
}

/** The settings of a topic. */
export function topicSettings({ image, defaults }: DecisionContext, topic: string): TopicSettings {
  const ofTopic = image.configs(CONFIG_RESOURCE.topic, topic);
  const ofBrokers = image.configs(CONFIG_RESOURCE.broker, "");
  const text = (name: string) => ofTopic.get(name) ?? ofBrokers.get(name);
  const replicas = text(MIN_INSYNC_REPLICAS);
  const unclean = text(UNCLEAN_ELECTION);
  const { minInsyncReplicas, uncleanLeaderElectionEnable } = defaults.topicDefaults;
  return {
    minInsyncReplicas: replicas === undefined ? minInsyncReplicas : Number(replicas),
    uncleanElectionEnabled: unclean === undefined
      ? uncleanLeaderElectionEnable
      : unclean.trim().toLowerCase() === "true",
  };
}
