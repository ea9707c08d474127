/**
 * Bits that turn on the disks of a cluster: which may, and which still are wrong.
 *
 * A bit turns only in records that are committed, under a checksum, and in sync elsewhere: what
 * nobody else holds is lost, and says nothing about a cluster. Until a node has found out and
 * fetched anew what was there, it counts as one that has lost its data.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { MemoryDisk } from "../../storage/memory_disk.ts";
import { BATCH_HEADER_BYTES, BatchView } from "../../storage/record_batch.ts";
import type { RandomStream } from "../runtime/environment.ts";
import type { ClusterChecker } from "./checkers/cluster_checker.ts";
import type { PartitionTrack } from "./checkers/tracks.ts";
import { LogFiles, type PlacedBatch } from "./live_views.ts";
import { pick } from "./random.ts";

/** A batch of which a bit is to turn. */
export interface RottenBatch extends PlacedBatch {
  readonly nodeId: NodeId;
  readonly disk: MemoryDisk;
  readonly partition: PartitionTrack;
  /** Of the file. */
  readonly bit: number;
}

export class BitRot {
  readonly #checker: ClusterChecker;
  readonly #chance: RandomStream;
  readonly #rotten = new Set<RottenBatch>();

  constructor(checker: ClusterChecker, chance: RandomStream) {
    this.#checker = checker;
    this.#chance = chance;
  }

  /** Nodes on whose disks a batch is rotten; one that has set it aside lacks it from now on. */
  nodes(): ReadonlySet<NodeId> {
    const nodes = new Set<NodeId>();
    for (const rotten of this.#rotten) {
      if (isWrong(rotten)) nodes.add(rotten.nodeId);
      else this.#gone(rotten);
    }
    return nodes;
  }

  #gone(rotten: RottenBatch): void {
    const { nodeId, partition } = rotten;
    this.#rotten.delete(rotten);
    this.#checker.lacksData(nodeId);
    const isReplica = !partition.isDeleted && partition.truth?.replicas.includes(nodeId) === true;
    if (isReplica) this.#checker.vacuity.count("rotten logs replaced");
  }

  /** Draws a batch on the disk of a node; undefined where none may rot. */
  choose(nodeId: NodeId, disk: MemoryDisk): RottenBatch | undefined {
    const partitions = [...this.#checker.tracks.partitions.values()]
      .filter((partition) => this.#isHeldElsewhere(partition, nodeId));
    if (partitions.length === 0) return undefined;
    const partition = pick(this.#chance, partitions);
    // What lies behind that may be torn.
    const held = partition.replicas.get(nodeId)?.log.heldOffset ?? 0;
    const endOffset = Math.min(partition.committed.endOffset, held);
    const batches = new LogFiles(disk, partition.name).places(endOffset)
      .filter(({ size }) => size > BATCH_HEADER_BYTES);
    if (batches.length === 0) return undefined;
    const placed = pick(this.#chance, batches);
    const { position, size } = placed;
    const byte = BATCH_HEADER_BYTES + this.#chance.integer(size - BATCH_HEADER_BYTES);
    const bit = (position + byte) * 8 + this.#chance.integer(8);
    return { ...placed, nodeId, disk, partition, bit };
  }

  /** Turns the bit; the process of the node has ended. */
  turn(rotten: RottenBatch): void {
    rotten.disk.flipBit(rotten.path, rotten.bit);
    this.#rotten.add(rotten);
    this.#checker.rotted(rotten.nodeId, rotten.partition);
  }

  /** The process of a node has died: the next one looks through its logs. */
  nodeDied(nodeId: NodeId): void {
    for (const rotten of this.#rotten) {
      if (rotten.nodeId === nodeId) this.#checker.rotted(nodeId, rotten.partition);
    }
  }

  /**
   * What nobody else is in sync with is back from a backup: its only owner cannot open a log that
   * has rotted, and to elect others is an operator's decision.
   */
  restoreLast(): void {
    for (const rotten of this.#rotten) {
      const { nodeId, disk, path, bit, partition: { truth } } = rotten;
      const owners = truth === undefined ? [] : [...truth.isr, ...truth.elr, ...truth.lastKnownElr];
      if (owners.length === 0 || owners.some((id) => id !== nodeId)) continue;
      if (isWrong(rotten)) disk.flipBit(path, bit);
      this.#rotten.delete(rotten);
    }
  }

  #isHeldElsewhere(partition: PartitionTrack, nodeId: NodeId): boolean {
    const { truth, committed, isDeleted, uncleanEpoch, replicas } = partition;
    if (truth === undefined || isDeleted || uncleanEpoch !== undefined) return false;
    if (committed.last === undefined || !truth.replicas.includes(nodeId)) return false;
    return truth.isr.some((member) => {
      const log = replicas.get(member)?.log;
      return member !== nodeId && log !== undefined && log.heldOffset >= committed.endOffset;
    });
  }
}

function isWrong({ disk, path, position, size }: RottenBatch): boolean {
  const bytes = new Uint8Array(size);
  if (disk.peek(path, bytes, position) < size) return false;
  const batch = new BatchView(bytes);
  return batch.sizeInBytes === size && batch.computeCrc() !== batch.crc;
}
