/**
 * The shell of a coordinator: one actor for each partition of an internal topic that this broker
 * leads, in one leader epoch.
 *
 * Owns the way to the log: the partition is read before anything is served; what the machine writes
 * is replayed at once, appended by a message to the partition's actor with acks=all, and told of
 * when it is committed. A batch that the log refuses is undone with all that was built upon it.
 * Where the outcome of an append is unknown, the machine ends, and another is loaded from the log.
 *
 * Invariants: every request is answered, by the machine or with why it is not served; the state is
 * the fold of what is committed and of what waits to be, which is bounded; nobody else writes to
 * the partition.
 *
 * @module
 */

import type { Epoch } from "../../storage/bytes/ids.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { ErrorCode, errorName } from "../../net/messages/errors.ts";
import { MalformedMessageError } from "../../net/schema/fault.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage, ImageChange } from "../controller/cluster_image.ts";
import type { AppendReply, PartitionRequest } from "../partition/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { coordinatorError, isUnknownOutcome } from "./coordinator_errors.ts";
import { LogLoader } from "./log_loader.ts";
import type {
  CoordinatorContext,
  CoordinatorKind,
  CoordinatorMachine,
  CoordinatorMarker,
  CoordinatorWrite,
  Replayed,
  WriteProducer,
} from "./machine.ts";
import { encodeWrite, WriteQueue } from "./write_queue.ts";

/** Has a coordinator serve a request, which says itself where its answer goes. */
export interface Coordinate<Request> {
  readonly kind: "coordinate";
  readonly request: Request;
}

/** What a coordinator can be told. */
export type CoordinatorRequest<Request> =
  | Coordinate<Request>
  | { readonly kind: "metadata-changed"; readonly changes: readonly ImageChange[] };

type CoordinatorMessage<Request> =
  | CoordinatorRequest<Request>
  | { readonly kind: "continue"; readonly run: () => void }
  | { readonly kind: "flush" }
  | { readonly kind: "log-ended" };

/** What a coordinator's actor is made from. */
export interface CoordinatorOptions<Request, CoordinatorRecord> {
  readonly kind: CoordinatorKind<Request, CoordinatorRecord>;
  /** Of the internal topic. */
  readonly partition: number;
  readonly leaderEpoch: Epoch;
  readonly log: Ref<PartitionRequest>;
  readonly image: ClusterImage;
  config(): BrokerConfig;
  /** Told when the coordinator begins to serve, and how long loading took; for tests, too. */
  loaded?(durationMs: number): void;
}

/** Before a machine whose write had an unknown outcome is loaded anew. */
const RELOAD_MS = 50;

/** The actor. */
export function coordinatorActor<Request, CoordinatorRecord>(
  options: CoordinatorOptions<Request, CoordinatorRecord>,
): Behaviour<CoordinatorRequest<Request>> {
  return (context) =>
    new CoordinatorActor(context as unknown as ActorContext<CoordinatorMessage<Request>>, options);
}

/** A machine from its load on. */
interface Life<Request, CoordinatorRecord> {
  readonly machine: CoordinatorMachine<Request, CoordinatorRecord>;
  /** Undefined until it is loaded. */
  queue: WriteQueue | undefined;
}

class CoordinatorActor<Request, CoordinatorRecord> implements Actor<CoordinatorMessage<Request>> {
  readonly #context: ActorContext<CoordinatorMessage<Request>>;
  readonly #options: CoordinatorOptions<Request, CoordinatorRecord>;
  #life: Life<Request, CoordinatorRecord> | undefined;
  /** Callbacks of earlier lives are of no account. */
  #lifeNumber = 0;
  #flushes = false;

  constructor(
    context: ActorContext<CoordinatorMessage<Request>>,
    options: CoordinatorOptions<Request, CoordinatorRecord>,
  ) {
    this.#context = context;
    this.#options = options;
    context.watch(options.log, { kind: "log-ended" });
    this.#load();
  }

  receive(message: CoordinatorMessage<Request>): void {
    switch (message.kind) {
      case "coordinate":
        if (this.#life?.queue !== undefined) return this.#life.machine.handle(message.request);
        return this.#options.kind.refuse(message.request, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
      case "metadata-changed":
        if (this.#life?.queue !== undefined) this.#life.machine.metadataChanged(message.changes);
        return;
      case "continue":
        return message.run();
      case "flush":
        return this.#flush();
      case "log-ended":
        return this.#context.stop();
    }
  }

  stopped(): void {
    this.#endLife();
  }

  // Loading.

  #load(): void {
    const startedAt = this.#context.environment.clock.monotonic();
    const life: Life<Request, CoordinatorRecord> = {
      machine: this.#options.kind.make(this.#makeContext(++this.#lifeNumber)),
      queue: undefined,
    };
    this.#life = life;
    const { log, leaderEpoch } = this.#options;
    const loader = new LogLoader({
      partition: log,
      leaderEpoch,
      ask: (question, answered) => this.#ask(log, Infinity, question, answered),
      after: (delayMs, run) => this.#startTimer("load", delayMs, run),
      into: {
        record: (offset, key, value, producer) => {
          const record = this.#decode(offset, key, value);
          if (record !== undefined) life.machine.replay(record, at(offset, producer, undefined));
        },
        marker: (offset, producer, outcome, coordinatorEpoch) =>
          life.machine.replayMarker({
            ...at(offset, producer, undefined),
            outcome,
            coordinatorEpoch,
          }),
        loaded: (endOffset) => {
          life.queue = new WriteQueue(endOffset);
          life.machine.loaded();
          this.#noteLoaded(endOffset, this.#context.environment.clock.monotonic() - startedAt);
        },
      },
    });
    loader.start();
  }

  #noteLoaded(records: number, durationMs: number): void {
    const { kind, partition, leaderEpoch } = this.#options;
    this.#context.environment.logger.log("debug", "coordinator loaded", {
      coordinator: kind.name,
      partition,
      leaderEpoch,
      endOffset: records,
      durationMs: Math.round(durationMs),
    });
    this.#options.loaded?.(durationMs);
  }

  /** What cannot be read is passed over: the rest of the partition must be served. */
  #decode(
    offset: number,
    key: Uint8Array,
    value: Uint8Array | null,
  ): CoordinatorRecord | undefined {
    const { kind, partition } = this.#options;
    try {
      return kind.codec.decode(key, value);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#context.environment.logger.log("warn", "coordinator passes a record over", {
        topic: kind.topic,
        partition,
        offset,
        reason: error.message,
      });
      return undefined;
    }
  }

  // Writing.

  #write({ records, done, producer }: CoordinatorWrite<CoordinatorRecord>): void {
    const { machine, queue } = this.#life ?? {};
    if (machine === undefined || queue === undefined) return done(ErrorCode.NOT_COORDINATOR);
    if (queue.isFull) return done(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    if (records.length === 0) return queue.afterAll(done);
    const batchBytesMax = this.#batchBytesMax();
    const encoded = encodeWrite(records, this.#options.kind.codec, batchBytesMax);
    if (typeof encoded === "number") {
      this.#warn("coordinator cannot write", `${records.length} records: ${errorName(encoded)}`);
      return done(coordinatorError(encoded));
    }
    const batch = queue.add(encoded, producer, batchBytesMax);
    batch.onDone(done);
    let offset = queue.endOffset - records.length;
    for (const record of records) machine.replay(record, at(offset++, producer, batch.undo));
    this.#flushSoon();
  }

  /** `max.message.bytes` of the internal topic. */
  #batchBytesMax(): number {
    const { kind: { topic }, image, config } = this.#options;
    const own = image.configs(CONFIG_RESOURCE.topic, topic).get("max.message.bytes");
    return own === undefined ? config().topicDefaults.maxMessageBytes : Number(own);
  }

  #writeMarker({ producer, outcome, coordinatorEpoch, done }: CoordinatorMarker): void {
    const { machine, queue } = this.#life ?? {};
    if (machine === undefined || queue === undefined) return done(ErrorCode.NOT_COORDINATOR);
    const batch = queue.addMarker(producer, { outcome, coordinatorEpoch });
    batch.onDone(done);
    machine.replayMarker({
      ...at(batch.baseOffset, producer, batch.undo),
      outcome,
      coordinatorEpoch,
    });
    this.#flushSoon();
  }

  /** After the messages that are here already: what they write goes along. */
  #flushSoon(): void {
    if (this.#flushes) return;
    const self: Ref<CoordinatorMessage<Request>> = this.#context.self;
    this.#flushes = self.tell({ kind: "flush" });
    if (!this.#flushes) this.#startTimer("flush", 0, () => this.#flush());
  }

  #flush(): void {
    this.#flushes = false;
    const batch = this.#life?.queue?.next();
    if (batch === undefined) return;
    const records = batch.build(this.#context.environment.clock.wall());
    this.#ask<PartitionRequest, AppendReply>(
      this.#options.log,
      Infinity,
      (replyTo) => ({
        kind: "append",
        records,
        acks: "all",
        origin: "coordinator",
        replyTo,
        release: () => {},
      }),
      (result) => this.#appended(batch.baseOffset, result),
    );
  }

  #appended(expectedOffset: number, result: AskResult<AppendReply>): void {
    const { queue } = this.#life as Life<Request, CoordinatorRecord>;
    if (result.kind === "refused") return queue?.fail(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    if (result.kind !== "reply") return this.#reload(`append: ${result.kind}`);
    const { error, errorMessage, baseOffset } = result.reply;
    if (error !== ErrorCode.NONE) {
      const reason = `append: ${errorName(error)}${
        errorMessage === null ? "" : `, ${errorMessage}`
      }`;
      if (isUnknownOutcome(error)) return this.#reload(reason);
      this.#warn("coordinator cannot write", reason);
      return queue?.fail(coordinatorError(error), ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    queue?.committed();
    if (baseOffset !== expectedOffset) {
      return this.#reload(`somebody else wrote: ${baseOffset}, not ${expectedOffset}`);
    }
    this.#flush();
  }

  #reload(reason: string): void {
    this.#warn("coordinator loads anew", reason);
    this.#endLife();
    this.#lifeNumber++;
    this.#startTimer("load", RELOAD_MS, () => this.#load());
  }

  #endLife(): void {
    const life = this.#life;
    if (life === undefined) return;
    const { queue, machine } = life;
    // Nothing is written any more by those who are told.
    life.queue = undefined;
    this.#life = undefined;
    queue?.fail(ErrorCode.NOT_COORDINATOR);
    machine.unloaded();
  }

  #warn(event: string, reason: string): void {
    const { kind, partition } = this.#options;
    this.#context.environment.logger.log("warn", event, {
      coordinator: kind.name,
      partition,
      reason,
    });
  }

  // What a machine is given.

  #makeContext(life: number): CoordinatorContext<CoordinatorRecord> {
    const { partition, leaderEpoch, image, config } = this.#options;
    const { environment } = this.#context;
    const writeBytesMax = () => this.#batchBytesMax();
    const inLife = <Value>(run: (value: Value) => void) => (value: Value) => {
      if (life === this.#lifeNumber) run(value);
    };
    return {
      partition,
      coordinatorEpoch: leaderEpoch,
      environment,
      get config() {
        return config();
      },
      image,
      now: () => environment.clock.wall(),
      monotonic: () => environment.clock.monotonic(),
      get writeBytesMax() {
        return writeBytesMax();
      },
      write: (write) => this.#write(write),
      writeMarker: (marker) => this.#writeMarker(marker),
      startTimer: (key, delayMs, run) => this.#startTimer(`machine ${key}`, delayMs, run),
      cancelTimer: (key) => this.#context.cancelTimer(`machine ${key}`),
      ask: (other, timeoutMs, question, answered) =>
        this.#ask(other, timeoutMs, question, answered),
      adapt: (received) =>
        this.#context.adapt((message) => ({
          kind: "continue",
          run: () => inLife(received)(message),
        })),
    };
  }

  #startTimer(key: string, delayMs: number, run: () => void): void {
    const life = this.#lifeNumber;
    this.#context.startTimer(key, delayMs, {
      kind: "continue",
      run: () => {
        if (life === this.#lifeNumber) run();
      },
    });
  }

  #ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void {
    const life = this.#lifeNumber;
    this.#context.ask<Question, Reply>(other, timeoutMs, question, (result) => ({
      kind: "continue",
      run: () => {
        if (life === this.#lifeNumber) answered(result);
        else giveBack(result);
      },
    }));
  }
}

function at(
  offset: number,
  producer: WriteProducer | undefined,
  undo: Replayed["undo"],
): Replayed {
  return {
    offset,
    producerId: producer?.producerId ?? -1,
    producerEpoch: producer?.producerEpoch ?? -1,
    undo,
  };
}

/** An answer that comes too late may hold a buffer. */
function giveBack(result: AskResult<unknown>): void {
  if (result.kind !== "reply") return;
  const { release } = result.reply as { readonly release?: () => void };
  release?.();
}
