/**
 * Who votes in the metadata quorum, and since which offset of the metadata log (KIP-853).
 *
 * A voter is an id together with the id of the directory that holds its log: a disk that was wiped
 * comes back as another voter, since it has forgotten what it promised. Voters that were only
 * configured (`controller.quorum.voters`) have no directory yet, and any one will do, until a
 * VotersRecord binds the one that was heard of first.
 *
 * Invariants: a set is immutable and sorted by id; one voter per id; a set counts from the offset
 * on at which its record stands in the log, committed or not, and goes when that is truncated.
 *
 * @module
 */

import { type NodeId, type Offset, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import type { SocketAddress } from "../../net/network.ts";

/** A replica of the metadata log: its node and its directory. */
export interface ReplicaKey {
  readonly id: NodeId;
  /** `ZERO_UUID` where it is not known. */
  readonly directoryId: Uuid;
}

export interface Voter extends ReplicaKey {
  /** Where others reach it, if that is known. */
  readonly address: SocketAddress | undefined;
}

/** A set of voters with the offset of the record that made it. */
export interface VotersAt {
  readonly offset: Offset;
  readonly voters: VoterSet;
}

/** Whether two keys name one replica; an unknown directory is any. */
export function sameReplica(one: ReplicaKey, other: ReplicaKey): boolean {
  return one.id === other.id &&
    (one.directoryId === other.directoryId || one.directoryId === ZERO_UUID ||
      other.directoryId === ZERO_UUID);
}

export class VoterSet {
  static readonly NONE = new VoterSet([]);

  readonly voters: readonly Voter[];
  readonly ids: readonly NodeId[];

  /** @throws {RangeError} when an id is there twice */
  constructor(voters: readonly Voter[]) {
    this.voters = [...voters].sort((a, b) => a.id - b.id);
    this.ids = this.voters.map(({ id }) => id);
    if (new Set(this.ids).size !== this.ids.length) {
      throw new RangeError(`Cannot make a set of voters: one of ${this.ids} is there twice`);
    }
  }

  get size(): number {
    return this.voters.length;
  }

  /** How many are enough to decide. */
  get majority(): number {
    return Math.floor(this.voters.length / 2) + 1;
  }

  find(id: NodeId): Voter | undefined {
    return this.voters.find((voter) => voter.id === id);
  }

  has(key: ReplicaKey): boolean {
    const voter = this.find(key.id);
    return voter !== undefined && sameReplica(voter, key);
  }

  /** Whether this replica decides alone. */
  isOnly(key: ReplicaKey): boolean {
    return this.voters.length === 1 && this.has(key);
  }

  /** The set with one more voter, or with another in the place of that id. */
  with(voter: Voter): VoterSet {
    return new VoterSet([...this.voters.filter(({ id }) => id !== voter.id), voter]);
  }

  without(id: NodeId): VoterSet {
    return new VoterSet(this.voters.filter((voter) => voter.id !== id));
  }
}

/** The sets of voters along the log. */
export class VoterHistory {
  readonly #configured: VoterSet;
  #entries: VotersAt[];

  /**
   * `found` is what snapshot and log hold, oldest first; `configured` counts where that is none.
   */
  constructor(configured: VoterSet, found: readonly VotersAt[]) {
    this.#configured = configured;
    this.#entries = [...found];
  }

  /** The set that counts now. */
  get latest(): VoterSet {
    return this.#entries.at(-1)?.voters ?? this.#configured;
  }

  /** The set that counted before it. */
  get previous(): VoterSet {
    return this.#entries.at(-2)?.voters ?? this.#configured;
  }

  /** Where the record of that set stands, or -1 where it is configured. */
  get latestOffset(): Offset {
    return this.#entries.at(-1)?.offset ?? -1;
  }

  /** The set of all records before `offset`; undefined where there is no record. */
  recordedBefore(offset: Offset): VoterSet | undefined {
    return this.#entries.findLast((entry) => entry.offset < offset)?.voters;
  }

  add(entry: VotersAt): void {
    this.#entries.push(entry);
  }

  /** The log ends at `endOffset` now. */
  truncate(endOffset: Offset): void {
    this.#entries = this.#entries.filter(({ offset }) => offset < endOffset);
  }

  /** The log begins anew with a snapshot, and with the set in it. */
  restart(entry: VotersAt | undefined): void {
    this.#entries = entry === undefined ? [] : [entry];
  }
}
