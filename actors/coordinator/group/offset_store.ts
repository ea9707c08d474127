/**
 * The committed offsets of the groups of one partition of `__consumer_offsets`, and those that open
 * transactions have pending.
 *
 * A fold of OffsetCommit records and transaction markers: `replay` and `replayMarker` are its only
 * mutators, and give what takes them back.
 *
 * Invariant: of a transactional and a plain commit of one partition the one that was written later
 * counts, whenever the transaction is decided.
 *
 * @module
 */

import type { Offset, ProducerId } from "../../../storage/bytes/ids.ts";
import type { Replayed, ReplayedMarker, Undo } from "../machine.ts";
import type { CommittedOffset, OffsetCommitRecord } from "./records.ts";

/** A committed offset, and where its record stands. */
export interface StoredOffset extends CommittedOffset {
  readonly recordOffset: Offset;
}

type PartitionOffsets = Map<number, StoredOffset>;
type TopicOffsets = Map<string, PartitionOffsets>;

/** Offsets by group, topic and partition. */
class Offsets {
  readonly groups = new Map<string, TopicOffsets>();

  get(group: string, topic: string, partition: number): StoredOffset | undefined {
    return this.groups.get(group)?.get(topic)?.get(partition);
  }

  /** Puts an offset, or takes it away; nothing empty is left. */
  set(group: string, topic: string, partition: number, offset: StoredOffset | undefined): void {
    let topics = this.groups.get(group);
    let partitions = topics?.get(topic);
    if (offset === undefined) {
      partitions?.delete(partition);
      if (partitions?.size === 0) topics?.delete(topic);
      if (topics?.size === 0) this.groups.delete(group);
      return;
    }
    if (topics === undefined) this.groups.set(group, topics = new Map());
    if (partitions === undefined) topics.set(topic, partitions = new Map());
    partitions.set(partition, offset);
  }

  change(
    group: string,
    topic: string,
    partition: number,
    offset: StoredOffset | undefined,
    undo: Undo[] | undefined,
  ): void {
    const before = this.get(group, topic, partition);
    this.set(group, topic, partition, offset);
    undo?.push(() => this.set(group, topic, partition, before));
  }
}

const NOTHING: ReadonlyMap<string, ReadonlyMap<number, StoredOffset>> = new Map();

export class OffsetStore {
  readonly #offsets = new Offsets();
  /** By producer: what its open transaction has committed. */
  readonly #pending = new Map<ProducerId, Offsets>();

  /** The groups that have offsets, or may come to have some by a transaction. */
  *groups(): Generator<string> {
    yield* this.#offsets.groups.keys();
    const others = new Set<string>();
    for (const pending of this.#pending.values()) {
      for (const group of pending.groups.keys()) {
        if (!this.#offsets.groups.has(group)) others.add(group);
      }
    }
    yield* others;
  }

  hasGroup(group: string): boolean {
    return this.#offsets.groups.has(group) || this.hasPending(group);
  }

  get(group: string, topic: string, partition: number): StoredOffset | undefined {
    return this.#offsets.get(group, topic, partition);
  }

  /** The offsets of a group, by topic and partition. */
  ofGroup(group: string): ReadonlyMap<string, ReadonlyMap<number, StoredOffset>> {
    return this.#offsets.groups.get(group) ?? NOTHING;
  }

  /** The topics of which a group has offsets, or may come to have some by a transaction. */
  topicsOf(group: string): ReadonlySet<string> {
    const topics = new Set(this.#offsets.groups.get(group)?.keys());
    for (const pending of this.#pending.values()) {
      for (const topic of pending.groups.get(group)?.keys() ?? []) topics.add(topic);
    }
    return topics;
  }

  /** The partitions of a topic of which a group has an offset, or may come to have one. */
  partitionsOf(group: string, topic: string): ReadonlySet<number> {
    const partitions = new Set(this.#offsets.groups.get(group)?.get(topic)?.keys());
    for (const pending of this.#pending.values()) {
      const more = pending.groups.get(group)?.get(topic)?.keys() ?? [];
      for (const partition of more) partitions.add(partition);
    }
    return partitions;
  }

  /** Whether a producer has an open transaction that has committed offsets here. */
  hasTransaction(producerId: ProducerId): boolean {
    return this.#pending.has(producerId);
  }

  /** Whether an open transaction has committed offsets of the group, or of the partition. */
  hasPending(group: string, topic?: string, partition = -1): boolean {
    for (const pending of this.#pending.values()) {
      const isPending = topic === undefined
        ? pending.groups.has(group)
        : pending.get(group, topic, partition) !== undefined;
      if (isPending) return true;
    }
    return false;
  }

  replay({ key, value }: OffsetCommitRecord, at: Replayed): void {
    const { group, topic, partition } = key;
    const { offset, producerId, undo } = at;
    if (value === null) {
      this.#offsets.change(group, topic, partition, undefined, undo);
      for (const pending of this.#pending.values()) {
        pending.change(group, topic, partition, undefined, undo);
      }
      return;
    }
    const stored = { ...value, recordOffset: offset };
    if (producerId < 0) return this.#offsets.change(group, topic, partition, stored, undo);
    this.#pendingOf(producerId, undo).change(group, topic, partition, stored, undo);
  }

  /** Has what a transaction committed count, or forgets it. */
  replayMarker({ producerId, outcome, undo }: ReplayedMarker): void {
    const pending = this.#pending.get(producerId);
    if (pending === undefined) return;
    this.#pending.delete(producerId);
    undo?.push(() => this.#pending.set(producerId, pending));
    if (outcome === "abort") return;
    for (const [group, topics] of pending.groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, offset] of partitions) {
          const existing = this.#offsets.get(group, topic, partition);
          // Compaction may have kept the one and not the other: only their places tell.
          if (existing !== undefined && existing.recordOffset > offset.recordOffset) continue;
          this.#offsets.change(group, topic, partition, offset, undo);
        }
      }
    }
  }

  #pendingOf(producerId: ProducerId, undo: Undo[] | undefined): Offsets {
    let pending = this.#pending.get(producerId);
    if (pending === undefined) {
      pending = new Offsets();
      this.#pending.set(producerId, pending);
      undo?.push(() => this.#pending.delete(producerId));
    }
    return pending;
  }
}
