/**
 * A consumer's configs by Kafka's names, as `--property` takes them.
 *
 * @module
 */

import type { ConsumerConfig } from "../../mod.ts";
import { nearestName } from "../../actors/config/nearest_name.ts";
import { UsageError } from "./option.ts";

type Kind = "number" | "text" | "flag";

/** Which config each stands for, and what its values are. */
const PROPERTIES: Readonly<Record<string, readonly [key: keyof ConsumerConfig, kind: Kind]>> = {
  "auto.commit.interval.ms": ["autoCommitIntervalMs", "number"],
  "auto.offset.reset": ["autoOffsetReset", "text"],
  "allow.auto.create.topics": ["allowAutoCreateTopics", "flag"],
  "check.crcs": ["checkCrcs", "flag"],
  "client.id": ["clientId", "text"],
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
  "metadata.max.age.ms": ["metadataMaxAgeMs", "number"],
  "reconnect.backoff.max.ms": ["reconnectBackoffMaxMs", "number"],
  "reconnect.backoff.ms": ["reconnectBackoffMs", "number"],
  "request.timeout.ms": ["requestTimeoutMs", "number"],
  "retry.backoff.max.ms": ["retryBackoffMaxMs", "number"],
  "retry.backoff.ms": ["retryBackoffMs", "number"],
  "session.timeout.ms": ["sessionTimeoutMs", "number"],
};

/** @throws {UsageError} where there is no such config, or the value is none of its kind */
export function consumerProperties(given: ReadonlyMap<string, string>): Partial<ConsumerConfig> {
  return Object.fromEntries(
    Array.from(given, ([name, text]) => {
      const property = Object.hasOwn(PROPERTIES, name) ? PROPERTIES[name] : undefined;
      if (property === undefined) {
        const nearest = nearestName(name, Object.keys(PROPERTIES));
        const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
        throw new UsageError(`--property ${name} is no config of a consumer${hint}`);
      }
      const [key, kind] = property;
      return [key, valueOf(name, text, kind)];
    }),
  );
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
