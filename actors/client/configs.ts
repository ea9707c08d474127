/**
 * The configs of producers, consumers and admin clients: Kafka's names in camelCase, Kafka's
 * defaults, checked once at the door.
 *
 * Where a default departs from Kafka's, its comment says why. Does not own what a config does.
 *
 * @module
 */

import type { TlsOptions } from "../../net/network.ts";
import type { Compression } from "../../storage/compression.ts";
import type { Environment } from "../runtime/environment.ts";
import { ADMIN_NAMES, checkNames, CONSUMER_NAMES, PRODUCER_NAMES } from "./config_names.ts";
import { type Bounds, DURATION, INT32_MAX, integer, numbers, oneOf } from "./config_values.ts";
import { InvalidConfigError } from "./errors.ts";
import { type GroupConfig, groupSettings } from "./consumer/group_config.ts";
import type { ConsumerInterceptor, ProducerInterceptor } from "./interceptors.ts";
import type { Partitioner } from "./producer/partitioners.ts";
import type { Data } from "./records.ts";
import type { Deserializer, Serializer } from "./serializers.ts";

/** What all clients can be told. Times are in milliseconds, sizes in bytes. */
export interface ClientConfig {
  /** A name for the broker's logs and quotas. */
  readonly clientId?: string;
  /** A secret for a node that asks for one; Strom's ask for none yet. */
  readonly secret?: string;
  /** How to connect by TLS; plainly when absent. */
  readonly tls?: TlsOptions;
  /** How long a response is waited for; then the connection is given up. 30,000. */
  readonly requestTimeoutMs?: number;
  /** The first wait before a failed request is repeated; it doubles up to the next. 100. */
  readonly retryBackoffMs?: number;
  /** 1,000. */
  readonly retryBackoffMaxMs?: number;
  /** The first wait before a lost connection is made again; it doubles up to the next. 50. */
  readonly reconnectBackoffMs?: number;
  /** 1,000. */
  readonly reconnectBackoffMaxMs?: number;
  /** How long a connection may take to be made. 10,000. */
  readonly socketConnectionSetupTimeoutMs?: number;
  /** The age at which metadata are asked for anew, errors or none. 300,000. */
  readonly metadataMaxAgeMs?: number;
  /** Where time, chance and network come from: the simulation; Deno's when absent. */
  readonly environment?: Environment;
}

/** How many replicas must have a record: the leader and all in sync, the leader, or nobody. */
export type Acks = "all" | -1 | 1 | 0;

/** What a producer can be told. */
export interface ProducerConfig<K = Data, V = Data> extends ClientConfig {
  /** `"all"`. */
  readonly acks?: Acks;
  /** How batches are compressed. `"none"`. */
  readonly compression?: Compression;
  /** The most bytes of a batch, before compression; a larger record has one to itself. 16,384. */
  readonly batchSize?: number;
  /**
   * How long a batch that is not full waits for more records. When absent, a batch goes at once if
   * nothing is on its way to its broker, and otherwise waits for the answer or 5 ms, what comes
   * first: a lone record is not held up and a busy producer still batches. Given, it is what it is
   * in Kafka.
   */
  readonly lingerMs?: number;
  /** The bytes of all records that are not yet acknowledged. 33,554,432. */
  readonly bufferMemory?: number;
  /** How long `send` may wait for metadata and for room in the buffer. 60,000. */
  readonly maxBlockMs?: number;
  /** 5, the most with idempotence. Without, a retry may change the order where it is not 1. */
  readonly maxInFlightRequestsPerConnection?: number;
  /** The most bytes of a request, and so of a record. 1,048,576. */
  readonly maxRequestSize?: number;
  /** How long from `send` until a record is acknowledged or fails. 120,000. */
  readonly deliveryTimeoutMs?: number;
  /** How often a batch is sent again; `deliveryTimeoutMs` ends it anyway. 2,147,483,647. */
  readonly retries?: number;
  /**
   * Whether each record is stored once and in order, however often it has to be sent. True, unless
   * `acks` is not `"all"` or `retries` is 0.
   */
  readonly enableIdempotence?: boolean;
  /**
   * Whose transactions these are: of several producers with the same id only the last can do
   * anything. With it records are sent in transactions only.
   */
  readonly transactionalId?: string;
  /** A transaction that is open for longer is aborted. 60,000. */
  readonly transactionTimeoutMs?: number;
  /** Chooses the partition of records that name none; when absent the key or the load does. */
  readonly partitioner?: Partitioner;
  /** See each record before it is sent, and what came of it. */
  readonly interceptors?: readonly ProducerInterceptor<K, V>[];
  /** Makes bytes of keys; bytes and text need none. */
  readonly keySerializer?: Serializer<K>;
  /** Makes bytes of values; bytes and text need none. */
  readonly valueSerializer?: Serializer<V>;
}

/** Where a consumer begins that has no position yet. */
export type StartPosition = "earliest" | "latest" | { readonly timestamp: number };

/** A partition to consume, and where from; from `ConsumerConfig.from` when there is no offset. */
export interface AssignedPartition {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** The first offset to give. */
  readonly offset?: number;
}

/** What a consumer can be told. */
export interface ConsumerConfig<K = Uint8Array | null, V = Uint8Array | null>
  extends ClientConfig, GroupConfig {
  /**
   * All partitions of these topics, those that are added later too; in a group the member's share
   * of them. In a group it may be a pattern, which topics that are added later may fit too.
   */
  readonly topics?: readonly string[] | RegExp;
  /** Just these partitions. */
  readonly assign?: readonly AssignedPartition[];
  /**
   * Where to begin; what `autoOffsetReset` says when absent. In a group only where it has committed
   * no offset.
   */
  readonly from?: StartPosition;
  /**
   * Where to go on when the position lies outside the log; `"none"` is an error. `"latest"`, or
   * `"earliest"` when `from` is.
   */
  readonly autoOffsetReset?: "earliest" | "latest" | "none";
  /** A response waits for so many bytes. 1. */
  readonly fetchMinBytes?: number;
  /** The most bytes of a response, and of what is fetched ahead. 52,428,800. */
  readonly fetchMaxBytes?: number;
  /** The longest that a response waits. 500. */
  readonly fetchMaxWaitMs?: number;
  /** The most bytes of a partition in a response. 1,048,576. */
  readonly maxPartitionFetchBytes?: number;
  /** The most records of a `poll`. 500. */
  readonly maxPollRecords?: number;
  /**
   * Where the consumer stands: brokers that know of racks send it to a replica there (KIP-392).
   * None.
   */
  readonly clientRack?: string;
  /** Whether records of open or aborted transactions are shown. `"read_uncommitted"`. */
  readonly isolationLevel?: "read_uncommitted" | "read_committed";
  /** Whether each batch's checksum is verified. True. */
  readonly checkCrcs?: boolean;
  /** How long a question may take, and a topic be unknown before that is an error. 60,000. */
  readonly defaultApiTimeoutMs?: number;
  /** Whether asking for a topic may make it, if the brokers allow that. True. */
  readonly allowAutoCreateTopics?: boolean;
  /** See records before they are given. */
  readonly interceptors?: readonly ConsumerInterceptor<K, V>[];
  /** Makes keys of bytes; bytes when absent. */
  readonly keyDeserializer?: Deserializer<K>;
  /** Makes values of bytes; bytes when absent. */
  readonly valueDeserializer?: Deserializer<V>;
}

/** What an admin client can be told. */
export interface AdminConfig extends ClientConfig {
  /** How long an operation may take, repetitions included. 60,000. */
  readonly defaultApiTimeoutMs?: number;
}

/** The common configs with every default filled in. */
export type ClientSettings = ReturnType<typeof clientSettings>;

const COMMON = {
  requestTimeoutMs: [30_000, 1, INT32_MAX],
  retryBackoffMs: [100, ...DURATION],
  retryBackoffMaxMs: [1_000, ...DURATION],
  reconnectBackoffMs: [50, ...DURATION],
  reconnectBackoffMaxMs: [1_000, ...DURATION],
  socketConnectionSetupTimeoutMs: [10_000, 1, INT32_MAX],
  metadataMaxAgeMs: [300_000, ...DURATION],
} as const satisfies Record<string, Bounds>;

const PRODUCER = {
  batchSize: [16_384, 0, 1 << 30],
  bufferMemory: [33_554_432, 1, Number.MAX_SAFE_INTEGER],
  maxBlockMs: [60_000, ...DURATION],
  maxInFlightRequestsPerConnection: [5, 1, 1_000],
  maxRequestSize: [1_048_576, 1, 1 << 30],
  deliveryTimeoutMs: [120_000, 1, INT32_MAX],
  retries: [INT32_MAX, 0, INT32_MAX],
  transactionTimeoutMs: [60_000, 1, INT32_MAX],
} as const satisfies Record<string, Bounds>;

const CONSUMER = {
  fetchMinBytes: [1, 0, INT32_MAX],
  fetchMaxBytes: [52_428_800, 1, INT32_MAX],
  fetchMaxWaitMs: [500, ...DURATION],
  maxPartitionFetchBytes: [1_048_576, 1, INT32_MAX],
  maxPollRecords: [500, 1, INT32_MAX],
  defaultApiTimeoutMs: [60_000, 1, INT32_MAX],
} as const satisfies Record<string, Bounds>;

/** @throws {InvalidConfigError} that names the config which cannot be used. */
export function clientSettings(config: ClientConfig) {
  const settings = numbers(COMMON, config);
  return {
    ...settings,
    clientId: config.clientId ?? "strom",
    secret: config.secret,
    tls: config.tls,
    retryBackoff: { initialMs: settings.retryBackoffMs, maxMs: settings.retryBackoffMaxMs },
    reconnectBackoff: {
      initialMs: settings.reconnectBackoffMs,
      maxMs: settings.reconnectBackoffMaxMs,
    },
  };
}

/** A producer's configs with every default filled in. */
export type ProducerSettings = ReturnType<typeof producerSettings>;

/** The wait for more records when `lingerMs` is absent and the broker is busy, as in Kafka 4. */
const LINGER_MS = 5;

/** @throws {InvalidConfigError} that names the config which cannot be used. */
export function producerSettings<K, V>(config: ProducerConfig<K, V>) {
  checkNames("a producer", config, PRODUCER_NAMES);
  const common = clientSettings(config);
  const settings = numbers(PRODUCER, config);
  const given = oneOf<Acks>("acks", config.acks ?? "all", ["all", -1, 1, 0]);
  const acks = given === "all" ? -1 : given;
  const lingerMs = integer("lingerMs", config.lingerMs ?? LINGER_MS, 0, INT32_MAX);
  if (
    config.deliveryTimeoutMs !== undefined &&
    settings.deliveryTimeoutMs < lingerMs + common.requestTimeoutMs
  ) {
    throw new InvalidConfigError(
      `Cannot use deliveryTimeoutMs ${settings.deliveryTimeoutMs}: it is less than lingerMs and ` +
        `requestTimeoutMs together`,
    );
  }
  if (config.transactionalId !== undefined && config.enableIdempotence === false) {
    throw new InvalidConfigError("Cannot use enableIdempotence false with a transactionalId");
  }
  return {
    ...common,
    ...settings,
    batchSize: Math.min(settings.batchSize, settings.maxRequestSize),
    acks,
    enableIdempotence: idempotence(config.enableIdempotence ?? isAsked(config.transactionalId), {
      ...settings,
      acks,
    }),
    transactionalId: config.transactionalId,
    compression: oneOf<Compression>("compression", config.compression ?? "none", [
      "none",
      "gzip",
      "snappy",
      "lz4",
      "zstd",
    ]),
    lingerMs,
    /** Whether an idle broker is sent what there is, without waiting. */
    eager: config.lingerMs === undefined || config.lingerMs === 0,
    partitioner: config.partitioner,
  };
}

/** Transactions ask for idempotence. */
function isAsked(transactionalId: string | undefined): true | undefined {
  if (transactionalId !== "") return transactionalId === undefined ? undefined : true;
  throw new InvalidConfigError('Cannot use transactionalId "": it has a name or is absent');
}

/** As many requests as a log remembers batches of a producer. */
const IN_FLIGHT_MAX_WITH_IDEMPOTENCE = 5;

/**
 * Whether a producer is idempotent: what speaks against it is an error only where it was asked for.
 */
function idempotence(
  asked: boolean | undefined,
  { acks, retries, maxInFlightRequestsPerConnection }: {
    readonly acks: number;
    readonly retries: number;
    readonly maxInFlightRequestsPerConnection: number;
  },
): boolean {
  if (!oneOf("enableIdempotence", asked ?? true, [true, false])) return false;
  if (asked === undefined && (acks !== -1 || retries === 0)) return false;
  const refuse = (what: string, needed: string): never => {
    throw new InvalidConfigError(`Cannot use ${what} with idempotence: it must be ${needed}`);
  };
  if (acks !== -1) refuse(`acks ${acks}`, "all");
  if (retries === 0) refuse("retries 0", "more");
  if (maxInFlightRequestsPerConnection > IN_FLIGHT_MAX_WITH_IDEMPOTENCE) {
    const what = `maxInFlightRequestsPerConnection ${maxInFlightRequestsPerConnection}`;
    refuse(what, `at most ${IN_FLIGHT_MAX_WITH_IDEMPOTENCE}, or enableIdempotence false`);
  }
  return true;
}

/** A consumer's configs with every default filled in. */
export type ConsumerSettings = ReturnType<typeof consumerSettings>;

/** @throws {InvalidConfigError} that names the config which cannot be used. */
export function consumerSettings<K, V>(config: ConsumerConfig<K, V>) {
  checkNames("a consumer", config, CONSUMER_NAMES);
  const { from } = config;
  if (from !== undefined && from !== "earliest" && from !== "latest") {
    integer("from.timestamp", from.timestamp, 0, Number.MAX_SAFE_INTEGER);
  }
  const hasStart = from !== undefined ||
    config.assign?.every(({ offset }) => offset !== undefined) === true ||
    config.group !== undefined;
  if (config.autoOffsetReset === "none" && !hasStart) {
    throw new InvalidConfigError(
      "Cannot use autoOffsetReset none: neither from nor offsets say where to begin",
    );
  }
  const isolation = oneOf("isolationLevel", config.isolationLevel ?? "read_uncommitted", [
    "read_uncommitted",
    "read_committed",
  ]);
  const autoOffsetReset = oneOf<"earliest" | "latest" | "none">(
    "autoOffsetReset",
    config.autoOffsetReset ?? (from === "earliest" ? "earliest" : "latest"),
    ["earliest", "latest", "none"],
  );
  return {
    ...clientSettings(config),
    ...numbers(CONSUMER, config),
    from: from ?? (autoOffsetReset === "none" ? "latest" : autoOffsetReset),
    /** Whether a partition without a position is read at all. */
    hasStart: from !== undefined || autoOffsetReset !== "none",
    group: groupSettings(config),
    autoOffsetReset,
    isReadCommitted: isolation === "read_committed",
    clientRack: config.clientRack ?? "",
    checkCrcs: config.checkCrcs ?? true,
    allowAutoCreateTopics: config.allowAutoCreateTopics ?? true,
  };
}

/** An admin client's configs with every default filled in. */
export type AdminSettings = ReturnType<typeof adminSettings>;

/** @throws {InvalidConfigError} that names the config which cannot be used. */
export function adminSettings(config: AdminConfig) {
  checkNames("an admin client", config, ADMIN_NAMES);
  const timeoutMs = config.defaultApiTimeoutMs ?? 60_000;
  return {
    ...clientSettings(config),
    defaultApiTimeoutMs: integer("defaultApiTimeoutMs", timeoutMs, 1, INT32_MAX),
  };
}
