import { assert, assertEquals } from "@std/assert";
import { TimeoutError } from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../../net/messages/init_producer_id.ts";
import { PRODUCE, type ProduceRequest } from "../../../../net/messages/produce.ts";
import type { Api } from "../../../../net/schema.ts";
import { BatchView } from "../../../../storage/record_batch.ts";
import type { Verdict } from "../fake_broker.ts";
import { rejection, type Setup, setUp, stored } from "./producer_setup.ts";

/** What a request of the fake cluster's says of its batches: producer, epoch, sequence, count. */
function stamps(request: unknown): string[] {
  return (request as ProduceRequest).topicData.flatMap(({ partitionData }) =>
    partitionData.map(({ records }) => stampOf(records!))
  );
}

function stampOf(batch: Uint8Array): string {
  const { producerId, producerEpoch, baseSequence, recordsCount } = new BatchView(batch);
  return `${producerId}/${producerEpoch} ${baseSequence}+${recordsCount}`;
}

/** Notes the stamp of each batch that is sent, and lets `verdict` decide by its count from 1. */
function watch(setup: Setup, verdict: (nth: number) => Verdict = () => undefined): string[] {
  const seen: string[] = [];
  setup.world.cluster.intercept = (api: Api, request) => {
    if (api !== PRODUCE) return undefined;
    seen.push(...stamps(request));
    return verdict(seen.length);
  };
  return seen;
}

const log = ({ world }: Setup) => world.cluster.partition("t", 0)!.batches.map(stampOf);

/** Sends values one after the other, each in a batch of its own. */
const sendEach = ({ producer }: Setup, ...values: string[]) =>
  values.map((value) => producer.send({ topic: "t", value }));

Deno.test("idempotence: batches bear producer id, epoch and numbers without a gap", async () => {
  const setup = await setUp({ batchSize: 0 });
  await setup.world.settled(Promise.all(sendEach(setup, "a", "b", "c")));
  await setup.world.settled(setup.producer.sendBatch("t", [{ value: "d" }, { value: "e" }]));
  await setup.world.settled(Promise.all(sendEach(setup, "f")));
  assertEquals(log(setup), [
    "1000/0 0+1",
    "1000/0 1+1",
    "1000/0 2+1",
    "1000/0 3+1",
    "1000/0 4+1",
    "1000/0 5+1",
  ]);
  assertEquals(setup.world.cluster.count(INIT_PRODUCER_ID), 1);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a batch whose answer was lost is stored once, and told where it is", async () => {
  const setup = await setUp();
  const seen = watch(
    setup,
    (nth) => nth === 1 ? { kind: "close", afterHandling: true } : undefined,
  );
  const [sent] = await setup.world.settled(Promise.all(sendEach(setup, "a")));
  assertEquals(sent!.offset, 0);
  assertEquals(seen, ["1000/0 0+1", "1000/0 0+1"]);
  assertEquals(stored(setup), ["a"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: five batches of a partition are on their way at most, once the log knows the producer", async () => {
  const setup = await setUp({ batchSize: 0 });
  const seen = watch(setup, () => ({ kind: "silence" }));
  const first = sendEach(setup, "0");
  await setup.world.pass(100);
  sendEach(setup, ...Array.from({ length: 9 }, (_, i) => String(i)));
  await setup.world.pass(100);
  assertEquals(seen.length, 1, "nothing is stored yet: only the first is sent");
  setup.world.cluster.intercept = () => undefined;
  await setup.world.settled(Promise.all(first));
  await setup.world.pass(1_000);
  seen.splice(0);
  const again = watch(setup, () => ({ kind: "silence" }));
  sendEach(setup, ...Array.from({ length: 9 }, (_, i) => String(i))).forEach((sent) =>
    sent.catch(() => {})
  );
  await setup.world.pass(100);
  assertEquals(again.length, 5);
  setup.world.cluster.intercept = () => undefined;
  await setup.world.settled(setup.producer.close());
  assertEquals(log(setup).length, 19);
});

Deno.test("idempotence: what fails is sent again with its number, and later batches wait for it", async () => {
  const setup = await setUp({ batchSize: 0 });
  await setup.world.settled(Promise.all(sendEach(setup, "0")));
  let failures = 1;
  setup.world.cluster.produceError = () => failures-- > 0 ? ErrorCode.NOT_ENOUGH_REPLICAS : 0;
  const seen = watch(setup);
  const sent = await setup.world.settled(Promise.all(sendEach(setup, "1", "2", "3")));
  assertEquals(sent.map(({ offset }) => offset), [1, 2, 3]);
  assertEquals(stored(setup), ["0", "1", "2", "3"]);
  assertEquals(
    seen.slice(0, 3),
    ["1000/0 1+1", "1000/0 2+1", "1000/0 3+1"],
    "refused, and so two out of order",
  );
  assertEquals(seen.slice(3), ["1000/0 1+1", "1000/0 2+1", "1000/0 3+1"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a batch that the broker says it has, it knows not where, is a success without offset", async () => {
  const setup = await setUp();
  setup.world.cluster.produceError = () => ErrorCode.DUPLICATE_SEQUENCE_NUMBER;
  const [sent] = await setup.world.settled(Promise.all(sendEach(setup, "a")));
  assertEquals(sent!.offset, -1);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a batch that is refused for good leaves its number to a new epoch (KIP-360)", async () => {
  const setup = await setUp({ batchSize: 0 });
  await setup.world.settled(Promise.all(sendEach(setup, "0")));
  const { cluster } = setup.world;
  let isFirst = true;
  cluster.produceError = () => {
    if (!isFirst) return 0;
    isFirst = false;
    return ErrorCode.INVALID_RECORD;
  };
  const [refused, ...others] = sendEach(setup, "1", "2", "3");
  assertEquals((await rejection(setup, refused!)).errorName, "INVALID_RECORD");
  await setup.world.settled(Promise.all(others));
  assertEquals(stored(setup), ["0", "2", "3"]);
  assertEquals(log(setup), ["1000/0 0+1", "1000/1 0+1", "1000/1 1+1"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a log that lost what it had acknowledged is sent on to in a new epoch", async () => {
  const setup = await setUp({ batchSize: 0 });
  await setup.world.settled(Promise.all(sendEach(setup, "0", "1")));
  setup.world.cluster.partition("t", 0)!.truncate(1);
  const [sent] = await setup.world.settled(Promise.all(sendEach(setup, "2")));
  assertEquals(sent!.offset, 1);
  assertEquals(log(setup), ["1000/0 0+1", "1000/1 0+1"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: after a batch of unknown fate was given up, the next goes in a new epoch", async () => {
  const config = {
    batchSize: 0,
    requestTimeoutMs: 500,
    deliveryTimeoutMs: 600,
    retryBackoffMs: 200,
  };
  const setup = await setUp(config);
  await setup.world.settled(Promise.all(sendEach(setup, "0")));
  watch(setup, () => ({ kind: "late", afterMs: 5_000 }));
  const error = await rejection(setup, sendEach(setup, "1")[0]!);
  assert(error instanceof TimeoutError, error.message);
  setup.world.cluster.intercept = () => undefined;
  await setup.world.settled(Promise.all(sendEach(setup, "2")));
  await setup.world.pass(10_000);
  assertEquals(log(setup), ["1000/0 0+1", "1000/1 0+1"], "the late one comes too late");
  assertEquals(stored(setup), ["0", "2"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a batch that may be stored fails rather than be sent under another number", async () => {
  const setup = await setUp({
    batchSize: 0,
    requestTimeoutMs: 500,
    deliveryTimeoutMs: 600,
    retryBackoffMs: 300,
  });
  await setup.world.settled(Promise.all(sendEach(setup, "0")));
  // Both are on their way when the connection is lost; then the first one's time is up.
  watch(setup, () => ({ kind: "silence" }));
  const first = sendEach(setup, "1")[0]!;
  await setup.world.pass(400);
  const second = sendEach(setup, "2")[0]!;
  for (const sent of [first, second]) sent.catch(() => {});
  await setup.world.pass(150);
  setup.world.cluster.intercept = () => undefined;
  assert(await rejection(setup, first) instanceof TimeoutError);
  const error = await rejection(setup, second);
  assertEquals(error.errorName, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  await setup.world.settled(Promise.all(sendEach(setup, "3")));
  assertEquals(log(setup), ["1000/0 0+1", "1000/1 0+1"]);
  assertEquals(stored(setup), ["0", "3"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: the parts of a batch share its numbers", async () => {
  const setup = await setUp();
  setup.world.cluster.produceError = (_topic, _partition, batch) =>
    batch.length > 400 ? ErrorCode.MESSAGE_TOO_LARGE : 0;
  const value = new Uint8Array(100);
  const values = Array.from({ length: 8 }, () => ({ value }));
  await setup.world.settled(setup.producer.sendBatch("t", values));
  const partition = setup.world.cluster.partition("t", 0)!;
  let next = 0;
  for (const batch of partition.batches) {
    const { baseSequence, recordsCount, producerEpoch } = new BatchView(batch);
    assertEquals([producerEpoch, baseSequence], [0, next]);
    next += recordsCount;
  }
  assertEquals(next, 8);
  assert(partition.batches.length > 1);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: nothing goes to a new leader before the old one has answered", async () => {
  const config = { batchSize: 0, requestTimeoutMs: 2_000, metadataMaxAgeMs: 50 };
  const setup = await setUp(config, { brokers: 2 });
  const { cluster } = setup.world;
  await setup.world.settled(Promise.all(sendEach(setup, "0")));
  const seen = watch(setup, (nth) => nth === 1 ? { kind: "silence" } : undefined);
  const sent = sendEach(setup, "1");
  await setup.world.pass(100);
  cluster.partition("t", 0)!.move(2, 0);
  await setup.world.pass(500);
  const later = sendEach(setup, "2", "3");
  await setup.world.settled(Promise.all([...sent, ...later]));
  assertEquals(seen.slice(0, 3), ["1000/0 1+1", "1000/0 1+1", "1000/0 2+1"]);
  assertEquals(stored(setup), ["0", "1", "2", "3"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: a producer id is asked for until there is one", async () => {
  const setup = await setUp({}, {
    before: (world) => {
      let failures = 3;
      world.cluster.handlers.set(
        INIT_PRODUCER_ID as Api,
        (_request, _broker, reply) =>
          failures-- > 0
            ? reply({ errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS })
            : reply({ producerId: 7, producerEpoch: 0 }),
      );
    },
  });
  await setup.world.settled(Promise.all(sendEach(setup, "a")));
  assertEquals(log(setup), ["7/0 0+1"]);
  assertEquals(setup.world.cluster.count(INIT_PRODUCER_ID), 4);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: without a right to be idempotent sends fail, and the next asks again", async () => {
  let isAllowed = false;
  const setup = await setUp({}, {
    before: (world) => {
      world.cluster.handlers.set(
        INIT_PRODUCER_ID as Api,
        (_request, _broker, reply) =>
          isAllowed
            ? reply({ producerId: 7, producerEpoch: 0 })
            : reply({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED }),
      );
    },
  });
  const error = await rejection(setup, sendEach(setup, "a")[0]!);
  assertEquals(error.errorName, "CLUSTER_AUTHORIZATION_FAILED");
  isAllowed = true;
  await setup.world.settled(Promise.all(sendEach(setup, "b")));
  assertEquals(stored(setup), ["b"]);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: with acks 1 no id is asked for, and batches bear none", async () => {
  const setup = await setUp({ acks: 1 });
  await setup.world.settled(Promise.all(sendEach(setup, "a")));
  assertEquals(log(setup), ["-1/-1 -1+1"]);
  assertEquals(setup.world.cluster.count(INIT_PRODUCER_ID), 0);
  await setup.world.settled(setup.producer.close());
});

Deno.test("idempotence: after the last epoch comes another producer id", async () => {
  const setup = await setUp({ batchSize: 0 }, {
    before: (world) => {
      let next = 7;
      world.cluster.handlers.set(
        INIT_PRODUCER_ID as Api,
        (_request, _broker, reply) => reply({ producerId: next++, producerEpoch: 32767 }),
      );
    },
  });
  await setup.world.settled(Promise.all(sendEach(setup, "a")));
  setup.world.cluster.partition("t", 0)!.truncate(0);
  setup.world.cluster.produceError = (_topic, _partition, batch) =>
    new BatchView(batch).producerId === 7 ? ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER : 0;
  await setup.world.settled(Promise.all(sendEach(setup, "b", "c")));
  assertEquals(log(setup), ["8/32767 0+1", "8/32767 1+1"]);
  await setup.world.settled(setup.producer.close());
});
