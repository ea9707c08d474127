/**
 * What the metadata say of the replicas on this broker, in numbers.
 *
 * Owns the gauges of what this broker leads; each change costs the same however many there are.
 *
 * @module
 */

import type { NodeId } from "../../../storage/bytes/ids.ts";
import type { PartitionAssignment } from "../../partition/messages.ts";
import type { BrokerMetrics } from "../broker_metrics.ts";

/** A replica, as the metadata say. */
export interface CountedReplica {
  readonly assignment: PartitionAssignment;
  readonly config: { readonly minInsyncReplicas: number };
}

interface Standing {
  readonly assignment: PartitionAssignment;
  readonly leads: boolean;
  readonly isUnderReplicated: boolean;
  readonly isUnderMinIsr: boolean;
  readonly isAtMinIsr: boolean;
}

export class ReplicaCounts {
  readonly #nodeId: NodeId;
  readonly #metrics: BrokerMetrics;
  readonly #standings = new Map<string, Standing>();
  #leads = 0;
  #underReplicated = 0;
  #underMinIsr = 0;
  #atMinIsr = 0;

  constructor(nodeId: NodeId, metrics: BrokerMetrics) {
    this.#nodeId = nodeId;
    this.#metrics = metrics;
  }

  /** A replica that is held is as the metadata say from now on. */
  set(folder: string, replica: CountedReplica): void {
    const before = this.#standings.get(folder);
    const now = this.#standing(replica);
    if (before !== undefined) {
      this.#countChange(before, now);
      this.#add(before, -1);
    }
    this.#standings.set(folder, now);
    this.#add(now, 1);
    this.#show();
  }

  /** The replica is not held any more. */
  delete(folder: string): void {
    const before = this.#standings.get(folder);
    if (before === undefined) return;
    this.#standings.delete(folder);
    this.#add(before, -1);
    this.#show();
  }

  #standing({ assignment, config }: CountedReplica): Standing {
    const { leader, replicas, isr } = assignment;
    const leads = leader === this.#nodeId;
    const required = Math.min(config.minInsyncReplicas, replicas.length);
    return {
      assignment,
      leads,
      isUnderReplicated: leads && isr.length < replicas.length,
      isUnderMinIsr: leads && isr.length < required,
      isAtMinIsr: leads && isr.length === required,
    };
  }

  /** Of what is led before and after; a change that comes with another leader is none of ours. */
  #countChange(before: Standing, now: Standing): void {
    if (!now.leads || before.assignment.leaderEpoch !== now.assignment.leaderEpoch) return;
    const { isr } = before.assignment;
    const after = now.assignment.isr;
    if (isr.some((id) => !after.includes(id))) this.#metrics.isrShrinksTotal.add(1);
    if (after.some((id) => !isr.includes(id))) this.#metrics.isrExpandsTotal.add(1);
  }

  #add(standing: Standing, count: 1 | -1): void {
    if (standing.leads) this.#leads += count;
    if (standing.isUnderReplicated) this.#underReplicated += count;
    if (standing.isUnderMinIsr) this.#underMinIsr += count;
    if (standing.isAtMinIsr) this.#atMinIsr += count;
  }

  #show(): void {
    this.#metrics.leaderCount.set(this.#leads);
    this.#metrics.underReplicatedPartitions.set(this.#underReplicated);
    this.#metrics.underMinIsrPartitionCount.set(this.#underMinIsr);
    this.#metrics.atMinIsrPartitionCount.set(this.#atMinIsr);
  }
}
