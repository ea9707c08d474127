/**
 * Holding back the offsets that a transaction commits until its coordinator has said that this
 * partition of `__consumer_offsets` is a part of it (KIP-890), as partitions hold back records.
 *
 * @module
 */

import type { ProducerId } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type TransactionVerified,
  Verification,
  type VerifyTransaction,
} from "../../partition/verification.ts";
import type { Ref } from "../../runtime/ref.ts";
import { OFFSETS_TOPIC } from "../internal_topics.ts";
import type { CoordinatorContext } from "../machine.ts";
import { refusedCommit } from "./offset_commits.ts";
import type { GroupRecord } from "./records.ts";
import type { CompleteTransaction, TxnOffsetCommit } from "./requests.ts";

/** The first version by which the partition is added to the transaction (KIP-890). */
const ADDS_TO_TRANSACTION = 5;

export interface TransactionalCommitsOptions {
  readonly context: CoordinatorContext<GroupRecord>;
  /** Absent where transactions are taken on trust. */
  readonly verifier: Ref<VerifyTransaction> | undefined;
  /** Whether a producer has offsets here that no marker has decided. */
  isOpen(producerId: ProducerId): boolean;
  /** Goes on with a commit that may be written. */
  commit(request: TxnOffsetCommit): void;
}

export class TransactionalCommits {
  readonly #options: TransactionalCommitsOptions;
  readonly #verification: Verification<TxnOffsetCommit>;
  /** The producer epoch of what is open: with each a transaction of its own (KIP-890). */
  readonly #epochs = new Map<ProducerId, number>();

  constructor(options: TransactionalCommitsOptions) {
    this.#options = options;
    const { context, verifier } = options;
    this.#verification = new Verification({
      ask: ({ request, version }, { producerId, producerEpoch }, done) => {
        const { transactionalId } = request;
        context.ask<VerifyTransaction, TransactionVerified>(
          verifier!,
          context.config.requestTimeoutMs,
          (replyTo) => ({
            kind: "verify-transaction",
            transactionalId,
            producerId,
            producerEpoch,
            topic: OFFSETS_TOPIC,
            partition: context.partition,
            add: version >= ADDS_TO_TRANSACTION,
            replyTo,
          }),
          done,
        );
      },
      resume: (commit) => this.commit(commit),
      refuse,
    });
  }

  /** Commits, at once or once it is verified; or refuses. */
  commit(commit: TxnOffsetCommit): void {
    const { verifier, context } = this.#options;
    const { producerId, producerEpoch } = commit.request;
    if (verifier !== undefined) {
      const batch = { producerId, producerEpoch, baseSequence: 0 };
      const now = context.now();
      const isOpen = this.#isOpen(producerId, producerEpoch);
      const admission = this.#verification.admit(commit, batch, isOpen, now);
      if (admission.kind === "held") return;
      if (admission.kind === "refused") return refuse(commit, admission.error);
    }
    this.#options.commit(commit);
    if (!this.#options.isOpen(producerId)) return;
    this.#verification.appended(producerId);
  }

  /** Offsets of a transaction are in the log, or will be. */
  replayed(producerId: ProducerId, producerEpoch: number): void {
    this.#epochs.set(producerId, producerEpoch);
  }

  /**
   * Whether a marker has come late: it has ended the transaction before the one that is open, with
   * another request that said the same.
   */
  isLate({ producerId, producerEpoch, transactionVersion }: CompleteTransaction): boolean {
    if (transactionVersion < 2 || !this.#options.isOpen(producerId)) return false;
    const openEpoch = this.#epochs.get(producerId);
    return openEpoch !== undefined && openEpoch >= producerEpoch;
  }

  /** What the transaction before has open is none of this one's: its marker is yet to come. */
  #isOpen(producerId: ProducerId, producerEpoch: number): boolean {
    return this.#options.isOpen(producerId) && this.#epochs.get(producerId) === producerEpoch;
  }

  /** A marker of a producer is written: what was verified before was about another transaction. */
  marked(producerId: ProducerId): void {
    this.#epochs.delete(producerId);
    this.#verification.marked(producerId);
  }

  /** This is the coordinator no longer. */
  end(): void {
    this.#verification.fail();
  }
}

function refuse({ request, replyTo }: TxnOffsetCommit, error: ErrorCode): void {
  const topics = refusedCommit(request.topics, errorFor(error));
  replyTo.tell({ kind: "response", response: { throttleTimeMs: 0, topics } });
}

/** Verification speaks to producers of records; here a coordinator speaks. */
function errorFor(error: ErrorCode): ErrorCode {
  switch (error) {
    case ErrorCode.NOT_ENOUGH_REPLICAS:
      return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
      return ErrorCode.NOT_COORDINATOR;
    default:
      return error;
  }
}
