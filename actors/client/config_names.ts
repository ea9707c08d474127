/**
 * The names of all configs, for a config that was mistyped: nothing would come of it.
 *
 * @module
 */

import { nearestName } from "../config/nearest_name.ts";
import type { AdminConfig, ClientConfig, ConsumerConfig, ProducerConfig } from "./configs.ts";
import { InvalidConfigError } from "./errors.ts";

/** Every name of a config, and no other. */
type Names<Config> = Readonly<Record<keyof Config, true>>;

const CLIENT: Names<ClientConfig> = {
  clientId: true,
  environment: true,
  metadataMaxAgeMs: true,
  reconnectBackoffMaxMs: true,
  reconnectBackoffMs: true,
  requestTimeoutMs: true,
  retryBackoffMaxMs: true,
  retryBackoffMs: true,
  secret: true,
  socketConnectionSetupTimeoutMs: true,
  tls: true,
};

/** An admin client's. */
export const ADMIN_NAMES: Names<AdminConfig> = { ...CLIENT, defaultApiTimeoutMs: true };

/** A producer's. */
export const PRODUCER_NAMES: Names<ProducerConfig> = {
  ...CLIENT,
  acks: true,
  batchSize: true,
  bufferMemory: true,
  compression: true,
  deliveryTimeoutMs: true,
  enableIdempotence: true,
  interceptors: true,
  keySerializer: true,
  lingerMs: true,
  maxBlockMs: true,
  maxInFlightRequestsPerConnection: true,
  maxRequestSize: true,
  partitioner: true,
  retries: true,
  transactionTimeoutMs: true,
  transactionalId: true,
  valueSerializer: true,
};

/** A consumer's. */
export const CONSUMER_NAMES: Names<ConsumerConfig> = {
  ...CLIENT,
  allowAutoCreateTopics: true,
  assign: true,
  assignors: true,
  autoCommitIntervalMs: true,
  autoOffsetReset: true,
  checkCrcs: true,
  clientRack: true,
  defaultApiTimeoutMs: true,
  enableAutoCommit: true,
  fetchMaxBytes: true,
  fetchMaxWaitMs: true,
  fetchMinBytes: true,
  from: true,
  group: true,
  groupInstanceId: true,
  groupProtocol: true,
  groupRemoteAssignor: true,
  heartbeatIntervalMs: true,
  interceptors: true,
  isolationLevel: true,
  keyDeserializer: true,
  maxPartitionFetchBytes: true,
  maxPollIntervalMs: true,
  maxPollRecords: true,
  rebalanceListener: true,
  sessionTimeoutMs: true,
  topics: true,
  valueDeserializer: true,
};

/**
 * Types tell most; a spread object or JavaScript is told here. A name that is given as undefined is
 * not given.
 *
 * @throws {InvalidConfigError} that names the first config which `whose` client does not have
 */
export function checkNames(whose: string, config: object, names: Readonly<Record<string, true>>) {
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined || Object.hasOwn(names, name)) continue;
    const nearest = nearestName(inCamelCase(name), Object.keys(names));
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    throw new InvalidConfigError(`Cannot use ${name}: ${whose} has no such config${hint}`);
  }
}

/** `linger.ms` is Kafka's name for `lingerMs`. */
function inCamelCase(name: string): string {
  return name.replace(/[._-]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
