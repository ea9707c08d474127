/**
 * Views of a cluster that runs: what actors hand over when they start, and the bytes on their
 * disks.
 *
 * Batches are read from the files themselves, header by header, not through the log that is being
 * watched. Invariant: nothing here is seen by the node: no fault befalls it, no buffer is lent.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { EpochEntry } from "../../storage/leader_epochs.ts";
import type { Log } from "../../storage/log.ts";
import type { MemoryDisk } from "../../storage/memory_disk.ts";
import { RecordCursor } from "../../storage/record.ts";
import { BATCH_HEADER_BYTES, BatchView } from "../../storage/record_batch.ts";
import { decodeRecord } from "../../net/kafka/record_frame.ts";
import type { NodeObserver, ObservedBroker } from "../broker/observer.ts";
import { METADATA_FOLDER } from "../controller/metadata_log.ts";
import type { MetadataRecord } from "../controller/metadata_record.ts";
import type { ObservedController } from "../controller/observer.ts";
import type { ObservedReplica, ReplicaState } from "../partition/observer.ts";
import type { ObservedBatch } from "./checkers/shadow_log.ts";
import type { ControllerView, LogView, ReplicaView, ViewSink } from "./cluster_view.ts";

/** An observer for the nodes of a cluster, one for each start of a process. */
export function observeNode(nodeId: NodeId, disk: MemoryDisk, sink: ViewSink): NodeObserver {
  const replicas = new Map<ObservedReplica, ReplicaView>();
  const controllers = new Map<ObservedController, ControllerView>();
  return {
    replicaStarted(replica: ObservedReplica) {
      const view = new LiveReplica(replica, disk);
      replicas.set(replica, view);
      sink.replicaStarted(view);
    },
    replicaEnded(replica: ObservedReplica) {
      const view = replicas.get(replica);
      if (view !== undefined && replicas.delete(replica)) sink.replicaEnded(view);
    },
    controllerStarted(controller: ObservedController) {
      const view = new LiveController(nodeId, controller, disk);
      controllers.set(controller, view);
      sink.controllerStarted(view);
    },
    controllerEnded(controller: ObservedController) {
      const view = controllers.get(controller);
      if (view !== undefined && controllers.delete(controller)) sink.controllerEnded(view);
    },
    brokerStarted: (broker: ObservedBroker) => sink.brokerStarted(broker),
    brokerEnded: (broker: ObservedBroker) => sink.brokerEnded(broker),
  };
}

/** A batch in its file. */
export interface PlacedBatch {
  readonly path: string;
  readonly position: number;
  readonly size: number;
}

/** Where a batch stands. */
interface Placed {
  readonly batch: ObservedBatch;
  /** Base offset of its segment. */
  readonly segment: Offset;
  readonly position: number;
  readonly size: number;
}

/** The batches of one folder, read from its `.log` files. */
export class LogFiles {
  readonly #disk: MemoryDisk;
  readonly #folder: string;
  readonly #header = new Uint8Array(BATCH_HEADER_BYTES);
  readonly #view = new BatchView(this.#header);
  /** What was read, in order. */
  #placed: Placed[] = [];

  constructor(disk: MemoryDisk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** Reads from where a batch begins up to `endOffset`; from the first segment without it. */
  read(from: Offset | undefined, endOffset: Offset): readonly ObservedBatch[] {
    const first = from === undefined ? 0 : this.#indexOf(from);
    this.#placed.length = first;
    let last = this.#placed[first - 1];
    let segment = last?.segment ?? this.#firstSegment(from);
    let position = last === undefined ? 0 : last.position + last.size;
    for (let next = last?.batch.nextOffset ?? segment; next < endOffset;) {
      const batch = this.#batchAt(segment, position);
      if (batch !== undefined) {
        last = { batch, segment, position, size: this.#view.sizeInBytes };
        this.#placed.push(last);
        position += last.size;
        next = batch.nextOffset;
      } else if (position > 0) {
        segment = next;
        position = 0;
      } else {
        break;
      }
    }
    const read = this.#placed.slice(first).map(({ batch }) => batch);
    return from === undefined ? read : read.filter(({ baseOffset }) => baseOffset >= from);
  }

  /** Where the batches stand that end at `endOffset` or before. */
  places(endOffset: Offset): PlacedBatch[] {
    this.read(undefined, endOffset);
    return this.#placed
      .filter(({ batch }) => batch.nextOffset <= endOffset)
      .map(({ segment, position, size }) => ({ path: this.#path(segment), position, size }));
  }

  /** The bytes of the last batches that were read. */
  *bytesFrom(offset: Offset): Iterable<readonly [ObservedBatch, Uint8Array]> {
    for (let i = this.#placed.length - 1; i >= 0; i--) {
      const { batch, segment, position, size } = this.#placed[i]!;
      if (batch.baseOffset < offset) return;
      const bytes = new Uint8Array(size);
      this.#disk.peek(this.#path(segment), bytes, position);
      yield [batch, bytes];
    }
  }

  #indexOf(offset: Offset): number {
    const { length } = this.#placed;
    if (this.#placed[length - 1]?.batch.nextOffset === offset) return length;
    const index = this.#placed.findIndex(({ batch }) => batch.baseOffset >= offset);
    return index < 0 ? 0 : index;
  }

  #firstSegment(from: Offset | undefined): Offset {
    const bases = this.#disk.peekNames(this.#folder)
      .filter((name) => name.endsWith(".log"))
      .map((name) => Number(name.slice(0, -".log".length)));
    return (from === undefined ? undefined : bases.findLast((base) => base <= from)) ??
      bases[0] ?? 0;
  }

  #batchAt(segment: Offset, position: number): ObservedBatch | undefined {
    const count = this.#disk.peek(this.#path(segment), this.#header, position);
    if (count < BATCH_HEADER_BYTES) return undefined;
    const view = this.#view;
    return {
      baseOffset: view.baseOffset,
      nextOffset: view.nextOffset,
      epoch: view.partitionLeaderEpoch,
      hash: view.crc,
      producerId: view.producerId,
      producerEpoch: view.producerEpoch,
      baseSequence: view.baseSequence,
      isControl: view.isControl,
    };
  }

  #path(segment: Offset): string {
    return `${this.#folder}/${String(segment).padStart(20, "0")}.log`;
  }
}

class LiveReplica implements ReplicaView, LogView {
  readonly nodeId: NodeId;
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly state: ReplicaState;
  readonly #replica: ObservedReplica;
  readonly #files: LogFiles;

  constructor(replica: ObservedReplica, disk: MemoryDisk) {
    this.nodeId = replica.nodeId;
    this.topicId = replica.topicId;
    this.topic = replica.topic;
    this.partition = replica.partition;
    this.state = replica.state;
    this.#replica = replica;
    this.#files = new LogFiles(disk, `${replica.topic}-${replica.partition}`);
  }

  get log(): LogView {
    return this;
  }

  get #log(): Log {
    return this.#replica.log!;
  }

  get isOpen(): boolean {
    return this.#replica.log !== undefined;
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.#log.logEndOffset;
  }

  get flushedOffset(): Offset {
    return this.#log.flushedOffset;
  }

  get truncations(): number {
    return this.#log.truncations;
  }

  epochs(): readonly EpochEntry[] {
    return this.#log.epochEntries;
  }

  batchesFrom(offset?: Offset): readonly ObservedBatch[] {
    return this.#files.read(offset, this.logEndOffset);
  }
}

class LiveController implements ControllerView, LogView {
  readonly nodeId: NodeId;
  readonly state: ObservedController;
  readonly isOpen = true;
  readonly #files: LogFiles;
  /** Kept from when they were appended: a snapshot may take them from the disk before commit. */
  readonly #bytes = new WeakMap<ObservedBatch, Uint8Array>();

  constructor(nodeId: NodeId, state: ObservedController, disk: MemoryDisk) {
    this.nodeId = nodeId;
    this.state = state;
    this.#files = new LogFiles(disk, METADATA_FOLDER);
  }

  get log(): LogView {
    return this;
  }

  get logStartOffset(): Offset {
    return this.state.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.state.logEndOffset;
  }

  get flushedOffset(): Offset {
    return this.state.flushedOffset;
  }

  get truncations(): number {
    return this.state.truncations;
  }

  epochs(): readonly EpochEntry[] {
    return this.state.epochEntries;
  }

  batchesFrom(offset?: Offset): readonly ObservedBatch[] {
    const batches = this.#files.read(offset, this.logEndOffset);
    for (const [batch, bytes] of this.#files.bytesFrom(batches[0]?.baseOffset ?? Infinity)) {
      this.#bytes.set(batch, bytes);
    }
    return batches;
  }

  records(batch: ObservedBatch): readonly MetadataRecord[] {
    if (batch.isControl) return [];
    const bytes = this.#bytes.get(batch);
    if (bytes === undefined) throw new Error(`Cannot read the batch at ${batch.baseOffset}`);
    const cursor = new RecordCursor(new BatchView(bytes));
    const records: MetadataRecord[] = [];
    while (cursor.next()) {
      const { kind, value } = decodeRecord(cursor.value!);
      records.push({ kind, value } as MetadataRecord);
    }
    return records;
  }
}
