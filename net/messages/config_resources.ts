/**
 * What configs belong to and where their values come from, as Kafka numbers them.
 *
 * @module
 */

/** The types of resources that have configs. */
export const CONFIG_RESOURCE = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const;

/** Where the value of a config comes from. */
export const CONFIG_SOURCE = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  group: 8,
} as const;
