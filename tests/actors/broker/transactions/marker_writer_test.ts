import { assertEquals } from "@std/assert";
import { MarkerWriter } from "../../../../actors/broker/transactions/marker_writer.ts";
import type { BrokerServices } from "../../../../actors/broker/services.ts";
import { TRANSACTION_TOPIC } from "../../../../actors/coordinator/internal_topics.ts";
import type {
  MarkersWritten,
  WriteMarkers,
} from "../../../../actors/coordinator/transaction/requests.ts";
import { TimeoutError } from "../../../../actors/link/errors.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import { ErrorCode, errorName } from "../../../../net/messages/errors.ts";
import type {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from "../../../../net/messages/write_txn_markers.ts";

type Done = Parameters<ConstructorParameters<typeof MarkerWriter>[0]["send"]>[2];

interface Sent {
  readonly to: number;
  readonly request: WriteTxnMarkersRequest;
  readonly done: Done;
}

/** A broker that leads nothing itself; where the partitions are led is told. */
class Stage {
  readonly sent: Sent[] = [];
  readonly told: string[] = [];
  /** Topic to the leaders of its partitions. */
  readonly leaders: Record<string, number[]> = { a: [1, 2], b: [1] };
  readonly unreachable = new Set<number>();
  #again: (() => void) | undefined;
  readonly writer = new MarkerWriter({
    broker: {
      nodeId: 9,
      image: {
        topicByName: (name: string) => {
          const leaders = this.leaders[name];
          return leaders && { id: name, partitions: leaders.map((leader) => ({ leader })) };
        },
      },
      environment: { logger: { log: () => {} } },
    } as unknown as BrokerServices,
    ask: () => {
      throw new Error("Nothing is led here");
    },
    send: (to, request, done) => {
      if (this.unreachable.has(to)) return false;
      this.sent.push({ to, request, done });
      return true;
    },
    after: (_delayMs, run) => this.#again = run,
  });

  write(producerId: number, topics: Record<string, number[]>): Ref<MarkersWritten> {
    const replyTo = {
      tell: ({ error }: MarkersWritten) => {
        this.told.push(`${producerId} ${errorName(error)}`);
        return true;
      },
    } as Ref<MarkersWritten>;
    const asked: WriteMarkers = {
      kind: "write-markers",
      transactionalId: `x-${producerId}`,
      producerId,
      producerEpoch: 3,
      committed: true,
      coordinatorEpoch: 5,
      transactionVersion: 2,
      partitions: Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })),
      replyTo,
    };
    this.writer.write(asked);
    return replyTo;
  }

  /** What was sent and not looked at: to whom, and the partitions of each producer. */
  take(): string[] {
    return this.sent.splice(0).map(({ to, request: { markers } }) =>
      `${to}: ` + markers.map(({ producerId, topics }) =>
        `${producerId} ` +
        topics.map(({ name, partitionIndexes }) => `${name}${partitionIndexes}`).join(" ")
      ).join("; ")
    );
  }

  /** Answers the oldest request, each partition with the error that is named, or NONE. */
  answer(errors: Record<string, ErrorCode> = {}): void {
    const { request, done } = this.sent.shift()!;
    const response: WriteTxnMarkersResponse = {
      markers: request.markers.map(({ producerId, topics }) => ({
        producerId,
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            errorCode: errors[`${name}${partitionIndex}`] ?? ErrorCode.NONE,
          })),
        })),
      })),
    };
    done(response);
  }

  again(): void {
    const run = this.#again;
    this.#again = undefined;
    run?.();
  }
}

Deno.test("markers: all that one broker leads goes in one request, and the end is told once", () => {
  const stage = new Stage();
  stage.write(7, { a: [0, 1], b: [0] });
  assertEquals(stage.sent.map(({ to }) => to), [1, 2]);
  stage.answer();
  assertEquals(stage.told, []);
  stage.answer();
  assertEquals([stage.told, stage.writer.size], [["7 NONE"], 0]);
});

Deno.test("markers: they say whose they are, in which epochs, and of which version", () => {
  const stage = new Stage();
  stage.write(7, { a: [0] });
  assertEquals(stage.sent[0]!.request.markers, [{
    producerId: 7,
    producerEpoch: 3,
    transactionResult: true,
    topics: [{ name: "a", partitionIndexes: [0] }],
    coordinatorEpoch: 5,
    transactionVersion: 2,
  }]);
});

Deno.test("markers: none goes into the log of transactions", () => {
  const stage = new Stage();
  stage.leaders[TRANSACTION_TOPIC] = [1];
  stage.write(7, { [TRANSACTION_TOPIC]: [0] });
  assertEquals([stage.told, stage.take()], [["7 NONE"], []]);
});

Deno.test("markers: what failed goes again, to whoever leads by then, and nothing else does", () => {
  const stage = new Stage();
  stage.write(7, { a: [0, 1], b: [0] });
  stage.answer({ a0: ErrorCode.NOT_LEADER_OR_FOLLOWER });
  stage.answer();
  stage.leaders.a = [3, 2];
  stage.again();
  assertEquals(stage.take(), ["3: 7 a0"]);
});

Deno.test("markers: a broker that gives no answer, or cannot be reached, is tried again", () => {
  const stage = new Stage();
  stage.unreachable.add(2);
  stage.write(7, { a: [0, 1] });
  stage.sent.shift()!.done(new TimeoutError("Nobody answers"));
  stage.unreachable.clear();
  stage.again();
  assertEquals(stage.take(), ["2: 7 a1", "1: 7 a0"]);
});

Deno.test("markers: what is tried again goes together", () => {
  const stage = new Stage();
  stage.leaders.a = [-1, -1];
  stage.write(7, { a: [0] });
  stage.write(8, { a: [0, 1] });
  assertEquals(stage.take(), []);
  stage.leaders.a = [1, 1];
  stage.again();
  assertEquals(stage.take(), ["1: 7 a0; 8 a0,1"]);
});

Deno.test("markers: partitions that are no more need none", () => {
  const stage = new Stage();
  stage.write(7, { gone: [0, 1] });
  assertEquals(stage.told, ["7 NONE"]);
  stage.write(8, { a: [0, 5] });
  stage.answer();
  assertEquals(stage.told, ["7 NONE", "8 NONE"]);
});

Deno.test("markers: a newer coordinator ends them, a newer epoch of the producer is as good", () => {
  const stage = new Stage();
  stage.write(7, { a: [0, 1] });
  stage.answer({ a0: ErrorCode.TRANSACTION_COORDINATOR_FENCED });
  assertEquals(stage.told, ["7 TRANSACTION_COORDINATOR_FENCED"]);
  stage.answer();
  assertEquals(stage.told.length, 1);
  stage.write(8, { a: [0] });
  stage.answer({ a0: ErrorCode.INVALID_PRODUCER_EPOCH });
  assertEquals(stage.told.at(-1), "8 NONE");
});

Deno.test("markers: what was taken back is not sent again, and nobody is told", () => {
  const stage = new Stage();
  const replyTo = stage.write(7, { a: [0], b: [0] });
  stage.writer.forget(replyTo);
  stage.answer({ a0: ErrorCode.NOT_LEADER_OR_FOLLOWER });
  stage.again();
  assertEquals([stage.take(), stage.told, stage.writer.size], [[], [], 0]);
});
