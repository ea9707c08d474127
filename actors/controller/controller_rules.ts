/**
 * The rules that the controller's decisions rest on, each a method that says yes or no of facts: so
 * that each can be tested exhaustively, and broken on purpose to see that somebody notices.
 *
 * Where the decisions get their facts from, and what they write, is theirs.
 *
 * @module
 */

import { type NodeId, NONE, type Offset, type Uuid } from "../../storage/bytes/ids.ts";
import type { BrokerImage } from "./cluster_image.ts";
import type { PartitionImage } from "./partition_image.ts";

/** A broker that asks to be registered. */
export interface RegistrationFacts {
  readonly brokerId: NodeId;
  readonly incarnationId: Uuid;
  /** Under which it ended in order last time, or -1. */
  readonly previousBrokerEpoch: Offset;
}

/** A member that a leader wants in the ISR. */
export interface ProposedMember {
  readonly brokerId: NodeId;
  /** Under which it fetched last, or -1 where the leader has not seen it fetch. */
  readonly brokerEpoch: Offset;
}

export class ControllerRules {
  /** Whether a broker may lead, be in an ISR, or get replicas: it is up and means to stay. */
  isActive(broker: BrokerImage | undefined): boolean {
    return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
  }

  // Brokers

  /**
   * Whether a registration takes the place of the one that is there: not of a broker that another
   * process holds. The broker of the controller's own node lives in the controller's process and
   * under the lock of its data folder, so an earlier one is over.
   */
  mayRegister(
    existing: BrokerImage | undefined,
    { brokerId, incarnationId }: RegistrationFacts,
    { controllerId, hasSession }: { readonly controllerId: NodeId; readonly hasSession: boolean },
  ): boolean {
    return existing === undefined || existing.fenced || existing.incarnationId === incarnationId ||
      brokerId === controllerId || !hasSession;
  }

  /** Whether the broker's logs are just as its last registration left them (KIP-966). */
  isCleanRestart(existing: BrokerImage | undefined, registration: RegistrationFacts): boolean {
    return existing !== undefined && existing.epoch === registration.previousBrokerEpoch;
  }

  /**
   * Whether a broker that registers anew goes on as it was, unfenced and in the leader epochs it
   * had: one that lives with the controller, is alone, and ended in order. Nobody else could lead
   * or vote meanwhile, and its logs hold each offset of its epochs.
   */
  keepsStanding(
    existing: BrokerImage | undefined,
    registration: RegistrationFacts,
    { controllerId, isAlone }: { readonly controllerId: NodeId; readonly isAlone: boolean },
  ): boolean {
    return isAlone && registration.brokerId === controllerId && this.isActive(existing) &&
      this.isCleanRestart(existing, registration);
  }

  /** Whether a request of a broker is one of its present registration. */
  isBrokerEpochCurrent(broker: BrokerImage, brokerEpoch: Offset): boolean {
    return broker.epoch === brokerEpoch;
  }

  /** Whether a fenced broker may be unfenced: it has applied its own registration. */
  mayUnfence(broker: BrokerImage, currentMetadataOffset: Offset): boolean {
    return currentMetadataOffset >= broker.epoch;
  }

  /** Whether a broker that was silent for so long is to be fenced. */
  isSessionOver(silentMs: number, sessionTimeoutMs: number): boolean {
    return silentMs > sessionTimeoutMs;
  }

  // Elections

  /**
   * Whether a replica that leaves the ISR may lead later: not where its broker started anew and may
   * have lost what it had not flushed.
   */
  staysEligible(replica: NodeId, restartedUncleanly: NodeId): boolean {
    return replica !== restartedUncleanly;
  }

  /**
   * Whether so many in sync let the high watermark move: then those that left before may lack what
   * is committed.
   */
  clearsElr(inSync: number, minInsyncReplicas: number): boolean {
    return inSync >= minInsyncReplicas;
  }

  /** Whether a replica has all that is committed: in the ISR, or eligible while that is empty. */
  isElectable(replica: NodeId, isr: readonly NodeId[], elr: readonly NodeId[]): boolean {
    return isr.length === 0 ? elr.includes(replica) : isr.includes(replica);
  }

  /** Whether who led last may lead again: nobody is left who surely has what is committed. */
  mayElectLastKnown(
    isr: readonly NodeId[],
    elr: readonly NodeId[],
    lastKnown: readonly NodeId[],
  ): boolean {
    return isr.length === 0 && elr.length === 0 && lastKnown.length === 1;
  }

  /** Whether a reassignment is complete: all that the partition will have are in sync. */
  isReassigned(targets: readonly NodeId[], isr: readonly NodeId[]): boolean {
    return targets.length > 0 && targets.every((id) => isr.includes(id));
  }

  // AlterPartition

  /** Whether a proposal knows more than this controller: another one leads by now. */
  isFromTheFuture(
    partition: PartitionImage,
    asked: { readonly leaderEpoch: number; readonly partitionEpoch: number },
  ): boolean {
    return asked.leaderEpoch > partition.leaderEpoch ||
      asked.partitionEpoch > partition.partitionEpoch;
  }

  /** Whether a proposal is the leader's: one of another, who led before, is nobody's. */
  isLedBy(partition: PartitionImage, brokerId: NodeId): boolean {
    return partition.leader === brokerId;
  }

  /** Whether a proposal was made in the present leader epoch. */
  isLeaderEpochCurrent(partition: PartitionImage, leaderEpoch: number): boolean {
    return leaderEpoch >= partition.leaderEpoch;
  }

  /** Whether a proposal knows the partition as it is: compare and set (KIP-497). */
  isPartitionEpochCurrent(partition: PartitionImage, partitionEpoch: number): boolean {
    return partitionEpoch >= partition.partitionEpoch;
  }

  /**
   * Whether a broker may be in the ISR: active, and the one whose fetches the leader saw (KIP-903).
   * A leader may not have seen a member of the present ISR fetch; had that one restarted, it would
   * not be in the ISR any more.
   */
  mayBeInSync(
    broker: BrokerImage | undefined,
    member: ProposedMember,
    isr: readonly NodeId[],
  ): boolean {
    if (broker === undefined || !this.isActive(broker)) return false;
    return member.brokerEpoch === broker.epoch ||
      (member.brokerEpoch === NONE && isr.includes(member.brokerId));
  }
}
