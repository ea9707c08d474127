/**
 * Configs of clients by Kafka's names, as `--property` takes them.
 *
 * @module
 */

import type { ClientConfig, ConsumerConfig, ProducerConfig } from "../../mod.ts";
import { nearestName } from "../../actors/config/nearest_name.ts";
import { UsageError } from "./option.ts";

type Kind = "number" | "text" | "flag";

/** Which config each stands for, and what its values are. */
type Properties<Config> = Readonly<Record<string, readonly [key: keyof Config, kind: Kind]>>;

const CLIENT: Properties<ClientConfig> = {
  "client.id": ["clientId", "text"],
  "metadata.max.age.ms": ["metadataMaxAgeMs", "number"],
  "reconnect.backoff.max.ms": ["reconnectBackoffMaxMs", "number"],
  "reconnect.backoff.ms": ["reconnectBackoffMs", "number"],
  "request.timeout.ms": ["requestTimeoutMs", "number"],
  "retry.backoff.max.ms": ["retryBackoffMaxMs", "number"],
  "retry.backoff.ms": ["retryBackoffMs", "number"],
  "socket.connection.setup.timeout.ms": ["socketConnectionSetupTimeoutMs", "number"],
};

const CONSUMER: Properties<ConsumerConfig> = {
  ...CLIENT,
  "auto.commit.interval.ms": ["autoCommitIntervalMs", "number"],
  "auto.offset.reset": ["autoOffsetReset", "text"],
  "allow.auto.create.topics": ["allowAutoCreateTopics", "flag"],
  "check.crcs": ["checkCrcs", "flag"],
  "client.rack": ["clientRack", "text"],
  "default.api.timeout.ms": ["defaultApiTimeoutMs", "number"],
  "enable.auto.commit": ["enableAutoCommit", "flag"],
  "fetch.max.bytes": ["fetchMaxBytes", "number"],
  "fetch.max.wait.ms": ["fetchMaxWaitMs", "number"],
  "fetch.min.bytes": ["fetchMinBytes", "number"],
  "group.instance.id": ["groupInstanceId", "text"],
  "group.protocol": ["groupProtocol", "text"],
  "group.remote.assignor": ["groupRemoteAssignor", "text"],
  "heartbeat.interval.ms": ["heartbeatIntervalMs", "number"],
  "isolation.level": ["isolationLevel", "text"],
  "max.partition.fetch.bytes": ["maxPartitionFetchBytes", "number"],
  "max.poll.interval.ms": ["maxPollIntervalMs", "number"],
  "max.poll.records": ["maxPollRecords", "number"],
  "session.timeout.ms": ["sessionTimeoutMs", "number"],
};

const PRODUCER: Properties<ProducerConfig> = {
  ...CLIENT,
  "batch.size": ["batchSize", "number"],
  "buffer.memory": ["bufferMemory", "number"],
  "delivery.timeout.ms": ["deliveryTimeoutMs", "number"],
  "enable.idempotence": ["enableIdempotence", "flag"],
  "linger.ms": ["lingerMs", "number"],
  "max.block.ms": ["maxBlockMs", "number"],
  "max.in.flight.requests.per.connection": ["maxInFlightRequestsPerConnection", "number"],
  "max.request.size": ["maxRequestSize", "number"],
  "retries": ["retries", "number"],
};

type Given = ReadonlyMap<string, string>;

/** @throws {UsageError} where there is no such config, or the value is none of its kind */
export function consumerProperties(given: Given): Partial<ConsumerConfig> {
  return configOf(given, CONSUMER, "consumer");
}

/** @throws {UsageError} where there is no such config, or the value is none of its kind */
export function producerProperties(given: Given): Partial<ProducerConfig> {
  return configOf(given, PRODUCER, "producer");
}

function configOf<Config>(
  given: Given,
  properties: Properties<Config>,
  client: string,
): Partial<Config> {
  return Object.fromEntries(
    Array.from(given, ([name, text]) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property === undefined) {
        const nearest = nearestName(name, Object.keys(properties));
        const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
        throw new UsageError(`--property ${name} is no config of a ${client}${hint}`);
      }
      const [key, kind] = property;
      return [key, valueOf(name, text, kind)];
    }),
  ) as Partial<Config>;
}

function valueOf(name: string, text: string, kind: Kind): string | number | boolean {
  if (kind === "text") return text;
  if (kind === "flag") {
    if (text === "true" || text === "false") return text === "true";
    throw new UsageError(`--property ${name} is true or false, not ${text}`);
  }
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`--property ${name} ${text} is no whole number`);
}
