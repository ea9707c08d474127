/** The shell of coordinators, over a partition that does what the test says. */

import { assert, assertEquals } from "@std/assert";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import {
  coordinatorActor,
  type CoordinatorRequest,
} from "../../../actors/coordinator/coordinator_actor.ts";
import type {
  CoordinatorContext,
  CoordinatorKind,
  CoordinatorMachine,
  Replayed,
  ReplayedMarker,
} from "../../../actors/coordinator/machine.ts";
import type {
  Append,
  AppendReply,
  ListOffset,
  PartitionRequest,
  Read,
} from "../../../actors/partition/messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { MalformedMessageError } from "../../../net/schema/fault.ts";
import { BatchView, setBaseOffset } from "../../../storage/record_batch.ts";
import { ManualEnvironment } from "../runtime/manual_environment.ts";

/** Appends words; what it was told is what it knows. */
interface Say {
  readonly words: readonly string[];
  readonly producerId?: number;
  readonly outcome?: "commit" | "abort";
  readonly told: (error: number) => void;
}

/** The words in the order of the log; `?` before those of an open transaction. */
class Words implements CoordinatorMachine<Say, string> {
  readonly words: string[] = [];
  readonly #context: CoordinatorContext<string>;
  isUnloaded = false;

  constructor(context: CoordinatorContext<string>) {
    this.#context = context;
  }

  replay(word: string, { producerId, undo }: Replayed): void {
    this.words.push(producerId < 0 ? word : `?${word}`);
    undo?.push(() => this.words.pop());
  }

  replayMarker({ outcome, producerId, undo }: ReplayedMarker): void {
    this.words.push(`${outcome} of ${producerId}`);
    undo?.push(() => this.words.pop());
  }

  loaded(): void {}

  metadataChanged(): void {}

  unloaded(): void {
    this.isUnloaded = true;
  }

  handle({ words, producerId = -1, outcome, told }: Say): void {
    const producer = { producerId, producerEpoch: 0 };
    if (outcome !== undefined) {
      return this.#context.writeMarker({ producer, outcome, coordinatorEpoch: 0, done: told });
    }
    this.#context.write({
      records: words,
      done: told,
      ...(producerId < 0 ? {} : { producer }),
    });
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A partition whose appends wait for the test. */
class Stage {
  readonly environment = new ManualEnvironment();
  readonly system = new ActorSystem({ environment: this.environment, node: 1 });
  /** Committed batches. */
  readonly log: Uint8Array[] = [];
  /** What is visible ends here; the log's end when absent. */
  highWatermark: number | undefined;
  /** Appends that are not answered. */
  readonly appends: Append[] = [];
  /** Every machine that there was. */
  readonly machines: Words[] = [];
  readonly ref: Ref<CoordinatorRequest<Say>>;
  readonly partition: Ref<PartitionRequest>;
  loads = 0;
  reads = 0;

  constructor(log?: readonly Uint8Array[], highWatermark?: number) {
    this.log.push(...log ?? []);
    this.highWatermark = highWatermark;
    this.partition = this.system.spawn<PartitionRequest>("partition", () => ({
      receive: (message) => this.#serve(message),
    }));
    const kind: CoordinatorKind<Say, string> = {
      name: "words",
      topic: "__words",
      codec: {
        encode: (word) => {
          if (word === "unspeakable") {
            throw new MalformedMessageError("encode", "Word", 0, "", "it cannot be said");
          }
          return { key: encoder.encode(word), value: null };
        },
        decode: (key) => decoder.decode(key) === "unknown" ? undefined : decoder.decode(key),
      },
      make: (context) => {
        const machine = new Words(context);
        this.machines.push(machine);
        return machine;
      },
      refuse: ({ told }, error) => told(error),
    };
    this.ref = this.system.spawn(
      "coordinator",
      coordinatorActor({
        kind,
        partition: 0,
        leaderEpoch: 3,
        log: this.partition,
        image: new ClusterImage(),
        config: () => parseBrokerConfig({}),
        loaded: () => this.loads++,
      }),
    );
    this.environment.run();
  }

  get machine(): Words {
    return this.machines.at(-1)!;
  }

  get endOffset(): number {
    const last = this.log.at(-1);
    return last === undefined ? 0 : new BatchView(last).nextOffset;
  }

  #serve(message: PartitionRequest): void {
    if (message.kind === "list-offset") this.#listOffset(message);
    else if (message.kind === "read") this.#read(message);
    else if (message.kind === "append") this.appends.push(message);
  }

  #listOffset({ replyTo, currentLeaderEpoch }: ListOffset): void {
    assertEquals(currentLeaderEpoch, 3);
    replyTo.tell({ error: ErrorCode.NONE, offset: this.endOffset, timestamp: -1, leaderEpoch: 3 });
  }

  #read({ replyTo, fetchOffset }: Read): void {
    this.reads++;
    const highWatermark = this.highWatermark ?? this.endOffset;
    const batch = this.log.find((one) => new BatchView(one).nextOffset > fetchOffset);
    const isVisible = batch !== undefined && new BatchView(batch).nextOffset <= highWatermark;
    replyTo.tell({
      error: ErrorCode.NONE,
      highWatermark,
      lastStableOffset: highWatermark,
      logStartOffset: 0,
      records: isVisible ? batch : null,
      release: () => {},
    });
  }

  /** Sends words; the error that comes of it, or undefined while nothing has. */
  say(words: readonly string[], more: Partial<Say> = {}): { error: number | undefined } {
    const said: { error: number | undefined } = { error: undefined };
    this.ref.tell({
      kind: "coordinate",
      request: { words, ...more, told: (error) => said.error = error },
    });
    return said;
  }

  run(): void {
    this.environment.run();
  }

  /** Answers the oldest append. */
  answer(error: ErrorCode = ErrorCode.NONE, baseOffset = this.endOffset): void {
    const append = this.appends.shift();
    if (append === undefined) throw new Error("Nothing is appended");
    if (error === ErrorCode.NONE) {
      setBaseOffset(append.records, 0, baseOffset);
      this.log.push(append.records);
    }
    const reply: AppendReply = {
      error,
      errorMessage: null,
      baseOffset: error === ErrorCode.NONE ? baseOffset : -1,
      logAppendTime: -1,
      logStartOffset: 0,
    };
    append.replyTo.tell(reply);
    this.run();
  }
}

Deno.test("coordinator: what is said is known at once, and told of when it is committed", () => {
  const stage = new Stage();
  const said = stage.say(["a", "b"]);
  stage.run();
  assertEquals([stage.machine.words, said.error], [["a", "b"], undefined]);
  assertEquals(stage.appends.map(({ acks, origin }) => [acks, origin]), [["all", "coordinator"]]);
  stage.answer();
  assertEquals(said.error, 0);
});

Deno.test("coordinator: what is said in one turn, and while a batch is on its way, goes together", () => {
  const stage = new Stage();
  const first = [stage.say(["a"]), stage.say(["b"])];
  stage.run();
  const second = [stage.say(["c"]), stage.say(["d", "e"])];
  stage.run();
  assertEquals(stage.appends.length, 1);
  stage.answer();
  assertEquals([...first, ...second].map(({ error }) => error), [0, 0, undefined, undefined]);
  assertEquals(stage.appends.length, 1);
  assertEquals(new BatchView(stage.appends[0]!.records).recordsCount, 3);
  stage.answer();
  assertEquals(second.map(({ error }) => error), [0, 0]);
});

Deno.test("coordinator: what was read is told of when it is committed", () => {
  const stage = new Stage();
  assertEquals((stage.say([]), stage.run(), stage.appends.length), 0);
  stage.say(["a"]);
  const read = stage.say([]);
  stage.run();
  assertEquals(read.error, undefined);
  stage.answer();
  assertEquals(read.error, 0);
});

Deno.test("coordinator: a batch that is refused is undone with what was built upon it", () => {
  const stage = new Stage();
  stage.say(["a"]);
  stage.run();
  stage.answer();
  const [b, c] = [stage.say(["b"]), (stage.run(), stage.say(["c"]))];
  stage.run();
  assertEquals(stage.machine.words, ["a", "b", "c"]);
  stage.answer(ErrorCode.NOT_ENOUGH_REPLICAS);
  assertEquals(stage.machine.words, ["a"]);
  assertEquals([b.error, c.error], [
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ]);
  stage.say(["d"]);
  stage.run();
  stage.answer();
  assertEquals([stage.machine.words, stage.machines.length], [["a", "d"], 1]);
});

Deno.test("coordinator: where the log commits nothing, what waits is bounded", () => {
  const stage = new Stage();
  const word = "w".repeat(300 * 1024);
  const said = Array.from({ length: 30 }, () => stage.say([word]));
  stage.run();
  assertEquals(said.filter(({ error }) => error === undefined).length, 28);
  assertEquals(said.at(-1)!.error, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  assertEquals(stage.machine.words.length, 28);
  while (stage.appends.length > 0) stage.answer();
  assertEquals(said.filter(({ error }) => error === 0).length, 28);
  const again = stage.say(["a"]);
  stage.run();
  stage.answer();
  assertEquals(again.error, 0);
});

Deno.test("coordinator: what cannot be written is refused, and nothing else with it", () => {
  const stage = new Stage();
  const said = [["a"], ["b", "unspeakable"], ["w".repeat(1024 * 1024)], ["c"]].map((words) =>
    stage.say(words)
  );
  stage.run();
  assertEquals(stage.machine.words, ["a", "c"]);
  stage.answer();
  assertEquals(said.map(({ error }) => error), [
    0,
    ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.UNKNOWN_SERVER_ERROR,
    0,
  ]);
  assertEquals(stage.machines.length, 1);
});

Deno.test("coordinator: a log that is not committed to its end is looked at less and less", () => {
  const before = new Stage();
  before.say(["a"]);
  before.run();
  before.answer();
  const stage = new Stage(before.log, 0);
  for (let seconds = 0; seconds < 10; seconds++) stage.environment.advance(1000);
  assert(stage.reads < 60, `it was read ${stage.reads} times`);
  stage.highWatermark = 1;
  stage.environment.advance(250);
  assertEquals(stage.loads, 1);
});

Deno.test("coordinator: a fenced transaction's batch fails alone by its own error", () => {
  const stage = new Stage();
  const fenced = stage.say(["a"], { producerId: 7 });
  const other = stage.say(["b"]);
  stage.run();
  stage.answer(ErrorCode.INVALID_PRODUCER_EPOCH);
  assertEquals([fenced.error, other.error], [
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ]);
});

Deno.test("coordinator: after an unknown outcome another machine is loaded from the log", () => {
  const stage = new Stage();
  stage.say(["a"]);
  stage.run();
  stage.answer();
  const said = stage.say(["b"]);
  stage.run();
  const { records } = stage.appends[0]!;
  stage.answer(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
  assertEquals(said.error, ErrorCode.NOT_COORDINATOR);
  assert(stage.machines[0]!.isUnloaded);
  // It is in the log after all, and committed later.
  setBaseOffset(records, 0, 1);
  stage.log.push(records);
  stage.highWatermark = 1;
  stage.environment.advance(500);
  const early = stage.say([]);
  stage.run();
  assertEquals(early.error, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  stage.highWatermark = 2;
  stage.environment.advance(500);
  assertEquals([stage.machine.words, stage.machines.length], [["a", "b"], 2]);
  stage.say(["c"]);
  stage.run();
  stage.answer();
  assertEquals(stage.endOffset, 3);
});

Deno.test("coordinator: nothing is served before the high watermark has reached the log's end", () => {
  const before = new Stage();
  for (const words of [["a", "unknown", "b"], ["c"]]) {
    before.say(words);
    before.run();
    before.answer();
  }
  const stage = new Stage(before.log, 3);
  const early = stage.say(["x"]);
  stage.run();
  assertEquals(early.error, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  assertEquals(stage.loads, 0);
  stage.highWatermark = 4;
  stage.environment.advance(100);
  assertEquals([stage.loads, stage.machine.words], [1, ["a", "b", "c"]]);
});

Deno.test("coordinator: transactions and markers are loaded as they were written", () => {
  const before = new Stage();
  const all = [
    before.say(["a"], { producerId: 7 }),
    before.say(["b"]),
    before.say([], { producerId: 7, outcome: "commit" }),
    before.say(["c"], { producerId: 8 }),
    before.say([], { producerId: 8, outcome: "abort" }),
  ];
  before.run();
  for (let batch = 0; batch < all.length; batch++) before.answer();
  assertEquals(all.map(({ error }) => error), [0, 0, 0, 0, 0]);
  const words = ["?a", "b", "commit of 7", "?c", "abort of 8"];
  assertEquals(before.machine.words, words);
  assertEquals(new Stage(before.log).machine.words, words);
});

Deno.test("coordinator: where somebody else has written, the log is read again", () => {
  const stage = new Stage();
  const said = stage.say(["a"]);
  stage.run();
  const other = new Stage();
  other.say(["z"]);
  other.run();
  other.answer();
  stage.log.push(...other.log);
  stage.answer(ErrorCode.NONE, 1);
  assertEquals(said.error, 0);
  stage.environment.advance(500);
  assertEquals(stage.machine.words, ["z", "a"]);
});

Deno.test("coordinator: it ends with its partition, and answers whoever waits", () => {
  const stage = new Stage();
  const said = stage.say(["a"]);
  stage.run();
  stage.system.stop(stage.partition);
  stage.run();
  assertEquals(said.error, ErrorCode.NOT_COORDINATOR);
  assert(stage.machine.isUnloaded);
  assertEquals(stage.machine.words, []);
  assertEquals(
    stage.ref.tell({ kind: "coordinate", request: { words: [], told: () => {} } }),
    false,
  );
});
