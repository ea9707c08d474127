/**
 * A transaction coordinator without actors: its log is a list of records, time passes when told,
 * writes are committed or fail when told, and markers go nowhere but into a list.
 *
 * @module
 */

import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../../actors/controller/cluster_image.ts";
import type {
  CoordinatorContext,
  CoordinatorWrite,
  EncodedRecord,
} from "../../../../actors/coordinator/machine.ts";
import { recordCodec } from "../../../../actors/coordinator/record_codec.ts";
import type {
  MarkersRequest,
  MarkersWritten,
  TransactionRequest,
  WriteMarkers,
} from "../../../../actors/coordinator/transaction/requests.ts";
import type { TransactionRules } from "../../../../actors/coordinator/transaction/rules.ts";
import type {
  Transaction,
  TransactionLogRecord,
} from "../../../../actors/coordinator/transaction/transaction.ts";
import { TransactionCoordinator } from "../../../../actors/coordinator/transaction/transaction_coordinator.ts";
import { WriteQueue } from "../../../../actors/coordinator/write_queue.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { TRANSACTION_RECORDS } from "../../../../net/messages/records/coordinator_records.ts";
import { ManualEnvironment } from "../../runtime/manual_environment.ts";

const CODEC = recordCodec<TransactionLogRecord>(TRANSACTION_RECORDS);

interface Timer {
  readonly dueAt: number;
  readonly run: () => void;
}

/** An answer that may come later. */
export interface Awaited<Reply> {
  reply: Reply | undefined;
}

/** A request without whom to answer. */
export type Asked<Kind extends TransactionRequest["kind"]> = Omit<
  Extract<TransactionRequest, { readonly kind: Kind }>,
  "replyTo"
>;

export class TransactionStage {
  nowMs = 1_000_000;
  /** How far the clock on the wall is behind. */
  behindMs = 0;
  /** What is committed. */
  readonly log: EncodedRecord[] = [];
  /** Whether writes are committed at once. */
  commitsAtOnce = true;
  /** Markers that were asked for and not taken back, oldest first. */
  readonly markers: WriteMarkers[] = [];
  /** Told of each request for markers when it is made. */
  onMarkers: (markers: WriteMarkers) => void = () => {};
  /** Told of each that is taken back. */
  onForget: (replyTo: Ref<MarkersWritten>) => void = () => {};
  machine!: TransactionCoordinator;
  nextProducerId = 100;
  /** Whether producer ids can be had. */
  givesProducerIds = true;
  /** Of coordinators that are made from now on. */
  transactionalIdsMax = 1000;
  #leaderEpoch = 0;
  readonly #properties: Readonly<Record<string, string>>;
  readonly #Rules: typeof TransactionRules | undefined;
  readonly #environment = new ManualEnvironment();
  #queue = new WriteQueue(0);
  #appended: EncodedRecord[] = [];
  #timers = new Map<string, Timer>();
  #life = 0;

  constructor(
    properties: Readonly<Record<string, string>> = {},
    Rules: typeof TransactionRules | undefined = undefined,
  ) {
    this.#properties = properties;
    this.#Rules = Rules;
    this.reload();
  }

  /** Another coordinator, from what is committed. */
  reload(): void {
    this.#queue.fail(ErrorCode.NOT_COORDINATOR);
    this.machine?.unloaded();
    this.#life++;
    this.#leaderEpoch++;
    this.#appended = [];
    this.#timers = new Map();
    const machine = this.#make();
    this.machine = machine;
    this.#replay(machine);
    this.#queue = new WriteQueue(this.log.length);
    machine.loaded();
    if (this.commitsAtOnce) this.commit();
  }

  /** The transactions as the log alone tells them. */
  folded(): ReadonlyMap<string, Transaction> {
    const machine = this.#make();
    this.#replay(machine);
    return machine.transactions;
  }

  /** The committed records, in the order of the log. */
  get records(): TransactionLogRecord[] {
    return this.log.map(({ key, value }) => CODEC.decode(key, value)!);
  }

  /** Sends what is written: what comes now is in the next batch. */
  send(): void {
    this.#queue.next();
  }

  /** Commits one batch; whether there was one. */
  commitOne(): boolean {
    if (this.#queue.isEmpty) return false;
    this.#queue.next();
    const [first] = this.#queue.peek();
    const count = first!.endOffset - first!.baseOffset;
    this.log.push(...this.#appended.splice(0, count));
    this.#queue.committed();
    return true;
  }

  /** Commits one batch, of which the coordinator does not hear before another takes its place. */
  commitUnheard(): void {
    const [first] = this.#queue.peek();
    const count = first === undefined ? 0 : first.endOffset - first.baseOffset;
    this.log.push(...this.#appended.splice(0, count));
    this.reload();
  }

  /** Commits everything that is appended, and what is appended because of that. */
  commit(): void {
    while (this.commitOne());
  }

  /** The log refuses what is appended. */
  fail(error: ErrorCode = ErrorCode.COORDINATOR_NOT_AVAILABLE): void {
    this.#appended = [];
    this.#queue.fail(error);
  }

  /** The oldest markers are written everywhere, or refused. */
  answerMarkers(error: ErrorCode = ErrorCode.NONE): void {
    this.markers.shift()?.replyTo.tell({ kind: "markers-written", error });
    if (this.commitsAtOnce) this.commit();
  }

  /** Lets time pass, and what is due happen in its order. */
  pass(forMs: number): void {
    const endsAt = this.nowMs + forMs;
    for (;;) {
      const due = [...this.#timers].filter(([, { dueAt }]) => dueAt <= endsAt)
        .sort(([, a], [, b]) => a.dueAt - b.dueAt);
      const [next] = due;
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.nowMs = Math.max(this.nowMs, next[1].dueAt);
      next[1].run();
      if (this.commitsAtOnce) this.commit();
    }
    this.nowMs = endsAt;
  }

  /** Asks the coordinator. */
  ask<Reply>(request: Asked<TransactionRequest["kind"]>): Awaited<Reply> {
    const awaited: Awaited<Reply> = { reply: undefined };
    const replyTo = {
      tell: (reply: Reply) => {
        if (awaited.reply !== undefined) throw new Error(`${request.kind} is answered twice`);
        awaited.reply = reply;
        return true;
      },
    };
    this.machine.handle({ ...request, replyTo } as unknown as TransactionRequest);
    if (this.commitsAtOnce) this.commit();
    return awaited;
  }

  #make(): TransactionCoordinator {
    return new TransactionCoordinator(this.#context(this.#life), {
      newProducerId: (_context, answered) => {
        if (this.givesProducerIds) {
          answered({ error: ErrorCode.NONE, producerId: this.nextProducerId++ });
        } else {
          answered({ error: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, producerId: -1 });
        }
      },
      markers: { tell: (message: MarkersRequest) => this.#marked(message) } as Ref<MarkersRequest>,
      transactionalIdsMax: this.transactionalIdsMax,
      Rules: this.#Rules,
    });
  }

  #marked(message: MarkersRequest): boolean {
    if (message.kind === "write-markers") {
      this.markers.push(message);
      this.onMarkers(message);
    } else {
      const index = this.markers.findIndex(({ replyTo }) => replyTo === message.replyTo);
      if (index >= 0) this.markers.splice(index, 1);
      this.onForget(message.replyTo);
    }
    return true;
  }

  #replay(machine: TransactionCoordinator): void {
    this.records.forEach((record, offset) => {
      machine.replay(record, { offset, producerId: -1, producerEpoch: -1, undo: undefined });
    });
  }

  #context(life: number): CoordinatorContext<TransactionLogRecord> {
    return {
      partition: 0,
      coordinatorEpoch: this.#leaderEpoch,
      environment: this.#environment,
      config: parseBrokerConfig(this.#properties),
      image: new ClusterImage(),
      now: () => this.nowMs - this.behindMs,
      monotonic: () => this.nowMs,
      writeBytesMax: Infinity,
      write: (write) => this.#write(write),
      writeMarker: () => {
        throw new Error("It writes no markers into its own log");
      },
      startTimer: (key, delayMs, run) =>
        void this.#timers.set(key, { dueAt: this.nowMs + delayMs, run }),
      cancelTimer: (key) => void this.#timers.delete(key),
      ask: () => {
        throw new Error("It asks nobody");
      },
      adapt: <Message>(received: (message: Message) => void) =>
        ({
          tell: (message: Message) => {
            if (life === this.#life) received(message);
            return true;
          },
        }) as Ref<Message>,
    };
  }

  #write({ records, done }: CoordinatorWrite<TransactionLogRecord>): void {
    if (records.length === 0) return this.#queue.afterAll(done);
    const encoded = records.map((record) => CODEC.encode(record));
    const batch = this.#queue.add(encoded, undefined);
    batch.onDone(done);
    let offset = this.#queue.endOffset - records.length;
    for (const record of records) {
      const at = { offset: offset++, producerId: -1, producerEpoch: -1, undo: batch.undo };
      this.machine.replay(record, at);
    }
    this.#appended.push(...encoded);
  }
}
