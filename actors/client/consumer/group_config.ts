/**
 * The configs of a consumer that is a member of a group, and of one that commits for a group.
 *
 * @module
 */

import type { Assignor } from "./assignors/assignor.ts";
import { RANGE } from "./assignors/range.ts";
import { ROUND_ROBIN } from "./assignors/round_robin.ts";
import { COOPERATIVE_STICKY, STICKY } from "./assignors/sticky.ts";
import { type Bounds, DURATION, INT32_MAX, numbers, oneOf } from "../config_values.ts";
import { InvalidConfigError } from "../errors.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** Kafka's assignors, by their names. */
export type AssignorName = "range" | "roundrobin" | "sticky" | "cooperative-sticky";

/**
 * Told of partitions that come and go. Called while the consumer is asked for records, and waited
 * for: then the user has none in hand. What it throws, the call for records throws.
 */
export interface RebalanceListener {
  /** These are the member's from now on, besides those it has. */
  assigned?(partitions: readonly TopicPartition[]): void | Promise<void>;
  /** These will be somebody else's; what was done with them can still be committed. */
  revoked?(partitions: readonly TopicPartition[]): void | Promise<void>;
  /** These are somebody else's already; `revoked` is called where this is absent. */
  lost?(partitions: readonly TopicPartition[]): void | Promise<void>;
}

/** What a consumer of a group can be told. Times are in milliseconds. */
export interface GroupConfig {
  /** The group's id. Its members share the partitions, and offsets are committed for it. */
  readonly group?: string;
  /** A name that outlives the consumer: it may come back to what it had (KIP-345). */
  readonly groupInstanceId?: string;
  /**
   * `"consumer"`: the coordinator divides the partitions, and nobody waits for others (KIP-848);
   * where brokers do not serve that, as `"classic"`: a member divides them by an assignor.
   * `"consumer"`, or `"classic"` where `assignors` are given.
   */
  readonly groupProtocol?: "consumer" | "classic";
  /**
   * How the classic protocol divides partitions: Kafka's assignors by their names, or others, the
   * first that all members have. `["range", "cooperative-sticky"]`.
   */
  readonly assignors?: readonly (AssignorName | Assignor)[];
  /** The coordinator's assignor, under the consumer protocol; its own choice when absent. */
  readonly groupRemoteAssignor?: string;
  /** How long the coordinator waits for a sign of life, under the classic protocol. 45,000. */
  readonly sessionTimeoutMs?: number;
  /** How often one is given. 3,000; under the consumer protocol as the coordinator says. */
  readonly heartbeatIntervalMs?: number;
  /** How long the user may take between two calls for records. 300,000. */
  readonly maxPollIntervalMs?: number;
  /**
   * Whether offsets are committed by themselves: in intervals, before partitions are given up and
   * at the end, never past what the user may still be processing. True.
   */
  readonly enableAutoCommit?: boolean;
  /** 5,000. */
  readonly autoCommitIntervalMs?: number;
  /** Where the consumer is, so that it can be given partitions that have a copy there. */
  readonly clientRack?: string;
  /** Told of partitions that come and go. */
  readonly rebalanceListener?: RebalanceListener;
}

const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = {
  range: RANGE,
  roundrobin: ROUND_ROBIN,
  sticky: STICKY,
  "cooperative-sticky": COOPERATIVE_STICKY,
};

const GROUP = {
  sessionTimeoutMs: [45_000, 1, INT32_MAX],
  heartbeatIntervalMs: [3_000, 1, INT32_MAX],
  maxPollIntervalMs: [300_000, 1, INT32_MAX],
  autoCommitIntervalMs: [5_000, ...DURATION],
} as const satisfies Record<string, Bounds>;

/** A group's configs with every default filled in. */
export type GroupSettings = NonNullable<ReturnType<typeof groupSettings>>;

/**
 * Undefined without a group.
 * @throws {InvalidConfigError} that names the config which cannot be used.
 */
export function groupSettings(config: GroupConfig) {
  const { group: groupId } = config;
  if (groupId === undefined) return undefined;
  if (groupId === "") throw new InvalidConfigError('Cannot use group "": a group has a name');
  const settings = numbers(GROUP, config);
  if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs) {
    throw new InvalidConfigError(
      `Cannot use heartbeatIntervalMs ${settings.heartbeatIntervalMs}: it is not less than ` +
        `sessionTimeoutMs ${settings.sessionTimeoutMs}`,
    );
  }
  const { assignors } = config;
  const groupProtocol = oneOf<"consumer" | "classic">(
    "groupProtocol",
    config.groupProtocol ?? (assignors === undefined ? "consumer" : "classic"),
    ["consumer", "classic"],
  );
  if (groupProtocol === "consumer" && assignors !== undefined) {
    throw new InvalidConfigError(
      "Cannot use assignors with groupProtocol consumer: the coordinator divides the partitions",
    );
  }
  return {
    ...settings,
    groupId,
    groupInstanceId: config.groupInstanceId ?? null,
    groupProtocol,
    assignors: assignorsOf(assignors ?? ["range", "cooperative-sticky"]),
    groupRemoteAssignor: config.groupRemoteAssignor ?? null,
    enableAutoCommit: config.enableAutoCommit ?? true,
    rackId: config.clientRack ?? null,
    rebalanceListener: config.rebalanceListener,
  };
}

function assignorsOf(given: readonly (AssignorName | Assignor)[]): Assignor[] {
  if (given.length === 0) throw new InvalidConfigError("Cannot use assignors: there is none");
  const assignors = given.map((assignor) => {
    if (typeof assignor !== "string") return assignor;
    const known = ASSIGNORS[assignor];
    if (known !== undefined) return known;
    const names = Object.keys(ASSIGNORS).join(", ");
    throw new InvalidConfigError(`Cannot use assignor ${String(assignor)}: it is none of ${names}`);
  });
  const names = new Set(assignors.map(({ name }) => name));
  if (names.size < assignors.length) {
    throw new InvalidConfigError("Cannot use assignors: two have the same name");
  }
  return assignors;
}
