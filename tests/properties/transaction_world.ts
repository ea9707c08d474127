/**
 * The real transaction machine, marker writer and verifier, and real partition appenders on real
 * logs, with a network between them whose messages come late, twice or never, and parts that fail
 * and are replaced by others.
 *
 * @module
 */

import { assert } from "@std/assert";
import { MarkerWriter } from "../../actors/broker/transactions/marker_writer.ts";
import type { BrokerServices } from "../../actors/broker/services.ts";
import { TransactionVerifier } from "../../actors/broker/transactions/transaction_verifier.ts";
import { parseBrokerConfig } from "../../actors/config/broker_config.ts";
import { TRANSACTION_TOPIC } from "../../actors/coordinator/internal_topics.ts";
import type {
  ErrorReply,
  ProducerReply,
  TransactionRequest,
  VerifiedPartitions,
} from "../../actors/coordinator/transaction/requests.ts";
import type { ClientVersion } from "../../actors/coordinator/transaction/transaction.ts";
import { TimeoutError } from "../../actors/link/errors.ts";
import type { AppendReply } from "../../actors/partition/messages.ts";
import type { Ref } from "../../actors/runtime/ref.ts";
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from "../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from "../../net/messages/write_txn_markers.ts";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import {
  type Asked,
  TransactionStage,
} from "../actors/coordinator/transaction/transaction_stage.ts";
import { PartitionWorld } from "./transaction_partition.ts";

export const TOPIC = "orders";
/** Each led by a broker of its number; the coordinator is at another. */
export const PARTITIONS = 3;
const COORDINATOR = 9;

/** What an asker hears: an answer, or nothing in time. */
export type Heard<Answer> = Answer | "timeout";

/** A request or an answer on its way. */
interface Message {
  /** Between whom: before version 2 each arrives after those that were sent before it. */
  readonly channel: string;
  readonly arrive: () => void;
  /** Tells the asker that no answer has come. */
  readonly expire: () => void;
  /** Whether it lies somewhere, and nobody waits for it any more. */
  isLate: boolean;
}

export class TransactionWorld {
  readonly version: ClientVersion;
  readonly stage = new TransactionStage({
    "transactional.id.expiration.ms": "1000000000",
  });
  readonly partitions: PartitionWorld[] = [];
  /** What is on its way, oldest first. */
  #messages: Message[] = [];
  #againLater: (() => void)[] = [];
  /** For when whoever asks has said all. */
  #soon: (() => void)[] = [];
  readonly #markers: MarkerWriter;
  readonly #verifier: TransactionVerifier;

  constructor(version: ClientVersion) {
    this.version = version;
    this.stage.commitsAtOnce = false;
    const broker = this.#broker();
    const ask = () => {
      throw new Error("Nothing is here");
    };
    this.#markers = new MarkerWriter({
      broker,
      ask,
      send: (to, request, done) => this.#sendMarkers(to, request, done),
      after: (_delayMs, run) => this.#againLater.push(run),
    });
    this.#verifier = new TransactionVerifier({
      broker,
      ask,
      send: (_to, request, done) => this.#sendVerification(request, done),
      soon: (run) => void this.#soon.push(run),
    });
    this.stage.onMarkers = (markers) => this.#markers.write(markers);
    this.stage.onForget = (replyTo) => this.#markers.forget(replyTo);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.partitions.push(
        new PartitionWorld({
          now: () => this.stage.nowMs,
          verify: (append, { producerId, producerEpoch }, done) => {
            this.#verifier.verify({
              kind: "verify-transaction",
              transactionalId: append.transactionalId!,
              producerId,
              producerEpoch,
              topic: TOPIC,
              partition,
              add: append.addsToTransaction === true,
              replyTo: refOf((reply) => done({ kind: "reply", reply })),
            });
            for (const run of this.#soon.splice(0)) run();
          },
        }),
      );
    }
  }

  /** Both halves see the coordinator at one broker, and each partition at another. */
  #broker(): BrokerServices {
    const topics: Record<string, { partitions: { leader: number }[] }> = {
      [TOPIC]: {
        partitions: Array.from({ length: PARTITIONS }, (_, leader) => ({ leader })),
      },
      [TRANSACTION_TOPIC]: { partitions: [{ leader: COORDINATOR }] },
    };
    return {
      nodeId: -1,
      config: parseBrokerConfig({}),
      image: { topicByName: (name: string) => topics[name] },
      coordinators: { partitionOf: () => 0 },
      environment: { logger: { log: () => {} } },
    } as unknown as BrokerServices;
  }

  // The network.

  /** Puts a request on its way, and its answer then; `heard` is called once. */
  #send<Answer>(
    channel: string,
    serve: (reply: (answer: Answer) => void) => void,
    heard: (answer: Heard<Answer>) => void,
  ): void {
    let isOver = false;
    const hear = (answer: Heard<Answer>) => {
      if (isOver) return;
      isOver = true;
      heard(answer);
    };
    const expire = () => hear("timeout");
    const post = (channel: string, arrive: () => void) =>
      void this.#messages.push({ channel, arrive, expire, isLate: false });
    post(channel, () =>
      serve((answer) => {
        if (!isOver) post(`answers of ${channel}`, () => hear(answer));
      }));
  }

  /** The message to go on with: before version 2 the first of its channel. */
  #choose(at: number, isLate: boolean): Message | undefined {
    const there = this.#messages.filter((message) => message.isLate === isLate);
    const chosen = there[at % Math.max(1, there.length)];
    if (chosen === undefined || this.version === 2) return chosen;
    return this.#messages.find(({ channel }) => channel === chosen.channel);
  }

  #take(at: number, isLate = false): Message | undefined {
    const chosen = this.#choose(at, isLate);
    if (chosen !== undefined) this.#messages.splice(this.#messages.indexOf(chosen), 1);
    return chosen;
  }

  /** A message arrives. */
  deliver(at: number): void {
    this.#take(at)?.arrive();
  }

  /** A request arrives, or an answer, and nobody waits for what follows. */
  deliverUnheard(at: number): void {
    const message = this.#take(at);
    message?.arrive();
    message?.expire();
  }

  lose(at: number): void {
    this.#take(at)?.expire();
  }

  /** Nobody waits for a message any more, which may arrive none the less. */
  delay(at: number): void {
    const message = this.#choose(at, false);
    if (message === undefined) return;
    message.isLate = this.version === 2;
    message.expire();
  }

  deliverLate(at: number): void {
    this.#take(at, true)?.arrive();
  }

  // Time and failures.

  pass(ms: number): void {
    this.stage.pass(ms);
    for (const run of this.#againLater.splice(0)) run();
  }

  /** Everything that is not late arrives, and whatever that leads to; also at followers, or not. */
  arriveAll(commits = true): void {
    const commit = () => commits ? this.commitAll() : this.stage.commit();
    commit();
    for (let count = 0; this.#messages.some(({ isLate }) => !isLate); count++) {
      assert(count < 10_000, "messages come to no end");
      this.deliver(0);
      commit();
    }
  }

  /** What is late arrives, too, and time passes, for all that is open to time out. */
  settle(): void {
    while (this.#messages.some(({ isLate }) => isLate)) this.deliverLate(0);
    for (let round = 0; round < 50; round++) {
      this.arriveAll();
      this.pass(2_000);
    }
    this.arriveAll();
    assert(this.#messages.length + this.#againLater.length === 0, "nothing is on its way");
  }

  commitAll(): void {
    this.stage.commit();
    for (const partition of this.partitions) partition.commit(Infinity);
  }

  // Requests of clients.

  initProducer(
    transactionalId: string,
    expected: { readonly producerId: number; readonly producerEpoch: number } | undefined,
    heard: (reply: Heard<ProducerReply>) => void,
  ): void {
    const request = { kind: "init-producer", transactionalId, timeoutMs: 60_000, expected };
    this.#askCoordinator(request as Asked<"init-producer">, heard);
  }

  addPartition(
    of: OfProducer,
    partition: number,
    heard: (reply: Heard<ErrorReply>) => void,
  ): void {
    const partitions = [{ topic: TOPIC, partitions: [partition] }];
    const request = { kind: "add-partitions", ...of, partitions, clientVersion: 0 };
    this.#askCoordinator(request as Asked<"add-partitions">, heard);
  }

  endTransaction(
    of: OfProducer,
    committed: boolean,
    heard: (reply: Heard<ProducerReply>) => void,
  ): void {
    const request = { kind: "end-transaction", ...of, committed, clientVersion: this.version };
    this.#askCoordinator(request as Asked<"end-transaction">, heard);
  }

  produce(
    transactionalId: string,
    partition: number,
    records: Uint8Array,
    heard: (reply: Heard<AppendReply>) => void,
  ): void {
    this.#send(`${transactionalId} to ${partition}`, (reply) => {
      this.partitions[partition]!.append({
        kind: "append",
        records: records.slice(),
        acks: "all",
        transactionalId,
        addsToTransaction: this.version === 2,
        replyTo: refOf(reply),
        release: () => {},
      });
    }, heard);
  }

  #askCoordinator<Reply>(
    request: Asked<TransactionRequest["kind"]>,
    heard: (reply: Heard<Reply>) => void,
  ): void {
    this.#send<Reply>("to coordinator", (reply) => this.#atCoordinator(request, reply), heard);
  }

  #atCoordinator<Reply>(
    request: Asked<TransactionRequest["kind"]>,
    reply: (reply: Reply) => void,
  ): void {
    const asked = { ...request, replyTo: refOf(reply) };
    this.stage.machine.handle(asked as unknown as TransactionRequest);
  }

  // Requests of brokers.

  #sendMarkers(
    to: number,
    request: WriteTxnMarkersRequest,
    done: (result: WriteTxnMarkersResponse | TimeoutError) => void,
  ): boolean {
    this.#send<WriteTxnMarkersResponse>(`markers to ${to}`, (reply) => {
      const { markers } = request;
      const errors: ErrorCode[] = [];
      let open = markers.length;
      markers.forEach((marker, index) => {
        const answered = ({ error }: { readonly error: ErrorCode }) => {
          errors[index] = error;
          if (--open === 0) reply(markersWritten(request, errors));
        };
        const { transactionResult, transactionVersion, topics: _, ...of } = marker;
        const kind = transactionResult ? "COMMIT" : "ABORT";
        this.partitions[to]!.append({
          kind: "append",
          records: buildTransactionMarker({ ...of, kind, timestamp: this.stage.nowMs }),
          acks: "all",
          origin: "coordinator",
          transactionVersion,
          replyTo: refOf(answered),
          release: () => {},
        });
      });
    }, (answer) => done(answer === "timeout" ? timedOut() : answer));
    return true;
  }

  #sendVerification(
    { transactions }: AddPartitionsToTxnRequest,
    done: (result: AddPartitionsToTxnResponse | TimeoutError) => void,
  ): boolean {
    const { verifyOnly, topics, ...of } = transactions[0]!;
    const partitions = topics.map(({ name, partitions }) => ({ topic: name, partitions }));
    const channel = `verification of ${topics[0]!.partitions[0]}`;
    this.#send<(partition: number) => ErrorCode>(channel, (reply) => {
      if (!verifyOnly) {
        const request = { kind: "add-partitions", ...of, partitions, clientVersion: 2 };
        return this.#atCoordinator<ErrorReply>(
          request as Asked<"add-partitions">,
          ({ error }) => reply(() => error),
        );
      }
      const request = { kind: "verify-partitions", ...of, partitions };
      this.#atCoordinator<VerifiedPartitions>(
        request as Asked<"verify-partitions">,
        (verified) =>
          reply((partition) =>
            verified.topics[0]!.partitions.find((each) => each.partition === partition)!.error
          ),
      );
    }, (answer) => {
      if (answer === "timeout") return done(timedOut());
      done({
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        resultsByTopicV3AndBelow: [],
        resultsByTransaction: [{
          transactionalId: of.transactionalId,
          topicResults: topics.map(({ name, partitions }) => ({
            name,
            resultsByPartition: partitions.map((partitionIndex) => ({
              partitionIndex,
              partitionErrorCode: answer(partitionIndex),
            })),
          })),
        }],
      });
    });
    return true;
  }
}

export interface OfProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export function refOf<Message>(tell: (message: Message) => void): Ref<Message> {
  return {
    tell: (message: Message) => {
      tell(message);
      return true;
    },
  } as Ref<Message>;
}

function timedOut(): TimeoutError {
  return new TimeoutError("No answer in time");
}

function markersWritten(
  { markers }: WriteTxnMarkersRequest,
  errors: readonly ErrorCode[],
): WriteTxnMarkersResponse {
  return {
    markers: markers.map(({ producerId, topics }, index) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: errors[index]!,
        })),
      })),
    })),
  };
}
