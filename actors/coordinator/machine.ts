/**
 * What a coordinator is, without actor, log or clock: a state machine whose state is a fold of the
 * records in one partition of an internal topic. The shell around it is coordinator_actor.ts.
 *
 * The shape is Kafka's: a request is turned into records and what to do once they are committed;
 * `replay` is the only thing that changes durable state, when records are appended (speculatively,
 * with how to undo it) as when they are loaded. What is not in the log (who waits, timers) is the
 * machine's own affair, and gone when the partition is led elsewhere.
 *
 * @module
 */

import type { Epoch, Offset, ProducerId, Timestamp } from "../../storage/bytes/ids.ts";
import type { ErrorCode } from "../../net/messages/errors.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage, ImageChange } from "../controller/cluster_image.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";

/** Takes one change of the state back; called in reverse order. */
export type Undo = () => void;

/** Where a record that is replayed stands in the log. */
export interface Replayed {
  readonly offset: Offset;
  /** Of a transactional batch, whose records count when its marker says so; else -1. */
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** Gets what takes the change back; undefined while loading, where all is committed. */
  readonly undo: Undo[] | undefined;
}

/** The end of a producer's transaction in this partition. */
export interface ReplayedMarker extends Replayed {
  readonly outcome: "commit" | "abort";
  readonly coordinatorEpoch: Epoch;
}

/** Which producer's transaction a write belongs to. */
export interface WriteProducer {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** What a machine has written, and what follows. */
export interface CoordinatorWrite<CoordinatorRecord> {
  /**
   * Written as one: all of them or none. None at all waits for what was written before, so that
   * what was read is committed when it is told.
   */
  readonly records: readonly CoordinatorRecord[];
  /**
   * Called once: with NONE when the records are committed. Else nothing of them counts, as far as
   * this machine knows: what they did was undone before. NOT_COORDINATOR where the outcome is
   * unknown, and where the machine ends.
   */
  done(error: ErrorCode): void;
  /** Of a transactional write. */
  readonly producer?: WriteProducer;
}

/** A transaction marker to write into this partition. */
export interface CoordinatorMarker {
  readonly producer: WriteProducer;
  readonly outcome: "commit" | "abort";
  /** Of the transaction coordinator. */
  readonly coordinatorEpoch: Epoch;
  done(error: ErrorCode): void;
}

/** What a machine may use. Usable only within its own calls. */
export interface CoordinatorContext<CoordinatorRecord> {
  /** Of the internal topic. */
  readonly partition: number;
  /** The partition's leader epoch, which is the coordinator's. */
  readonly coordinatorEpoch: Epoch;
  readonly environment: Environment;
  /** As it stands now. */
  readonly config: BrokerConfig;
  /** The metadata as this broker has applied them. */
  readonly image: ClusterImage;
  /** Milliseconds since 1970, for records. */
  now(): Timestamp;
  /** Milliseconds that never go back, for what lasts. */
  monotonic(): number;
  /** The most bytes that one write may take in the log. */
  readonly writeBytesMax: number;
  /** Replays the records at once, and appends them; several writes of a turn make one batch. */
  write(write: CoordinatorWrite<CoordinatorRecord>): void;
  /** Replays a marker at once, and appends it. */
  writeMarker(marker: CoordinatorMarker): void;
  /** Runs `run` after a delay; a timer of the same key is replaced. */
  startTimer(key: string, delayMs: number, run: () => void): void;
  cancelTimer(key: string): void;
  /** Asks an actor; `answered` runs in the machine's turn, unless the machine has ended. */
  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void;
  /** A ref whose messages `received` takes in the machine's turn, unless the machine has ended. */
  adapt<Message>(received: (message: Message) => void): Ref<Message>;
}

/** A coordinator of one partition, from one load to the next loss of it. */
export interface CoordinatorMachine<Request, CoordinatorRecord> {
  /** The only thing that changes durable state. */
  replay(record: CoordinatorRecord, at: Replayed): void;
  /** Decides the transaction of a producer in this partition. */
  replayMarker(marker: ReplayedMarker): void;
  /** Everything that is committed was replayed: requests follow; timers may start. */
  loaded(): void;
  /** Serves a request: it is answered now, or by a write that it makes, or later. */
  handle(request: Request): void;
  /** The metadata have changed. Only after `loaded`. */
  metadataChanged(changes: readonly ImageChange[]): void;
  /**
   * It is the coordinator no longer: whoever waits is answered with NOT_COORDINATOR. Writes that
   * are open were told so before; nothing is written any more.
   */
  unloaded(): void;
}

/** The bytes of a record. */
export interface EncodedRecord {
  readonly key: Uint8Array;
  /** Null is a tombstone. */
  readonly value: Uint8Array | null;
}

/** Between a kind of machine's records and their bytes. */
export interface RecordCodec<CoordinatorRecord> {
  encode(record: CoordinatorRecord): EncodedRecord;
  /**
   * Undefined where the key is of a kind that this program does not know.
   * @throws {MalformedMessageError} when the bytes are no record
   */
  decode(key: Uint8Array, value: Uint8Array | null): CoordinatorRecord | undefined;
}

/** All that the shell needs to know of a kind of coordinator. */
export interface CoordinatorKind<Request, CoordinatorRecord> {
  /** For people. */
  readonly name: string;
  /** The internal topic that it lives on. */
  readonly topic: string;
  readonly codec: RecordCodec<CoordinatorRecord>;
  make(
    context: CoordinatorContext<CoordinatorRecord>,
  ): CoordinatorMachine<Request, CoordinatorRecord>;
  /** Answers a request that no machine can serve now. */
  refuse(request: Request, error: ErrorCode): void;
}
