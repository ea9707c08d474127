/** Transactions of producers, on a simulated node: what users see of them. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  CommitFailedError,
  ProducerFencedError,
  TimeoutError,
  TransactionAbortedError,
} from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { failure, TransactionWorld } from "./transaction_world.ts";

Deno.test("transaction: what is committed is read, all partitions of it", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 3);
  const producer = await world.producer();
  const result = await world.settled(producer.transaction(async (tx) => {
    for (let i = 0; i < 30; i++) tx.send({ topic: "t", partition: i % 3, value: `${i}` });
    await tx.sendBatch("t", [{ value: "30" }, { value: "31" }]);
    return "done";
  }));
  assertEquals(result, "done");
  assertEquals((await world.read("t", "read_committed")).length, 32);
  await world.close();
});

Deno.test("transaction: what is aborted by a throw is not read, and the error comes back", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer();
  const error = await failure(
    world,
    producer.transaction(async (tx) => {
      await tx.send({ topic: "t", value: "never" });
      throw new RangeError("no");
    }),
  );
  assert(error instanceof RangeError);
  await world.settled(producer.transaction((tx) => void tx.send({ topic: "t", value: "then" })));
  assertEquals(await world.read("t", "read_committed"), ["then"]);
  assertEquals(await world.read("t", "read_uncommitted"), ["never", "then"]);
  await world.close();
});

Deno.test("transaction: many after each other are each seen once, in order", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer();
  for (let i = 0; i < 20; i++) {
    const run = producer.transaction((tx) => {
      tx.send({ topic: "t", value: `${i}a` }).catch(() => {});
      tx.send({ topic: "t", value: `${i}b` }).catch(() => {});
      if (i % 3 === 1) throw new Error("no");
    });
    await world.settled(run.catch(() => {}));
  }
  const kept = Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 3 !== 1);
  assertEquals(await world.read("t", "read_committed"), kept.flatMap((i) => [`${i}a`, `${i}b`]));
  await world.close();
});

Deno.test("transaction: one that sends nothing asks nothing of the coordinator", async () => {
  const world = new TransactionWorld();
  const producer = await world.producer();
  assertEquals(await world.settled(producer.transaction(() => 7)), 7);
  await world.close();
});

Deno.test("transaction: nothing is sent outside of one, nor in one that is over", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer();
  const outside = await failure(world, producer.send({ topic: "t", value: "a" }));
  assertEquals(outside.code, ErrorCode.INVALID_TXN_STATE);
  const batch = await failure(world, producer.sendBatch("t", [{ value: "a" }]));
  assertEquals(batch.code, ErrorCode.INVALID_TXN_STATE);
  const kept = await world.settled(producer.transaction((tx) => tx));
  const late = await failure(world, kept.send({ topic: "t", value: "a" }));
  assertEquals(late.code, ErrorCode.INVALID_TXN_STATE);
  const open = producer.transaction((tx) => tx.send({ topic: "t", value: "b" }));
  const second = await failure(world, producer.transaction(() => {}));
  assertEquals(second.code, ErrorCode.INVALID_TXN_STATE);
  await world.settled(open);
  await world.close();
});

Deno.test("transaction: a record that cannot be sent aborts it", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer({ maxRequestSize: 2000 });
  const error = await failure(
    world,
    producer.transaction((tx) => {
      tx.send({ topic: "t", value: "small" });
      tx.send({ topic: "t", value: new Uint8Array(5000) });
    }),
  );
  assert(error instanceof TransactionAbortedError);
  assert(error.message.includes("the record takes"), error.message);
  await world.settled(producer.transaction((tx) => tx.send({ topic: "t", value: "next" })));
  assertEquals(await world.read("t", "read_committed"), ["next"]);
  await world.close();
});

Deno.test("transaction: whoever had the transactional id before is fenced", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const first = await world.producer();
  let goOn = () => {};
  const held = first.transaction(async (tx) => {
    await tx.send({ topic: "t", value: "zombie" });
    await new Promise<void>((resolve) => goOn = resolve);
  });
  held.catch(() => {});
  await world.pass(2000);
  const second = await world.producer({}, 3);
  goOn();
  const error = await failure(world, held);
  assert(error instanceof ProducerFencedError, String(error));
  const again = await failure(world, first.transaction(() => {}));
  assert(again instanceof ProducerFencedError);
  await world.settled(second.transaction((tx) => tx.send({ topic: "t", value: "mine" })));
  assertEquals(await world.read("t", "read_committed"), ["mine"]);
  await world.close();
});

Deno.test("transaction: one that takes longer than its timeout is fenced", async () => {
  const world = new TransactionWorld({
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
  });
  await world.createTopic("t", 1);
  const producer = await world.producer({ transactionTimeoutMs: 3000 });
  let goOn = () => {};
  const held = producer.transaction(async (tx) => {
    await tx.send({ topic: "t", value: "late" });
    await new Promise<void>((resolve) => goOn = resolve);
  });
  held.catch(() => {});
  await world.pass(10_000);
  goOn();
  assert((await failure(world, held)) instanceof ProducerFencedError);
  assertEquals(await world.read("t", "read_committed"), []);
  await world.close();
});

Deno.test("transaction: records are copied exactly once, offsets with them", async () => {
  const world = new TransactionWorld();
  await world.createTopic("in", 2);
  await world.createTopic("out", 2);
  await world.produce("in", 2, Array.from({ length: 40 }, (_, i) => `${i}`));
  const producer = await world.producer();
  const { consumer } = await world.reader({
    group: "copy",
    topics: ["in"],
    groupProtocol: "classic",
    enableAutoCommit: false,
    isolationLevel: "read_committed",
    maxPollRecords: 7,
  });
  let copied = 0;
  for (let round = 0; copied < 40; round++) {
    const records = await world.settled(consumer.poll(10_000));
    const offsets = new Map(
      records.map(({ topic, partition, offset }) =>
        [partition, { topic, partition, offset: offset + 1 }] as const
      ),
    );
    const run = producer.transaction(async (tx) => {
      for (const { partition, ...record } of records) {
        const value = new TextDecoder().decode(record.value!);
        tx.send({ topic: "out", partition, value }).catch(() => {});
      }
      await tx.sendOffsets([...offsets.values()], consumer.groupMetadata());
      if (round % 2 === 1) throw new Error("no");
    });
    if (round % 2 === 0) {
      await world.settled(run);
      copied += records.length;
      continue;
    }
    await world.settled(run.catch(() => {}));
    // Back to where the group stands.
    for (const { topic, partition, offset } of await world.settled(consumer.committed())) {
      if (offset === null) consumer.seekToBeginning([{ topic, partition }]);
      else consumer.seek({ topic, partition }, offset);
    }
  }
  const values = (await world.read("out", "read_committed")).map(Number).sort((a, b) => a - b);
  assertEquals(values, Array.from({ length: 40 }, (_, i) => i));
  await world.close();
});

Deno.test("transaction: offsets of a member that is none any more abort it", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer();
  const { consumer } = await world.reader({
    group: "g",
    topics: ["t"],
    groupProtocol: "classic",
  });
  await world.settled(consumer.poll(5000));
  const group = { ...consumer.groupMetadata(), generationId: 99 };
  const error = await failure(
    world,
    producer.transaction((tx) => tx.sendOffsets([{ topic: "t", partition: 0, offset: 5 }], group)),
  );
  assert(error instanceof CommitFailedError, String(error));
  await world.settled(producer.transaction((tx) => tx.send({ topic: "t", value: "on" })));
  await world.close();
});

Deno.test("transaction: without transaction.version 2 partitions and groups are added before", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 3);
  const admin = await world.admin();
  await world.downgrade();
  const producer = await world.producer();
  const { consumer } = await world.reader({ group: "g", topics: ["t"], groupProtocol: "classic" });
  await world.settled(consumer.poll(5000));
  for (let i = 0; i < 4; i++) {
    const run = producer.transaction(async (tx) => {
      for (let partition = 0; partition < 3; partition++) {
        tx.send({ topic: "t", partition, value: `${i}` }).catch(() => {});
      }
      const offset = { topic: "t", partition: 0, offset: i + 1 };
      await tx.sendOffsets([offset], consumer.groupMetadata());
      if (i % 2 === 1) throw new Error("no");
    });
    await world.settled(run.catch(() => {}));
  }
  const values = (await world.read("t", "read_committed")).sort();
  assertEquals(values, ["0", "0", "0", "2", "2", "2"]);
  const [committed] = await world.settled(consumer.committed([{ topic: "t", partition: 0 }]));
  assertEquals(committed!.offset, 3);
  const [described] = await world.settled(admin.describeTransactions(["x"]));
  // An epoch lasts as long as nothing goes wrong.
  assertEquals(described!.producerEpoch, 0);
  await world.close();
});

for (const version of [1, 2]) {
  Deno.test(`transaction: one that is open when its producer closes is aborted (version ${version})`, async () => {
    const world = new TransactionWorld();
    if (version === 1) await world.downgrade();
    await world.createTopic("t", 1);
    const producer = await world.producer({ transactionTimeoutMs: 600_000 });
    const holder: { goOn?: () => void } = {};
    const open = failure(
      world,
      producer.transaction(async (tx) => {
        await tx.send({ topic: "t", value: "not committed" });
        await new Promise<void>((resolve) => holder.goOn = resolve);
      }),
    );
    await world.until(() => holder.goOn !== undefined);
    await world.settled(producer.close());
    // Nothing keeps readers of what is committed from what comes after it.
    await world.produce("t", 1, ["after"]);
    assertEquals(await world.read("t", "read_committed"), ["after"]);
    holder.goOn!();
    assertInstanceOf(await open, TransactionAbortedError);
    await world.close();
  });
}

Deno.test("transaction: two are not open at a time, though the id is to be taken anew first", async () => {
  const world = new TransactionWorld();
  await world.createTopic("t", 1);
  const producer = await world.producer({ maxBlockMs: 2_000, requestTimeoutMs: 1_000 });
  const { links } = world.simulation;
  const cut = failure(
    world,
    producer.transaction((tx) => {
      links.partition("node", "client2");
      return tx.sendOffsets([{ topic: "t", partition: 0, offset: 1 }], {
        groupId: "g",
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
      });
    }),
  );
  assertInstanceOf(await cut, TimeoutError);
  links.healAll();
  await world.pass(5_000);
  const ends = await world.settled(
    Promise.allSettled([1, 2].map((number) =>
      producer.transaction(async (tx) => {
        await tx.send({ topic: "t", value: `${number}` });
        await tx.send({ topic: "t", value: `${number}` });
      })
    )),
  );
  assertEquals(ends.map(({ status }) => status), ["fulfilled", "rejected"]);
  assertEquals(await world.read("t", "read_committed"), ["1", "1"]);
  await world.close();
});
