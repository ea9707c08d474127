/**
 * A transactional producer as clients are: it tries again what may be tried again, commits only
 * what is acknowledged, aborts what went wrong, and gives up where it is told to. It knows what it
 * was told of each of its transactions.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { ProducerReply } from "../../actors/coordinator/transaction/requests.ts";
import { ErrorCode, errorName } from "../../net/messages/errors.ts";
import { makeBatch } from "../storage/log_fixture.ts";
import type { Heard, OfProducer, TransactionWorld } from "./transaction_world.ts";

/** A transaction as its producer knows it. */
export interface Told {
  readonly name: string;
  /** Values that were acknowledged, as `partition:value`. */
  readonly acknowledged: Set<string>;
  /** "unknown" where it was to be committed and nobody has said that it is. */
  outcome: "committed" | "aborted" | "unknown";
  /** Set once it is to be ended. */
  ending: "commit" | "abort" | undefined;
  mustAbort: boolean;
  records: number;
}

interface Pending {
  readonly value: string;
  readonly sequence: number;
  isInFlight: boolean;
}

/** Errors upon which the same request is sent again. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
]);

export class TransactionClient {
  readonly #world: TransactionWorld;
  readonly id: string;
  readonly #name: string;
  readonly transactions: Told[] = [];
  #state: "starting" | "ready" | "renewing" | "dead" = "starting";
  #producerId = -1;
  #producerEpoch = -1;
  #open: Told | undefined;
  readonly #sequences = new Map<number, number>();
  readonly #pending = new Map<number, Pending>();
  readonly #added = new Set<number>();
  #isAsking = false;
  /**
   * Whether an epoch may have been given that nobody heard of: the request may even come late. A
   * coordinator knows to whom it gave the last one only as long as it lives, as in Kafka.
   */
  #isUnheard = false;
  /** Whether another has asked for the id, and whether it has got it. */
  hasSuccessor = false;
  isFenced = false;
  died: string | undefined;
  readonly #onReady: () => void;
  readonly #predecessors: readonly TransactionClient[];

  /** `predecessors` had the id before. */
  constructor(
    world: TransactionWorld,
    id: string,
    name: string,
    predecessors: readonly TransactionClient[],
    onReady: () => void,
  ) {
    this.#predecessors = predecessors;
    this.#world = world;
    this.id = id;
    this.#name = name;
    this.#onReady = onReady;
  }

  get isStarting(): boolean {
    return this.#state === "starting";
  }

  get #of(): OfProducer {
    const { id: transactionalId } = this;
    return {
      transactionalId,
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
    };
  }

  /** Asks for producer id and epoch, as long as it has none. */
  start(): void {
    if (this.#state !== "starting" || this.#isAsking) return;
    this.#askInit(undefined);
  }

  /** Asks for the next epoch (KIP-360), between transactions. */
  renew(): void {
    if (this.#open !== undefined || this.#isAsking) return;
    if (this.#state !== "ready" && this.#state !== "renewing") return;
    this.#state = "renewing";
    this.#askInit(this.#of);
  }

  #askInit(expected: OfProducer | undefined): void {
    this.#isAsking = true;
    this.#world.initProducer(this.id, expected, (reply) => {
      this.#isAsking = false;
      const isUnknown = reply === "timeout" || reply.error === ErrorCode.NOT_COORDINATOR;
      if (isUnknown) this.#isUnheard = true;
      if (this.#state === "dead" || this.#isPassing(reply)) return;
      if (reply.error !== ErrorCode.NONE) return this.#die("init", reply.error);
      this.#become(reply);
      const isNew = this.#state === "starting";
      this.#state = "ready";
      if (isNew) this.#onReady();
    });
  }

  #become({ producerId, producerEpoch }: ProducerReply): void {
    const isSame = producerId === this.#producerId && producerEpoch === this.#producerEpoch;
    if (!isSame) this.#sequences.clear();
    this.#producerId = producerId;
    this.#producerEpoch = producerEpoch;
  }

  /** Sends a record, or again the one that was not acknowledged. */
  produce(partition: number): void {
    if (this.#state !== "ready") return;
    const told = this.#open ??= this.#begin();
    if (told.ending !== undefined || told.mustAbort) return;
    if (this.#world.version < 2 && !this.#added.has(partition)) return this.#add(told, partition);
    let pending = this.#pending.get(partition);
    if (pending?.isInFlight === true) return;
    if (pending === undefined) {
      const sequence = this.#sequences.get(partition) ?? 0;
      pending = { value: `${told.name}/${told.records++}`, sequence, isInFlight: false };
      this.#pending.set(partition, pending);
    }
    this.#send(told, partition, pending);
  }

  #begin(): Told {
    const told: Told = {
      name: `${this.#name}/${this.transactions.length}`,
      acknowledged: new Set(),
      outcome: "aborted",
      ending: undefined,
      mustAbort: false,
      records: 0,
    };
    this.transactions.push(told);
    return told;
  }

  #add(told: Told, partition: number): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#world.addPartition(this.#of, partition, (reply) => {
      this.#isAsking = false;
      if (this.#open !== told || this.#isPassing(reply)) return;
      if (reply.error !== ErrorCode.NONE) return this.#die("add", reply.error);
      this.#added.add(partition);
    });
  }

  #send(told: Told, partition: number, pending: Pending): void {
    const { value, sequence: baseSequence } = pending;
    const { producerId, producerEpoch } = this.#of;
    const of = { producerId, producerEpoch, baseSequence, isTransactional: true };
    const batch = makeBatch({ ...of, values: [value], timestamp: this.#world.stage.nowMs });
    const { isFenced } = this;
    pending.isInFlight = true;
    this.#world.produce(this.id, partition, batch, (reply) => {
      pending.isInFlight = false;
      if (reply !== "timeout" && reply.error === ErrorCode.NONE) {
        assert(!isFenced, `${this.#name} was fenced and produces`);
      }
      if (this.#pending.get(partition) !== pending || this.#isPassing(reply)) return;
      if (reply.error !== ErrorCode.NONE) return void (told.mustAbort = true);
      told.acknowledged.add(`${partition}:${value}`);
      this.#pending.delete(partition);
      this.#sequences.set(partition, baseSequence + 1);
    });
  }

  /** Ends what is open, or asks again whether that is so. */
  end(commit: boolean): void {
    const told = this.#open;
    if (this.#state !== "ready" || told === undefined || this.#isAsking) return;
    if (told.ending === undefined) {
      const isWhole = !told.mustAbort && this.#pending.size === 0 && told.acknowledged.size > 0;
      told.ending = commit && isWhole ? "commit" : "abort";
      if (told.ending === "commit") told.outcome = "unknown";
      // Nothing has been added: the coordinator knows of none.
      if (this.#world.version < 2 && this.#added.size === 0) return this.#ended(told);
    }
    const committed = told.ending === "commit";
    const { isFenced } = this;
    this.#isAsking = true;
    this.#world.endTransaction(this.#of, committed, (reply) => {
      this.#isAsking = false;
      if (this.#isPassing(reply)) return;
      if (reply.error !== ErrorCode.NONE) return this.#die(told.ending!, reply.error);
      assert(!isFenced, `${this.#name} was fenced and ends a transaction`);
      if (committed) told.outcome = "committed";
      const isUnsure = this.#pending.size > 0;
      this.#ended(told);
      this.#become(reply);
      // It does not know its sequence numbers.
      if (this.#world.version < 2 && isUnsure) this.#state = "dead";
    });
  }

  #ended(told: Told): void {
    assert(this.#open === told);
    this.#open = undefined;
    this.#pending.clear();
    this.#added.clear();
  }

  #isPassing(
    reply: Heard<{ readonly error: ErrorCode }>,
  ): reply is "timeout" | { readonly error: ErrorCode } & "passing" {
    return reply === "timeout" || PASSING.has(reply.error);
  }

  /** Nobody is told that it is fenced, or worse, unless somebody else or a time-out came before. */
  #die(what: string, error: ErrorCode): void {
    this.#state = "dead";
    this.died = `${what} ${errorName(error)}`;
    const { records } = this.#world.stage;
    const isTimedOut = records.some(({ key: { transactionalId }, value }) =>
      transactionalId === this.id && value?.producerId === this.#producerId &&
      value.producerEpoch === this.#producerEpoch + 1 && value.transactionStatus === 3 &&
      value.clientTransactionVersion === 0
    );
    // What one before it asked for late takes the id back, as in Kafka.
    const isUnheard = [this, ...this.#predecessors].some((client) => client.#isUnheard);
    const isExcused = this.hasSuccessor || isTimedOut || isUnheard;
    assert(isExcused, `${this.#name} is told of ${this.died} for no reason`);
  }
}
