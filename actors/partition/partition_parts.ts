/**
 * Parts that a replica's actor is put together from, and what it decides, where that needs nothing
 * of its inside.
 *
 * @module
 */

import type { Timestamp } from "../../storage/bytes/ids.ts";
import type { Log } from "../../storage/log.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Troubles } from "../runtime/troubles.ts";
import type { LogEnds } from "./data_waiters.ts";
import { orStorageError } from "./log_questions.ts";
import type { LogKeeper } from "./log_keeper.ts";
import type { LogClosed, PartitionAssignment } from "./messages.ts";
import type { ObservedReplica } from "./observer.ts";
import type { AskVerification } from "./partition_appender.ts";
import type { PartitionOptions } from "./partition_options.ts";
import { Replica } from "./replica.ts";
import type { TransactionVerified, VerifyTransaction } from "./verification.ts";

/** A coordinator that says nothing for so long is asked anew when the producer tries again. */
const VERIFICATION_TIMEOUT_MS = 30_000;

/** A disk may refuse so long what others in sync would take: as long as producers hardly notice. */
const DISK_PATIENCE_MS = 1000;

/** Asks the verifier; `answered` is called in the partition's turn. */
type AskVerifier = (
  verifier: Ref<VerifyTransaction>,
  timeoutMs: number,
  question: (replyTo: Ref<TransactionVerified>) => VerifyTransaction,
  answered: (result: AskResult<TransactionVerified>) => void,
) => void;

/** The rules, with what is known when the partition begins. */
export function makeReplica(options: PartitionOptions): Replica {
  const { nodeId, config, replicaLagTimeMaxMs, brokers, failedInEpoch } = options;
  const replica = new (options.Replica ?? Replica)(nodeId, config, replicaLagTimeMaxMs);
  if (brokers !== undefined) replica.brokersChanged(brokers, 0);
  if (failedInEpoch !== undefined) replica.failedIn(failedInEpoch);
  return replica;
}

/** How it is found out whether a partition is part of a transaction; undefined where it is not. */
export function makeVerification(
  { verifier, topic, partition, verificationTimeoutMs }: PartitionOptions,
  ask: AskVerifier,
): AskVerification | undefined {
  if (verifier === undefined) return undefined;
  const timeoutMs = verificationTimeoutMs ?? VERIFICATION_TIMEOUT_MS;
  return ({ transactionalId = "", addsToTransaction: add = false }, batch, done) =>
    ask(verifier, timeoutMs, (replyTo) => {
      const { producerId, producerEpoch } = batch;
      const id = { transactionalId, producerId, producerEpoch };
      return { kind: "verify-transaction", ...id, topic, partition, add, replyTo };
    }, done);
}

/** What those who wait for records wait for. */
export function makeEnds(replica: Replica, getLog: () => Log | undefined): LogEnds {
  return {
    get highWatermark() {
      return replica.highWatermark;
    },
    get logEndOffset() {
      return getLog()?.logEndOffset ?? 0;
    },
    // Where it cannot be known whoever waits is told, and learns why when it reads.
    lastStableOffset: () => orStorageError(() => replica.lastStableOffset, () => Infinity),
  };
}

/**
 * Whether somebody else leads, who has what was lost here, and nobody counts on this replica: one
 * that is in sync is told of as failed first.
 */
export function canRefetch(
  { leader, replicas, isr }: PartitionAssignment,
  { nodeId, follows }: PartitionOptions,
): boolean {
  return follows !== undefined && leader >= 0 && leader !== nodeId && replicas.includes(nodeId) &&
    !isr.includes(nodeId);
}

/** Closes a log so that the next life need not scan it; `flushed` is called once it is durable. */
export function closeInOrder(
  log: Log,
  keeper: LogKeeper,
  now: Timestamp,
  flushed: () => void,
): LogClosed {
  try {
    // First what is acknowledged: a full disk may have no room for what closing writes.
    log.flushSync();
    flushed();
    log.close({ clean: true, now });
    keeper.note(log);
    return { kind: "closed", clean: true, failure: undefined };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { kind: "closed", clean: false, failure };
  }
}

/** What has kept this replica from taking records while others in sync with it could go on. */
export function lastingRefusal({ isr, nodeId }: Replica, troubles: Troubles): Error | undefined {
  if (isr.length < 2 || !isr.includes(nodeId)) return undefined;
  return troubles.lastingFor(DISK_PATIENCE_MS);
}

/** What is shown to whoever looks on. */
export function makeObserved(
  { topicId, topic, partition, nodeId }: PartitionOptions,
  state: Replica,
  getLog: () => Log | undefined,
): ObservedReplica {
  return {
    topicId,
    topic,
    partition,
    nodeId,
    state,
    get log() {
      return getLog();
    },
  };
}
