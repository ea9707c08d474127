/**
 * A client of transactions on a host of its own, by raw requests: a scenario says exactly what
 * reaches the cluster, and when. What it does and sees goes into the run's history.
 *
 * @module
 */

import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { END_TXN } from "../../../net/messages/end_txn.ts";
import { FETCH, type PartitionData } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { WRITE_TXN_MARKERS } from "../../../net/messages/write_txn_markers.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import { ClusterLink } from "../../../actors/sim/clients/cluster_link.ts";
import type { OpenOperation, Outcome, PollStep, SendStep } from "../../../actors/sim/history.ts";
import { type ScenarioStage, ScenarioStuck } from "../../../actors/sim/scenario_stage.ts";
import type { NodeId } from "../../../storage/bytes/ids.ts";
import { readMarker } from "../../../storage/producer_replay.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { RecordCursor } from "../../../storage/record.ts";
import { walkBatches } from "../../../storage/record_batch.ts";

const TOPIC = "topic-0";
const TIMEOUT_MS = 20_000;
const TRIES_MAX = 200;
const AGAIN_MS = 50;
const NOBODY = -1;
/** Below are those of the run's other clients. */
const FIRST_VALUE = 1_000_000;

/** Nothing has come of it, and the same may be asked again. */
const PASSING: ReadonlySet<number> = new Set([
  NOBODY,
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
]);

export class RawClient {
  readonly stage: ScenarioStage;
  readonly #link: ClusterLink;
  #reads = 0;
  #values = 0;

  constructor(stage: ScenarioStage, host = "raw-client") {
    this.stage = stage;
    let link: ClusterLink | undefined;
    const brokers = [...stage.checker.metadata.image.brokers.values()];
    stage.startHost(host, (environment) => {
      link = new ClusterLink({
        environment,
        clientId: host,
        bootstrap: brokers.map(({ endPoints: [at] }) => ({ host: at!.host, port: at!.port })),
        topics: () => [TOPIC],
        requestTimeoutMs: TIMEOUT_MS,
      });
      return { crash: () => {} };
    });
    this.#link = link!;
    stage.until("the client knows the cluster", () => this.#link.topic(TOPIC) !== undefined);
  }

  /** One that nobody else sends. */
  nextValue(): number {
    return FIRST_VALUE + this.#values++;
  }

  /** The answer; undefined where none came. */
  ask<Request, Response>(
    to: NodeId,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version = api.versions.max,
  ): Response | undefined {
    const limited = { ...api, versions: { ...api.versions, max: version } };
    let answer: Response | Error | undefined;
    const done = (result: Response | Error) => answer = result;
    this.#link.send(to, limited, make(api.request, draft), TIMEOUT_MS, done);
    this.stage.until(`${api.name} is answered`, () => answer !== undefined);
    return answer instanceof Error ? undefined : answer;
  }

  /** Asks until the answer is not a passing one; returns the last error code. */
  untilSettled(what: string, ask: () => number): number {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const code = ask();
      if (!PASSING.has(code)) return code;
      this.stage.wait(AGAIN_MS);
    }
    throw new ScenarioStuck(`The scenario asked in vain: ${what}`);
  }

  coordinatorOf(transactionalId: string): NodeId {
    let node = NOBODY;
    this.untilSettled(`FindCoordinator of ${transactionalId}`, () => {
      const found = this.ask(this.leaderOf(0), FIND_COORDINATOR, {
        keyType: 1,
        coordinatorKeys: [transactionalId],
      })?.coordinators[0];
      node = found?.nodeId ?? NOBODY;
      return found?.errorCode ?? NOBODY;
    });
    return node;
  }

  leaderOf(partition: number): NodeId {
    const leader = () => this.stage.partition(`${TOPIC}-${partition}`)?.truth?.leader ?? -1;
    this.stage.until("the partition is led", () => leader() >= 0);
    return leader();
  }

  /** The log of a partition in histories, as whoever reads what is committed sees it. */
  keyOf(partition: number): string {
    return `${TOPIC}-${partition} read committed:${this.#link.topic(TOPIC)!.id}`;
  }

  /** Reads a partition from its beginning, as a read_committed consumer. */
  readCommitted(partition: number): void {
    const process = `reader-${++this.#reads}`;
    const { history } = this.stage;
    const key = this.keyOf(partition);
    history.assign(process, [key]);
    const records: PollStep["records"][number][] = [];
    for (let offset = 0;;) {
      const data = this.#fetch(partition, offset);
      if (data.records === null || data.records.length === 0) break;
      records.push(...decided(data));
      for (const batch of walkBatches(data.records)) offset = batch.nextOffset;
    }
    history.polled(process, [{ kind: "poll", partition: key, records }]);
  }

  #fetch(partition: number, fetchOffset: number): PartitionData {
    let data: PartitionData | undefined;
    this.untilSettled("Fetch", () => {
      const topicId = this.#link.topic(TOPIC)!.id;
      data = this.ask(this.leaderOf(partition), FETCH, {
        isolationLevel: 1,
        minBytes: 1,
        maxBytes: 1 << 20,
        maxWaitMs: 0,
        topics: [{
          topicId,
          partitions: [{
            partition,
            fetchOffset,
            partitionMaxBytes: 1 << 20,
            currentLeaderEpoch: -1,
          }],
        }],
      })?.responses[0]?.partitions[0];
      return data?.errorCode ?? NOBODY;
    });
    return data!;
  }

  /** As a coordinator would: that of an epoch long past, too. */
  mark(
    partition: number,
    producer: { readonly producerId: number; readonly producerEpoch: number },
    marker: { readonly committed: boolean; readonly coordinatorEpoch: number },
  ): string {
    const { committed: transactionResult, coordinatorEpoch } = marker;
    const { producerId, producerEpoch } = producer;
    const topics = [{ name: TOPIC, partitionIndexes: [partition] }];
    const answer = this.ask(this.leaderOf(partition), WRITE_TXN_MARKERS, {
      markers: [{ producerId, producerEpoch, transactionResult, coordinatorEpoch, topics }],
    });
    return errorName(answer?.markers[0]?.topics[0]?.partitions[0]?.errorCode ?? NOBODY);
  }
}

/** What a read_committed consumer makes of a fetch, as Kafka's clients do it. */
function decided({ records, abortedTransactions }: PartitionData): PollStep["records"] {
  const aborted = [...abortedTransactions ?? []].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<number>();
  const found: PollStep["records"][number][] = [];
  const text = new TextDecoder();
  for (const batch of walkBatches(records!)) {
    while (aborted.length > 0 && aborted[0]!.firstOffset <= batch.lastOffset) {
      open.add(aborted.shift()!.producerId);
    }
    if (batch.isControl) {
      if (readMarker(batch)?.kind === "ABORT") open.delete(batch.producerId);
      continue;
    }
    if (batch.isTransactional && open.has(batch.producerId)) continue;
    const cursor = new RecordCursor(batch);
    while (cursor.next()) {
      const value = Number.parseInt(text.decode(cursor.value ?? undefined));
      found.push({ offset: cursor.offset, value });
    }
  }
  return found;
}

/** The versions of EndTxn and Produce before KIP-890's second part, and with it. */
const VERSIONS = { 1: { end: 4, produce: 11 }, 2: { end: 5, produce: 12 } } as const;

/** A transactional producer, one transaction after the other. */
export class RawProducer {
  readonly #client: RawClient;
  readonly #id: string;
  readonly #version: 1 | 2;
  readonly #sequences = new Map<number, number>();
  #operation: OpenOperation | undefined;
  #steps: SendStep[] = [];
  producerId = -1;
  producerEpoch = -1;

  constructor(client: RawClient, transactionalId: string, version: 1 | 2) {
    this.#client = client;
    this.#id = transactionalId;
    this.#version = version;
  }

  /** Takes the transactional id. */
  init(): this {
    const client = this.#client;
    client.untilSettled("InitProducerId", () => {
      const answer = client.ask(client.coordinatorOf(this.#id), INIT_PRODUCER_ID, {
        transactionalId: this.#id,
        transactionTimeoutMs: 60_000,
      });
      if (answer?.errorCode === ErrorCode.NONE) this.#become(answer);
      return answer?.errorCode ?? NOBODY;
    });
    return this;
  }

  #become({ producerId, producerEpoch }: { producerId: number; producerEpoch: number }): void {
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) {
      this.#sequences.clear();
    }
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }

  /** AddPartitionsToTxn, and one record; the name of the last error, or NONE. */
  send(partition: number): string {
    const added = this.#version === 2 ? ErrorCode.NONE : this.#add(partition);
    return added === ErrorCode.NONE ? this.produce(partition) : errorName(added);
  }

  #add(partition: number): number {
    const client = this.#client;
    return client.untilSettled(
      "AddPartitionsToTxn",
      () =>
        client.ask(client.coordinatorOf(this.#id), ADD_PARTITIONS_TO_TXN, {
          v3AndBelowTransactionalId: this.#id,
          v3AndBelowProducerId: this.producerId,
          v3AndBelowProducerEpoch: this.producerEpoch,
          v3AndBelowTopics: [{ name: TOPIC, partitions: [partition] }],
        }, 3)?.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? NOBODY,
    );
  }

  /** One record, whether its partition was added or not; it counts as the transaction's. */
  produce(partition: number): string {
    const { history } = this.#client.stage;
    this.#operation ??= history.begin("txn", this.#id);
    const { step, code } = this.#produce(partition);
    this.#steps.push(step);
    return errorName(code);
  }

  /** One record of a transaction that has been aborted. */
  produceLate(partition: number): string {
    const operation = this.#client.stage.history.begin("txn", `${this.#id}, late`);
    const { step, code } = this.#produce(partition);
    operation.end("fail", [step]);
    return errorName(code);
  }

  #produce(partition: number): { readonly step: SendStep; readonly code: number } {
    const client = this.#client;
    const value = client.nextValue();
    const baseSequence = this.#sequences.get(partition) ?? 0;
    const { producerId, producerEpoch } = this;
    const builder = new RecordBatchBuilder(new Uint8Array(256));
    builder.tryAppend(1_000_000, null, `${value}`);
    const stamp = { producerId, producerEpoch, baseSequence, isTransactional: true };
    const records = builder.build(stamp).slice();
    let offset: number | undefined;
    const code = client.untilSettled("Produce", () => {
      const answer = client.ask(client.leaderOf(partition), PRODUCE, {
        transactionalId: this.#id,
        acks: -1,
        timeoutMs: TIMEOUT_MS,
        topicData: [{ name: TOPIC, partitionData: [{ index: partition, records }] }],
      }, VERSIONS[this.#version].produce)?.responses[0]?.partitionResponses[0];
      if (answer?.errorCode === ErrorCode.NONE) offset = answer.baseOffset;
      return answer?.errorCode ?? NOBODY;
    });
    if (code === ErrorCode.NONE) this.#sequences.set(partition, baseSequence + 1);
    const step: SendStep = { kind: "send", partition: client.keyOf(partition), value, offset };
    return { step, code };
  }

  /** Commits, and writes down whether that is so by what it was told. */
  commit(): string {
    const code = this.tryEnd(true);
    this.#end(code === ErrorCode.NONE ? "ok" : isRefusal(code) ? "fail" : "info");
    return errorName(code);
  }

  /** Aborts: nobody has ever asked for anything else. */
  abort(): string {
    const code = this.tryEnd(false);
    this.#end("fail");
    return errorName(code);
  }

  /** EndTxn, as the producer that it is now, or was. */
  tryEnd(
    committed: boolean,
    who: { readonly producerId: number; readonly producerEpoch: number } = this,
  ): number {
    const { producerId, producerEpoch } = who;
    const client = this.#client;
    return client.untilSettled("EndTxn", () => {
      const answer = client.ask(client.coordinatorOf(this.#id), END_TXN, {
        transactionalId: this.#id,
        producerId,
        producerEpoch,
        committed,
      }, VERSIONS[this.#version].end);
      const isOwn = who === this && this.#version === 2;
      if (answer?.errorCode === ErrorCode.NONE && isOwn) this.#become(answer);
      return answer?.errorCode ?? NOBODY;
    });
  }

  #end(outcome: Outcome): void {
    this.#operation?.end(outcome, this.#steps);
    this.#operation = undefined;
    this.#steps = [];
  }
}

/** Whether an EndTxn was surely not acted upon. */
function isRefusal(code: number): boolean {
  return code === ErrorCode.PRODUCER_FENCED || code === ErrorCode.INVALID_PRODUCER_EPOCH;
}
