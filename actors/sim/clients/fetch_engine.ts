/**
 * Reads one partition from its beginning by long polls, as a consumer that was assigned it, and
 * writes down what it got; and asks now and then where the partition ends.
 *
 * @module
 */

import type { Epoch, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import { RecordCursor } from "../../../storage/record.ts";
import { BatchCursor, type BatchView } from "../../../storage/record_batch.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH, type PartitionData } from "../../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { make } from "../../../net/schema/make.ts";
import type { History } from "../history.ts";
import type { ClusterLink } from "./cluster_link.ts";
import { historyKey, type TopicPlan } from "./topic_plan.ts";

export interface FetchEngineOptions {
  readonly link: ClusterLink;
  readonly history: History;
  /** Of the process, with its incarnation. */
  readonly name: string;
  readonly topic: TopicPlan;
  readonly partition: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  /** Told of each batch that was read. */
  read(topicId: Uuid, partition: number, batch: BatchView): void;
  /** Told that bytes came that are no sound batch. */
  corrupt(where: string): void;
  /** Told where the partition is said to end. */
  listed(process: string, topicId: Uuid, partition: number, endOffset: Offset): void;
}

/** `retry.backoff.ms`, which doubles with each failure up to `retry.backoff.max.ms`. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 1000;
const LATEST = -1;
const EARLIEST = -2;
const decoder = new TextDecoder();

export class FetchEngine {
  readonly #options: FetchEngineOptions;
  readonly #link: ClusterLink;
  #topicId: Uuid | undefined;
  #position: Offset = 0;
  #incarnation = 0;
  #readsAgain = false;
  /** Since it last got an answer. */
  #failures = 0;

  constructor(options: FetchEngineOptions) {
    this.#options = options;
    this.#link = options.link;
    this.#fetch();
    this.#askForEnd();
  }

  /** Which log it reads, and how far it is. */
  get position(): { readonly topicId: Uuid | undefined; readonly offset: Offset } {
    return { topicId: this.#topicId, offset: this.#position };
  }

  /** Reads everything once more, as another process: what was read once must be there still. */
  readAgain(): void {
    this.#readsAgain = true;
  }

  /** Whether it is still to begin with that. */
  get isToReadAgain(): boolean {
    return this.#readsAgain;
  }

  get partition(): number {
    return this.#options.partition;
  }

  /** Which partition it reads, for whoever compares. */
  get source(): string {
    return `${this.#options.topic.name}-${this.#options.partition}`;
  }

  get name(): string {
    return this.#options.name;
  }

  get #process(): string {
    return `${this.#options.name}.${this.#incarnation}`;
  }

  #again(delayMs: number): void {
    this.#link.later(delayMs, () => this.#fetch());
  }

  get #backoffMs(): number {
    return Math.min(RETRY_MAX_MS, RETRY_MIN_MS << Math.min(this.#failures++, 10));
  }

  #leader(): { readonly leader: number; readonly epoch: Epoch } | undefined {
    const { topic, partition } = this.#options;
    const known = this.#link.topic(topic.name);
    if (known === undefined) {
      this.#link.refresh();
      return undefined;
    }
    if (known.id !== this.#topicId) this.#begin(known.id, 0);
    const leader = known.leaders[partition];
    if (leader === undefined || leader.leader < 0) {
      this.#link.refresh();
      return undefined;
    }
    return leader;
  }

  /** Reads on from another place, as another process. */
  #begin(topicId: Uuid, position: Offset): void {
    const { topic, partition, history } = this.#options;
    this.#topicId = topicId;
    this.#position = position;
    this.#incarnation++;
    history.assign(this.#process, [historyKey(topic.name, topicId, partition)]);
  }

  #fetch(): void {
    const { maxWaitMs, maxBytes, partition } = this.#options;
    const leader = this.#leader();
    if (leader === undefined) return this.#again(RETRY_MAX_MS);
    const topicId = this.#topicId!;
    if (this.#readsAgain) {
      this.#readsAgain = false;
      this.#begin(topicId, 0);
    }
    const request = make(FETCH.request, {
      maxWaitMs,
      minBytes: 1,
      maxBytes,
      topics: [{
        topicId,
        partitions: [{
          partition,
          currentLeaderEpoch: leader.epoch,
          fetchOffset: this.#position,
          partitionMaxBytes: maxBytes,
        }],
      }],
    });
    const timeoutMs = maxWaitMs + this.#link.requestTimeoutMs;
    const sent = this.#link.send(leader.leader, FETCH, request, timeoutMs, (response) => {
      if (topicId !== this.#topicId) return this.#again(0);
      const data = response instanceof Error ? undefined : response.responses[0]?.partitions[0];
      if (data?.errorCode === ErrorCode.NONE) {
        this.#failures = 0;
        this.#take(topicId, data);
        return this.#fetch();
      }
      this.#link.refresh();
      if (data?.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) return this.#findStart(topicId);
      this.#again(this.#backoffMs);
    });
    if (!sent) this.#again(this.#backoffMs);
  }

  #take(topicId: Uuid, { records }: PartitionData): void {
    if (records === null || records.length === 0) return;
    const { topic, partition, history, read, corrupt } = this.#options;
    const found: { offset: Offset; value: number }[] = [];
    const batches = new BatchCursor(records);
    const cursor = new RecordCursor();
    while (batches.next()) {
      const { batch } = batches;
      if (batch.computeCrc() !== batch.crc) return corrupt(`${this.#process}: a wrong checksum`);
      if (batch.lastOffset < this.#position) continue;
      read(topicId, partition, batch);
      if (!batch.isControl) {
        cursor.open(batch);
        while (cursor.next()) {
          if (cursor.offset < this.#position) continue;
          const value = Number.parseInt(decoder.decode(cursor.value ?? undefined));
          found.push({ offset: cursor.offset, value });
        }
      }
      this.#position = batch.nextOffset;
    }
    if (found.length === 0) return;
    const key = historyKey(topic.name, topicId, partition);
    history.polled(this.#process, [{ kind: "poll", partition: key, records: found }]);
  }

  /** What was to be read next is gone: goes on where the log begins now. */
  #findStart(topicId: Uuid): void {
    this.#listOffset(EARLIEST, (offset) => {
      if (offset !== undefined && topicId === this.#topicId) this.#begin(topicId, offset);
      this.#again(this.#backoffMs);
    });
  }

  #askForEnd(): void {
    this.#link.later(500 + this.#link.random.integer(4000), () => {
      const topicId = this.#topicId;
      const { partition, listed, name } = this.#options;
      if (topicId === undefined) return this.#askForEnd();
      this.#listOffset(LATEST, (offset) => {
        if (offset !== undefined && topicId === this.#topicId) {
          listed(name, topicId, partition, offset);
        }
        this.#askForEnd();
      });
    });
  }

  #listOffset(timestamp: number, done: (offset: Offset | undefined) => void): void {
    const { topic, partition } = this.#options;
    const leader = this.#leader();
    if (leader === undefined) return this.#link.later(RETRY_MAX_MS, () => done(undefined));
    const request = make(LIST_OFFSETS.request, {
      replicaId: -1,
      topics: [{
        name: topic.name,
        partitions: [{
          partitionIndex: partition,
          currentLeaderEpoch: leader.epoch,
          timestamp,
        }],
      }],
    });
    const { requestTimeoutMs } = this.#link;
    const sent = this.#link.send(
      leader.leader,
      LIST_OFFSETS,
      request,
      requestTimeoutMs,
      (response) => {
        const data = response instanceof Error ? undefined : response.topics[0]?.partitions[0];
        if (data?.errorCode !== ErrorCode.NONE) this.#link.refresh();
        done(data?.errorCode === ErrorCode.NONE ? data.offset : undefined);
      },
    );
    if (!sent) this.#link.later(RETRY_MAX_MS, () => done(undefined));
  }
}
