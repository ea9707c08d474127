/**
 * A replica of node 1, as the protocol's class alone, with its log.
 *
 * @module
 */

import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { Replica } from "../../../actors/partition/replica.ts";
import type { IsrProposal } from "../../../actors/partition/isr_state.ts";
import type { IsrAnswer, PartitionAssignment } from "../../../actors/partition/messages.ts";
import { ToyLog } from "../../../scripts/canaries/model/toy_log.ts";

export const SETTINGS = { minInsyncReplicas: 1, flushBeforeAck: false };
export const LAG_MAX_MS = 100;

/** An assignment that names node 1 alone, changed so. */
export function assignment(change: Partial<PartitionAssignment> = {}): PartitionAssignment {
  return { leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1], isr: [1], ...change };
}

export const THREE = { replicas: [1, 2, 3], isr: [1, 2, 3] };

/** A replica of node 1, with its log. */
export class Stage {
  readonly log: ToyLog;
  readonly replica: Replica;
  now = 1000;

  constructor(
    change: Partial<PartitionAssignment> = {},
    epochs: number[] = [],
    settings = SETTINGS,
  ) {
    this.log = new ToyLog(epochs);
    this.replica = new Replica(1, settings, LAG_MAX_MS);
    this.replica.opened(this.log, 0);
    this.assign(change);
  }

  assign(change: Partial<PartitionAssignment>) {
    const assigned = this.replica.assign(assignment(change), this.now);
    if (assigned.epochStart !== undefined) {
      this.log.epochs.assign(this.replica.leaderEpoch, assigned.epochStart);
    }
    return assigned;
  }

  append(count = 1): boolean {
    for (; count > 0; count--) this.log.append({ id: 0, epoch: this.replica.leaderEpoch });
    return this.replica.appended(this.now);
  }

  fetch(replicaId: number, fetchOffset: number, more: {
    readonly epoch?: number;
    readonly last?: number;
    readonly brokerEpoch?: number;
    readonly askedAt?: number;
  } = {}) {
    const { askedAt } = more;
    const { epoch = this.replica.leaderEpoch, brokerEpoch = -1 } = more;
    const last = more.last ?? (fetchOffset > 0 ? this.log.epochForOffset(fetchOffset - 1) : -1);
    return this.replica.fetchedBy({
      replicaId,
      fetchOffset,
      currentLeaderEpoch: epoch,
      lastFetchedEpoch: last,
      brokerEpoch,
      logStartOffset: 0,
      ...(askedAt === undefined ? {} : { askedAt }),
    }, this.now);
  }

  error(...fetch: Parameters<Stage["fetch"]>): string {
    const verdict = this.fetch(...fetch);
    return verdict.kind === "refused" ? errorName(verdict.error) : verdict.kind;
  }

  proposed(): number[] | undefined {
    return this.replica.takeProposal()?.newIsr.map(({ brokerId }) => brokerId);
  }

  answer(proposal: IsrProposal, change: Partial<IsrAnswer> = {}): boolean {
    return this.replica.isrAnswered(proposal, {
      kind: "isr-answer",
      error: ErrorCode.NONE,
      leader: 1,
      leaderEpoch: proposal.leaderEpoch,
      partitionEpoch: proposal.partitionEpoch + 1,
      isr: proposal.newIsr.map(({ brokerId }) => brokerId),
      leaderRecoveryState: 0,
      ...change,
    }, this.now);
  }
}
