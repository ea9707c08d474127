/**
 * A group coordinator without actors: its log is a list of bytes, time passes when told, and writes
 * are committed, or fail, when told.
 */

import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../../actors/controller/cluster_image.ts";
import { GroupCoordinator } from "../../../../actors/coordinator/group/group_coordinator.ts";
import { coordinatorError } from "../../../../actors/coordinator/coordinator_errors.ts";
import type { GroupRequest } from "../../../../actors/coordinator/group/requests.ts";
import { GROUP_CODEC, type GroupRecord } from "../../../../actors/coordinator/group/records.ts";
import type {
  CoordinatorContext,
  CoordinatorMarker,
  CoordinatorWrite,
  EncodedRecord,
  WriteProducer,
} from "../../../../actors/coordinator/machine.ts";
import { encodeWrite, WriteQueue } from "../../../../actors/coordinator/write_queue.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import type { Api } from "../../../../net/schema.ts";
import { type Draft, make } from "../../../../net/schema/make.ts";
import { ManualEnvironment } from "../../runtime/manual_environment.ts";

/** What is in the log: a record, or a marker. */
type Logged =
  | { readonly record: EncodedRecord; readonly producer: WriteProducer | undefined }
  | { readonly marker: Pick<CoordinatorMarker, "producer" | "outcome" | "coordinatorEpoch"> };

interface Timer {
  readonly dueAt: number;
  readonly run: () => void;
}

/** An answer that may come later. */
export class Awaited<Response> {
  response: Response | undefined;
  refusal: ErrorCode | undefined;

  get isSettled(): boolean {
    return this.response !== undefined || this.refusal !== undefined;
  }

  get value(): Response {
    if (this.response === undefined) throw new Error(`There is no answer: ${this.refusal}`);
    return this.response;
  }
}

export class GroupStage {
  readonly image = new ClusterImage();
  nowMs = 1_000_000;
  /** What is committed. */
  readonly log: Logged[] = [];
  /** The largest batch that the log takes. */
  batchBytesMax = 1024 * 1024;
  /** Whether writes are committed at once. */
  commitsAtOnce = true;
  machine!: GroupCoordinator;
  readonly #properties: Readonly<Record<string, string>>;
  readonly #environment = new ManualEnvironment();
  #queue = new WriteQueue(0);
  /** What is appended and not committed. */
  #appended: Logged[] = [];
  #timers = new Map<string, Timer>();

  constructor(properties: Readonly<Record<string, string>> = {}) {
    this.#properties = { "group.initial.rebalance.delay.ms": "0", ...properties };
    this.reload();
  }

  /** What was counted by that name. */
  count(name: string): number {
    return this.#environment.metrics.counter(name).value;
  }

  /** Another coordinator, from what is committed. */
  reload(): void {
    this.#queue.fail(ErrorCode.NOT_COORDINATOR);
    this.machine?.unloaded();
    this.#appended = [];
    this.#timers = new Map();
    const machine = new GroupCoordinator(this.#context(), undefined);
    this.machine = machine;
    this.replayLog(machine);
    this.#queue = new WriteQueue(this.log.length);
    machine.loaded();
  }

  /** Has a machine replay what is committed. */
  replayLog(machine: GroupCoordinator): void {
    this.log.forEach((logged, offset) => {
      if ("marker" in logged) {
        const { producer, ...marker } = logged.marker;
        return machine.replayMarker({ offset, ...producer, undo: undefined, ...marker });
      }
      const { key, value } = logged.record;
      const record = GROUP_CODEC.decode(key, value);
      if (record === undefined) throw new Error("A record cannot be read");
      machine.replay(record, { offset, ...producerOf(logged.producer), undo: undefined });
    });
  }

  /** A machine that has only read the log. */
  folded(): GroupCoordinator {
    const machine = new GroupCoordinator(this.#context(), undefined);
    this.replayLog(machine);
    return machine;
  }

  /** Commits everything that is appended, and what is appended because of that. */
  commit(): void {
    while (!this.isIdle) this.commitOne();
  }

  /** Whether nothing is to be committed. */
  get isIdle(): boolean {
    return this.#queue.isEmpty;
  }

  /** Commits one batch; returns how long it is. */
  commitOne(): number {
    const batch = this.#queue.next();
    if (batch === undefined) return 0;
    this.log.push(...this.#appended.splice(0, batch.endOffset - batch.baseOffset));
    const { length } = batch.build(this.nowMs);
    this.#queue.committed();
    return length;
  }

  /** The log refuses what is appended. */
  fail(error: ErrorCode = ErrorCode.COORDINATOR_NOT_AVAILABLE): void {
    this.#appended = [];
    this.#queue.fail(error);
  }

  /** Lets time pass, and what is due happen in its order. */
  pass(forMs: number): void {
    const endsAt = this.nowMs + forMs;
    for (;;) {
      let next: [string, Timer] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].dueAt <= endsAt && (next === undefined || entry[1].dueAt < next[1].dueAt)) {
          next = entry;
        }
      }
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.nowMs = Math.max(this.nowMs, next[1].dueAt);
      next[1].run();
      if (this.commitsAtOnce) this.commit();
    }
    this.nowMs = endsAt;
  }

  /** Asks the coordinator. */
  send<Response>(
    request: (replyTo: Ref<never>) => unknown,
  ): Awaited<Response> {
    const awaited = new Awaited<Response>();
    const replyTo = {
      tell: (answer: { kind: string; response?: Response; error?: ErrorCode }) => {
        if (awaited.isSettled) throw new Error("It is answered twice");
        if (answer.kind === "response") awaited.response = answer.response;
        else awaited.refusal = answer.error;
        return true;
      },
    };
    this.machine.handle(request(replyTo as unknown as Ref<never>) as GroupRequest);
    if (this.commitsAtOnce) this.commit();
    return awaited;
  }

  /** Asks with the request of an API, of which fields may be left out. */
  ask<Request, Response>(
    kind: GroupRequest["kind"],
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version = api.versions.max,
  ): Awaited<Response> {
    const request = make(api.request, draft);
    const client = { clientId: "client", clientHost: "/host", version };
    return this.send((replyTo) => ({ kind, request, client, version, replyTo }));
  }

  /** Makes a topic of so many partitions, or gives it more. */
  setTopic(name: string, partitions: number): string {
    const known = this.image.topicByName(name);
    const topicId = known?.id ?? this.#environment.random.stream("topics").uuid();
    const changes = [];
    if (known === undefined) {
      changes.push(this.image.replay({ kind: "TopicRecord", value: { name, topicId } }));
    }
    for (let partitionId = known?.partitions.length ?? 0; partitionId < partitions; partitionId++) {
      changes.push(this.image.replay({
        kind: "PartitionRecord",
        value: {
          partitionId,
          topicId,
          replicas: [1],
          isr: [1],
          removingReplicas: [],
          addingReplicas: [],
          leader: 1,
          leaderRecoveryState: 0,
          leaderEpoch: 0,
          partitionEpoch: 0,
          directories: [],
          eligibleLeaderReplicas: null,
          lastKnownElr: null,
        },
      }));
    }
    this.machine.metadataChanged(changes);
    return topicId;
  }

  removeTopic(name: string): void {
    const { id: topicId } = this.image.topicByName(name)!;
    this.machine.metadataChanged([
      this.image.replay({ kind: "RemoveTopicRecord", value: { topicId } }),
    ]);
    if (this.commitsAtOnce) this.commit();
  }

  #context(): CoordinatorContext<GroupRecord> {
    const config = parseBrokerConfig(this.#properties);
    const batchBytesMax = () => this.batchBytesMax;
    return {
      partition: 0,
      coordinatorEpoch: 1,
      environment: this.#environment,
      config,
      image: this.image,
      now: () => this.nowMs,
      monotonic: () => this.nowMs,
      get writeBytesMax() {
        return batchBytesMax();
      },
      write: (write) => this.#write(write),
      writeMarker: (marker) => this.#writeMarker(marker),
      startTimer: (key, delayMs, run) =>
        void this.#timers.set(key, { dueAt: this.nowMs + delayMs, run }),
      cancelTimer: (key) => void this.#timers.delete(key),
      ask: () => {
        throw new Error("It asks nobody");
      },
      adapt: () => {
        throw new Error("It is told nothing");
      },
    };
  }

  #write({ records, done, producer }: CoordinatorWrite<GroupRecord>): void {
    if (records.length === 0) return this.#queue.afterAll(done);
    const encoded = encodeWrite(records, GROUP_CODEC, this.batchBytesMax);
    if (typeof encoded === "number") return done(coordinatorError(encoded));
    const batch = this.#queue.add(encoded, producer, this.batchBytesMax);
    batch.onDone(done);
    let offset = this.#queue.endOffset - records.length;
    records.forEach((record, index) => {
      this.#appended.push({ record: encoded[index]!, producer });
      this.machine.replay(record, {
        offset: offset++,
        ...producerOf(producer),
        undo: batch.undo,
      });
    });
  }

  #writeMarker({ producer, outcome, coordinatorEpoch, done }: CoordinatorMarker): void {
    const batch = this.#queue.addMarker(producer, { outcome, coordinatorEpoch });
    batch.onDone(done);
    this.#appended.push({ marker: { producer, outcome, coordinatorEpoch } });
    const { baseOffset: offset, undo } = batch;
    this.machine.replayMarker({ offset, ...producer, undo, outcome, coordinatorEpoch });
  }
}

function producerOf(producer: WriteProducer | undefined): WriteProducer {
  return producer ?? { producerId: -1, producerEpoch: -1 };
}
