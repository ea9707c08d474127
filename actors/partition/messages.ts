/**
 * What a partition can be told and asked. A question carries `replyTo`; each gets one reply.
 *
 * The records of an append are the partition's until it releases them, and the records of a read
 * are the asker's until it does: views into pooled buffers.
 *
 * @module
 */

import type { Ref } from "../runtime/ref.ts";
import type { Epoch, NodeId, Offset, Timestamp, Uuid } from "../../storage/bytes/ids.ts";
import type { RecordError } from "../../storage/produced_records.ts";
import type { ProducerEntry } from "../../storage/producer_state.ts";
import type { AbortedTransaction } from "../../storage/transaction_index.ts";
import type { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { AskCompactionNeed, Compact } from "./compaction_messages.ts";

/** Which topic and which of its partitions. */
export interface TopicPartition {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
}

/** The controller's word on one partition: who leads it, and in which epoch. */
export interface PartitionAssignment {
  readonly leader: NodeId;
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  readonly replicas: readonly NodeId[];
  readonly isr: readonly NodeId[];
  /** 0 recovered (the default), 1 recovering from an unclean election. */
  readonly leaderRecoveryState?: number;
}

/** What the metadata say of a broker that holds a replica. */
export interface BrokerStanding {
  /** Of its registration with the controller. */
  readonly brokerEpoch: Offset;
  readonly fenced: boolean;
  readonly shuttingDown: boolean;
  /** Where it stands; null or absent where nobody says. */
  readonly rack?: string | null;
}

/** By node id. Never changed: a change makes another map. */
export type BrokerStandings = ReadonlyMap<NodeId, BrokerStanding>;

/** How many replicas must hold a record before its producer is told. */
export type RequiredAcks = "none" | "leader" | "all";

export interface Append {
  readonly kind: "append";
  /** One record batch in the format of Kafka's magic 2, as the producer built it. */
  readonly records: Uint8Array;
  readonly acks: RequiredAcks;
  /** Of a producer's batch that is part of a transaction. */
  readonly transactionalId?: string;
  /** Whether the producer counts on being added to the transaction by this (KIP-890). */
  readonly addsToTransaction?: boolean;
  /**
   * Set where a coordinator appends and no producer: its batches have no sequence numbers, may be
   * markers, and are part of transactions that it has looked into itself.
   */
  readonly origin?: "coordinator";
  /** Of a marker: from 2 on no record of its transaction has its epoch (KIP-1228). */
  readonly transactionVersion?: number;
  readonly replyTo: Ref<AppendReply>;
  /** Gives the bytes of the records back; called once, when they are no longer read. */
  release(): void;
}

export interface AppendReply {
  readonly error: ErrorCode;
  readonly errorMessage: string | null;
  /** What is wrong with which records, where it is theirs. */
  readonly recordErrors?: readonly RecordError[];
  /** The offset of the batch's first record; -1 with an error. */
  readonly baseOffset: Offset;
  /** The broker's time where the topic asks for it, else -1. */
  readonly logAppendTime: Timestamp;
  readonly logStartOffset: Offset;
}

export interface Read {
  readonly kind: "read";
  readonly fetchOffset: Offset;
  /** The most bytes of records to give, except that the first batch is always whole. */
  readonly maxBytes: number;
  /** Whether to give the first batch even where it is larger than `maxBytes`. */
  readonly atLeastOneBatch: boolean;
  /** The leader epoch that the asker knows; -1 to skip the check. */
  readonly currentLeaderEpoch: Epoch;
  readonly readCommitted: boolean;
  /** Set where a follower reads: what it holds, for the in-sync replicas and the high watermark. */
  readonly follower?: FollowerState;
  /** Set for a consumer that may read from followers, too. */
  readonly anyReplica?: boolean;
  /** Where the consumer stands, if it is to be told of a replica there. */
  readonly rack?: string | undefined;
  readonly replyTo: Ref<ReadReply>;
}

/** What a follower says of itself when it fetches; its log end offset is its fetch offset. */
export interface FollowerState {
  readonly replicaId: NodeId;
  /** Of its registration with the controller (KIP-903). */
  readonly brokerEpoch: Offset;
  /** Leader epoch of the last record it holds; -1 where it holds none. */
  readonly lastFetchedEpoch: Epoch;
  readonly logStartOffset: Offset;
  /** When its request came to this node, in monotonic ms; absent where it just did. */
  readonly askedAt?: number;
}

export interface ReadReply {
  readonly error: ErrorCode;
  /** Who should be asked instead: then there are no records. */
  readonly preferredReadReplica?: NodeId;
  /** Where a follower's log leaves the leader's: the largest epoch it may keep, and its end. */
  readonly diverging?: { readonly epoch: Epoch; readonly endOffset: Offset };
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  readonly logStartOffset: Offset;
  /** For a follower, who may read up to here; else absent. */
  readonly logEndOffset?: Offset;
  /** Whole batches from the one that holds the fetch offset; null when there are none. */
  readonly records: Uint8Array | null;
  /** With records that were read committed: which of them are not to be seen, by first offset. */
  readonly abortedTransactions?: readonly AbortedTransaction[];
  /** Gives the buffer behind the records back; called once, when they are no longer read. */
  release(): void;
}

/**
 * Asks to be told once when so many bytes can be read beyond what the asker saw, or when the
 * partition stops to lead or leads in a new epoch. The notice is only that: what there is must be
 * read anew. One who asks again before replaces what it asked for.
 */
export interface AwaitData {
  readonly kind: "await-data";
  /** Whether a follower asks, who reads up to the log end and not only what is visible. */
  readonly follower: boolean;
  /** Whether it waits for records of decided transactions only. */
  readonly readCommitted?: boolean;
  /**
   * The end of what it saw: a follower's fetch offset, a consumer's high watermark or, with
   * `readCommitted`, last stable offset.
   */
  readonly seenEndOffset: Offset;
  /** The high watermark that it was told. */
  readonly seenHighWatermark: Offset;
  readonly bytes: number;
  /** When the request of a follower came, in monotonic ms; absent where it just did. */
  readonly askedAt?: number;
  /** Comes back with the notice: the asker may await many partitions by one ref. */
  readonly token: number;
  readonly replyTo: Ref<DataAvailable>;
}

export interface DataAvailable {
  readonly kind: "data-available";
  readonly token: number;
  /**
   * False where only the high watermark or the log start offset has moved, of which a follower is
   * told when it is answered anyway, or where its next request is to be heard of: its wait for
   * records goes on.
   */
  readonly readable: boolean;
}

/** Takes an `await-data` back. */
export interface ForgetData {
  readonly kind: "forget-data";
  readonly replyTo: Ref<DataAvailable>;
}

export interface ListOffset {
  readonly kind: "list-offset";
  /** Milliseconds, or one of Kafka's: -1 latest, -2 earliest, -3 of the largest timestamp. */
  readonly timestamp: Timestamp;
  readonly currentLeaderEpoch: Epoch;
  readonly readCommitted: boolean;
  /** Set where a follower asks: then the latest offset is the log end offset. */
  readonly follower?: boolean;
  readonly replyTo: Ref<ListOffsetReply>;
}

export interface ListOffsetReply {
  readonly error: ErrorCode;
  readonly timestamp: Timestamp;
  readonly offset: Offset;
  readonly leaderEpoch: Epoch;
}

/** Asks for the producers that the leader's log knows. */
export interface DescribeProducers {
  readonly kind: "describe-producers";
  readonly replyTo: Ref<DescribeProducersReply>;
}

export interface DescribeProducersReply {
  readonly error: ErrorCode;
  readonly producers: readonly ProducerEntry[];
}

/** Asks how large the log is, and how far; whoever holds one answers. */
export interface DescribeLog {
  readonly kind: "describe-log";
  readonly replyTo: Ref<DescribeLogReply>;
}

export interface DescribeLogReply {
  readonly error: ErrorCode;
  readonly sizeInBytes: number;
  readonly logEndOffset: Offset;
  readonly highWatermark: Offset;
}

export interface DeleteRecords {
  readonly kind: "delete-records";
  /** Everything before goes; -1 for everything below the high watermark. */
  readonly before: Offset;
  readonly replyTo: Ref<DeleteRecordsReply>;
}

export interface DeleteRecordsReply {
  readonly error: ErrorCode;
  readonly lowWatermark: Offset;
}

export interface EndOfEpoch {
  readonly kind: "end-of-epoch";
  readonly leaderEpoch: Epoch;
  readonly currentLeaderEpoch: Epoch;
  readonly replyTo: Ref<EndOfEpochReply>;
}

export interface EndOfEpochReply {
  readonly error: ErrorCode;
  readonly leaderEpoch: Epoch;
  readonly endOffset: Offset;
}

/**
 * What a leader answered to a follower's fetch, for the follower to take in. Ignored, but answered,
 * where leader epoch or fetch offset are not the follower's any more.
 */
export interface TakeFetched {
  readonly kind: "take-fetched";
  /** The epoch that the fetch was made in. */
  readonly leaderEpoch: Epoch;
  readonly fetchOffset: Offset;
  readonly outcome: FetchedOutcome;
  readonly replyTo: Ref<FetchPosition>;
  /** Gives the bytes of the records back; called once, when they are no longer read. */
  release(): void;
}

export type FetchedOutcome =
  | {
    readonly kind: "records";
    /** Whole batches from the fetch offset on, or null. */
    readonly records: Uint8Array | null;
    readonly highWatermark: Offset;
    readonly logStartOffset: Offset;
  }
  | { readonly kind: "diverging"; readonly epoch: Epoch; readonly endOffset: Offset }
  /** The leader has nothing at the fetch offset: where its log begins and ends. */
  | {
    readonly kind: "out-of-range";
    readonly logStartOffset: Offset;
    readonly logEndOffset: Offset;
  };

/** From where a follower fetches next. */
export interface FetchPosition {
  readonly kind: "fetch-position";
  /** -1 where it does not follow any more. */
  readonly leaderEpoch: Epoch;
  /** Its log end offset: of what is durable where `flush.before.ack` is set. */
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: Epoch;
  readonly logStartOffset: Offset;
  /** Whether the fetch could not be taken in, and the next should wait a while. */
  readonly failed: boolean;
}

/** Told by a partition: from whom it fetches from now on. */
export interface Follow {
  readonly kind: "follow";
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  readonly leader: NodeId;
  /** Takes what is fetched. */
  readonly replica: Ref<TakeFetched>;
  readonly position: FetchPosition;
}

/** Told by a partition: it fetches no more. */
export interface Unfollow {
  readonly kind: "unfollow";
  readonly topicId: Uuid;
  readonly partition: number;
  /** Who says so: where another has begun to follow in its place, that one goes on. */
  readonly replica: Ref<TakeFetched>;
}

/** Asked by a leader: that the controller change the in-sync replicas (AlterPartition). */
export interface ProposeIsr {
  readonly kind: "propose-isr";
  readonly topicId: Uuid;
  readonly partition: number;
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  readonly newIsr: readonly { readonly brokerId: NodeId; readonly brokerEpoch: Offset }[];
  /** 0 recovered, 1 recovering from an unclean election. */
  readonly leaderRecoveryState: number;
  /** Gets one answer, however long it takes. */
  readonly replyTo: Ref<IsrAnswer>;
}

/** The controller's answer to a proposal, or REQUEST_TIMED_OUT where nobody knows. */
export interface IsrAnswer {
  readonly kind: "isr-answer";
  readonly error: ErrorCode;
  /** Where there is no error: the partition as it is now. */
  readonly leader: NodeId;
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  readonly isr: readonly NodeId[];
  readonly leaderRecoveryState: number;
}

/** The controller's word has changed. */
export interface Assign {
  readonly kind: "assign";
  readonly assignment: PartitionAssignment;
}

/** The brokers of the cluster have changed. */
export interface BrokersChanged {
  readonly kind: "brokers";
  readonly brokers: BrokerStandings;
}

/**
 * Time to see which followers lag behind: told every `replica.lag.time.max.ms` / 2. A replica that
 * does not lead others does nothing.
 */
export interface CheckLag {
  readonly kind: "check-lag";
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** The topic was deleted: closes the log, removes its folder, and stops. */
export interface Delete {
  readonly kind: "delete";
}

/** The topic's configs have changed. */
export interface Configure {
  readonly kind: "configure";
  readonly config: PartitionConfig;
}

/** Opens the log now; answered when it is open or has failed. */
export interface Open {
  readonly kind: "open";
  readonly replyTo: Ref<Opened>;
}

export interface Opened {
  readonly kind: "opened";
  readonly failure: string | undefined;
}

/** Time for what the partition does now and then: retention, rolls and flushes that are due. */
export interface Maintain {
  readonly kind: "maintain";
}

/** Flushes and closes the log; nothing is served afterwards. */
export interface CloseLog {
  readonly kind: "close";
  readonly replyTo: Ref<LogClosed>;
}

export interface LogClosed {
  readonly kind: "closed";
  /** Whether the log is all there and durable: the next start need not scan it. */
  readonly clean: boolean;
  /** Why it could not be made durable. */
  readonly failure: string | undefined;
}

export type PartitionRequest =
  | Append
  | Read
  | AwaitData
  | ForgetData
  | ListOffset
  | DescribeProducers
  | DescribeLog
  | DeleteRecords
  | EndOfEpoch
  | TakeFetched
  | Assign
  | BrokersChanged
  | CheckLag
  | Delete
  | Configure
  | Open
  | Maintain
  | AskCompactionNeed
  | Compact
  | CloseLog;
