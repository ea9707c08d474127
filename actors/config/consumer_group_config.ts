/**
 * The configs that a consumer group may set for itself (KIP-848), by Kafka's names.
 *
 * A group that does not set one has the broker's. What it sets must lie within the broker's bounds
 * when it is set; bounds that a broker is started with later change nothing.
 *
 * @module
 */

import type { BrokerConfig } from "./broker_config.ts";
import {
  checkConfig,
  type ConfigDefinition,
  int,
  parseConfig,
  unknownConfig,
} from "./definition.ts";
import { GROUP_CONFIGS } from "./group_configs.ts";

/** The typed configs of a consumer group, in milliseconds. */
export interface ConsumerGroupConfig {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

type BrokerField =
  | `groupConsumer${"" | "Min" | "Max"}SessionTimeoutMs`
  | `groupConsumer${"" | "Min" | "Max"}HeartbeatIntervalMs`;

/** What a broker's configs say of groups. */
export type ConsumerGroupDefaults = Pick<BrokerConfig, BrokerField>;

/** A config of a group, and the broker's configs that it depends on. */
export interface ConsumerGroupConfigDefinition extends ConfigDefinition<number> {
  /** The broker config that counts where the group sets none. */
  readonly synonym: string;
  readonly fields: {
    readonly default: BrokerField;
    readonly min: BrokerField;
    readonly max: BrokerField;
  };
}

const SESSION = define("consumer.session.timeout.ms", "SessionTimeoutMs");
const HEARTBEAT = define("consumer.heartbeat.interval.ms", "HeartbeatIntervalMs");

const BY_NAME: ReadonlyMap<string, ConsumerGroupConfigDefinition> = new Map(
  [SESSION, HEARTBEAT].map((definition) => [definition.name, definition]),
);

function define(
  name: string,
  field: "SessionTimeoutMs" | "HeartbeatIntervalMs",
): ConsumerGroupConfigDefinition {
  const { name: synonym, defaultText, documentation } = GROUP_CONFIGS[`groupConsumer${field}`];
  return {
    ...int(name, Number(defaultText), documentation, { min: 1, dynamic: "cluster-wide" }),
    synonym,
    fields: {
      default: `groupConsumer${field}`,
      min: `groupConsumerMin${field}`,
      max: `groupConsumerMax${field}`,
    },
  };
}

/** All configs that a group can have. */
export function consumerGroupConfigs(): ConsumerGroupConfigDefinition[] {
  return [...BY_NAME.values()];
}

/** What holds for a group that has set these texts. */
export function consumerGroupConfig(
  own: ReadonlyMap<string, string>,
  broker: ConsumerGroupDefaults,
): ConsumerGroupConfig {
  return {
    sessionTimeoutMs: valueOf(SESSION, own, broker),
    heartbeatIntervalMs: valueOf(HEARTBEAT, own, broker),
  };
}

/** Why a group cannot have these texts, and no others; undefined when it can. */
export function checkConsumerGroupConfigs(
  own: ReadonlyMap<string, string>,
  broker: ConsumerGroupDefaults,
): string | undefined {
  for (const [name, text] of own) {
    const definition = BY_NAME.get(name);
    if (definition === undefined) return unknownConfig(name, BY_NAME.keys());
    const problem = checkConfig(definition, text) ?? checkBounds(definition, text, broker);
    if (problem !== undefined) return problem;
  }
  const { sessionTimeoutMs, heartbeatIntervalMs } = consumerGroupConfig(own, broker);
  if (own.size === 0 || sessionTimeoutMs > heartbeatIntervalMs) return undefined;
  return `${SESSION.name}=${sessionTimeoutMs} is not more than ` +
    `${HEARTBEAT.name}=${heartbeatIntervalMs}`;
}

function checkBounds(
  definition: ConsumerGroupConfigDefinition,
  text: string,
  broker: ConsumerGroupDefaults,
): string | undefined {
  const { min, max } = definition.fields;
  const value = parseConfig(definition, text);
  const setting = `${definition.name}=${text}`;
  if (value < broker[min]) {
    return `${setting} is less than ${GROUP_CONFIGS[min].name}=${broker[min]}`;
  }
  if (value > broker[max]) {
    return `${setting} is more than ${GROUP_CONFIGS[max].name}=${broker[max]}`;
  }
  return undefined;
}

function valueOf(
  definition: ConsumerGroupConfigDefinition,
  own: ReadonlyMap<string, string>,
  broker: ConsumerGroupDefaults,
): number {
  const text = own.get(definition.name);
  return text === undefined ? broker[definition.fields.default] : parseConfig(definition, text);
}
