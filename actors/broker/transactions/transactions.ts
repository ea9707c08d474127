/**
 * What a broker does for transactions towards other brokers: markers go out to the leaders of
 * partitions, and coordinators are asked what partitions belong to.
 *
 * Owns the connections that both use. What is written and asked is in marker_writer.ts and
 * transaction_verifier.ts.
 *
 * @module
 */

import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { WRITE_TXN_MARKERS } from "../../../net/messages/write_txn_markers.ts";
import type { MarkersRequest } from "../../coordinator/transaction/requests.ts";
import type { VerifyTransaction } from "../../partition/verification.ts";
import type { Actor, ActorContext, Behaviour } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import { FellowBrokers, type FellowBrokersOptions } from "../fellow_brokers.ts";
import type { Ask } from "./marker_append.ts";
import { MarkerWriter } from "./marker_writer.ts";
import type { BrokerServices } from "../services.ts";
import { TransactionVerifier } from "./transaction_verifier.ts";

export type TransactionsRequest = MarkersRequest | VerifyTransaction;

export interface TransactionsOptions {
  /** Called when the actor has begun: it is one of the services itself. */
  broker(): BrokerServices;
  readonly fellows: Omit<FellowBrokersOptions, "random">;
}

type Message = TransactionsRequest | { readonly kind: "continue"; readonly run: () => void };

/** The actor. */
export function transactionsActor(options: TransactionsOptions): Behaviour<TransactionsRequest> {
  return (context) => new Transactions(context as unknown as ActorContext<Message>, options);
}

class Transactions implements Actor<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: TransactionsOptions;
  readonly #fellows: FellowBrokers<Message>;
  #parts: { readonly markers: MarkerWriter; readonly verifier: TransactionVerifier } | undefined;

  constructor(context: ActorContext<Message>, options: TransactionsOptions) {
    this.#context = context;
    this.#options = options;
    this.#fellows = new FellowBrokers(context, {
      ...options.fellows,
      random: context.environment.random.stream("transactions"),
    });
  }

  receive(message: Message): void {
    switch (message.kind) {
      case "continue":
        return message.run();
      case "write-markers":
        return this.#get().markers.write(message);
      case "forget-markers":
        return this.#get().markers.forget(message.replyTo);
      case "verify-transaction":
        return this.#get().verifier.verify(message);
    }
  }

  stopped(): void {
    this.#fellows.close();
  }

  #get() {
    return this.#parts ??= this.#make();
  }

  #make() {
    const broker = this.#options.broker();
    const self: Ref<Message> = this.#context.self;
    const next = (run: () => void): Message => ({ kind: "continue", run });
    const ask: Ask = (other, timeoutMs, question, answered) =>
      this.#context.ask(other, timeoutMs, question, (result) => next(() => answered(result)));
    const timeoutMs = () => broker.config.requestTimeoutMs;
    return {
      markers: new MarkerWriter({
        broker,
        ask,
        send: (to, request, done) =>
          this.#fellows.send(
            to,
            WRITE_TXN_MARKERS,
            request,
            timeoutMs(),
            (result) => next(() => done(result)),
          ),
        after: (delayMs, run) => this.#context.startTimer("markers", delayMs, next(run)),
      }),
      verifier: new TransactionVerifier({
        broker,
        ask,
        send: (to, request, done) =>
          this.#fellows.send(
            to,
            ADD_PARTITIONS_TO_TXN,
            request,
            timeoutMs(),
            (result) => next(() => done(result)),
          ),
        soon: (run) => void self.tell(next(run)),
      }),
    };
  }
}
