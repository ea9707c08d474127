/**
 * The texts of this broker's configs, by where they were set.
 *
 * @module
 */

import type { BrokerTexts } from "../config/described_config.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import type { BrokerServices } from "./services.ts";

export function brokerTextsOf({ image, config, nodeId }: BrokerServices): BrokerTexts {
  return {
    config,
    clusterWide: image.configs(CONFIG_RESOURCE.broker, ""),
    ofBroker: image.configs(CONFIG_RESOURCE.broker, String(nodeId)),
  };
}
