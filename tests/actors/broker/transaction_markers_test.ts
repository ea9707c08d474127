import { assertEquals } from "@std/assert";
import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { WRITE_TXN_MARKERS } from "../../../net/messages/write_txn_markers.ts";
import { committedValues } from "./transaction_stage.ts";
import { TransactionsNode as Stage } from "./transactions_node.ts";

Deno.test("transactions: a marker that comes again late does not end the next transaction", () => {
  for (const topic of ["orders", "__consumer_offsets"]) {
    const stage = new Stage({ "offsets.topic.num.partitions": "1" });
    stage.findGroup("group");
    const producer = stage.producer("x", 2).init();
    const { producerId } = producer;
    producer.send("orders", 0, "a");
    assertEquals(producer.commitOffset("group", "orders", 0, 1), "NONE");
    producer.abort();
    producer.awaitComplete();
    producer.send("orders", 0, "b");
    assertEquals(producer.commitOffset("group", "orders", 0, 2), "NONE");
    const mark = (producerEpoch: number, transactionVersion: number) =>
      stage.world.ask(stage.client, WRITE_TXN_MARKERS, {
        markers: [{
          producerId,
          producerEpoch,
          transactionResult: false,
          // As a coordinator in the same epoch would send it.
          coordinatorEpoch: 0,
          topics: [{ name: topic, partitionIndexes: [0] }],
          transactionVersion,
        }],
      }).markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorName(errorCode));
    assertEquals(mark(producer.producerEpoch, 2), ["NONE"], "as if it were the first");
    assertEquals(mark(producer.producerEpoch - 1, 2), [
      topic === "orders" ? "INVALID_PRODUCER_EPOCH" : "NONE",
    ]);
    producer.send("orders", 0, "c");
    producer.commit();
    producer.awaitComplete();
    assertEquals(committedValues(stage, "orders", 0), ["b", "c"], topic);
    assertEquals(stage.committedOffset("group"), [2, "NONE"], topic);
  }
});

Deno.test("transactions: nobody has a part in the log of transactions", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  for (const topic of ["__transaction_state", "__consumer_offsets"]) {
    assertEquals(producer.add(topic, 0), ["TOPIC_AUTHORIZATION_FAILED"]);
  }
  const { producerId, producerEpoch } = producer;
  const topics = [{ name: "__transaction_state", partitions: [0] }];
  const { resultsByTransaction } = stage.world.ask(stage.client, ADD_PARTITIONS_TO_TXN, {
    transactions: [{ transactionalId: "x", producerId, producerEpoch, topics }],
  });
  assertEquals(resultsByTransaction[0]!.topicResults[0]!.resultsByPartition, [
    { partitionIndex: 0, partitionErrorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED },
  ]);
  const { markers } = stage.world.ask(stage.client, WRITE_TXN_MARKERS, {
    markers: [{
      producerId,
      producerEpoch,
      transactionResult: false,
      coordinatorEpoch: 0,
      topics: [{ name: "__transaction_state", partitionIndexes: [0] }],
    }],
  });
  assertEquals(markers[0]!.topics[0]!.partitions, [
    { partitionIndex: 0, errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION },
  ]);
  producer.send("orders", 0, "a");
  producer.commit();
  producer.awaitComplete();
});
