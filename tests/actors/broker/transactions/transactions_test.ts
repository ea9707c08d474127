import { assert, assertEquals } from "@std/assert";
import { ADD_PARTITIONS_TO_TXN } from "../../../../net/messages/add_partitions_to_txn.ts";
import { API_VERSIONS } from "../../../../net/messages/api_versions.ts";
import { DESCRIBE_PRODUCERS } from "../../../../net/messages/describe_producers.ts";
import { END_TXN } from "../../../../net/messages/end_txn.ts";
import { ErrorCode, errorName } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { LIST_TRANSACTIONS } from "../../../../net/messages/list_transactions.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { WRITE_TXN_MARKERS } from "../../../../net/messages/write_txn_markers.ts";
import { batchOf } from "../broker_world.ts";
import { TransactionsNode as Stage } from "../transactions_node.ts";
import {
  committedValues,
  endOffsets,
  fetchCommitted,
  type RawProducer,
} from "../transaction_stage.ts";

for (const version of [1, 2] as const) {
  const of = `transactions, version ${version}`;

  Deno.test(`${of}: what is committed is read committed, what is aborted is not`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    producer.send("orders", 0, "a", "b");
    producer.send("orders", 1, "c");
    assertEquals(producer.state, "Ongoing");
    assertEquals(committedValues(stage, "orders"), []);
    assertEquals(endOffsets(stage, "orders"), [0, 2]);
    producer.commit();
    producer.awaitComplete();
    assertEquals(producer.state, "CompleteCommit");
    assertEquals(committedValues(stage, "orders", 0), ["a", "b"]);
    assertEquals(committedValues(stage, "orders", 1), ["c"]);
    producer.send("orders", 0, "d");
    producer.send("orders", 1, "e");
    producer.abort();
    producer.awaitComplete();
    producer.send("orders", 0, "f");
    producer.commit();
    producer.awaitComplete();
    assertEquals(committedValues(stage, "orders", 0), ["a", "b", "f"]);
    assertEquals(committedValues(stage, "orders", 1), ["c"]);
    assertEquals(endOffsets(stage, "orders"), [7, 7]);
    const { producerId } = producer;
    assertEquals(fetchCommitted(stage, "orders", 0, 3).partitions[0]!.abortedTransactions, [
      { producerId, firstOffset: 3 },
    ]);
    assertEquals(fetchCommitted(stage, "orders", 0, 5).partitions[0]!.abortedTransactions, []);
  });

  Deno.test(`${of}: the next transaction waits for the markers of the one before`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    for (let round = 0; round < 10; round++) {
      producer.send("orders", round % 2, `${round}`);
      if (round % 3 === 0) producer.abort();
      else producer.commit();
    }
    producer.awaitComplete();
    assertEquals(committedValues(stage, "orders", 0), ["2", "4", "8"]);
    assertEquals(committedValues(stage, "orders", 1), ["1", "5", "7"]);
  });

  Deno.test(`${of}: who takes a transactional id over fences whoever had it`, () => {
    const stage = new Stage();
    const zombie = stage.producer("x", version).init();
    zombie.send("orders", 0, "lost");
    const other = stage.producer("x", version);
    assertEquals(other.tryInit(), "CONCURRENT_TRANSACTIONS");
    other.init();
    assertEquals(other.producerId, zombie.producerId);
    assert(other.producerEpoch > zombie.producerEpoch);
    assertEquals(zombie.produce("orders", 0, "late"), "INVALID_PRODUCER_EPOCH");
    assertEquals(zombie.produce("orders", 1, "late"), "INVALID_PRODUCER_EPOCH");
    assertEquals(zombie.add("orders", 0), ["PRODUCER_FENCED"]);
    assertEquals(zombie.tryEnd(true), "PRODUCER_FENCED");
    assertEquals(zombie.tryEnd(false), "PRODUCER_FENCED");
    other.send("orders", 0, "kept");
    other.commit();
    other.awaitComplete();
    assertEquals(committedValues(stage, "orders"), ["kept"]);
  });

  Deno.test(`${of}: one that is open for too long is aborted, and its producer fenced`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init({ timeoutMs: 5000 });
    producer.send("orders", 0, "lost");
    stage.pass(4000);
    assertEquals(producer.state, "Ongoing");
    stage.pass(3000);
    assertEquals(producer.state, "CompleteAbort");
    assertEquals(committedValues(stage, "orders"), []);
    assertEquals(endOffsets(stage, "orders"), [2, 2]);
    assertEquals(producer.tryEnd(true), "PRODUCER_FENCED");
    assertEquals(producer.produce("orders", 0, "late"), "INVALID_PRODUCER_EPOCH");
  });

  Deno.test(`${of}: a restart of the broker loses and flips nothing`, () => {
    for (const end of ["stop", "kill"] as const) {
      const stage = new Stage();
      const producer = stage.producer("x", version).init();
      producer.send("orders", 0, "a");
      producer.commit();
      stage.restart(end);
      producer.awaitComplete();
      assertEquals(producer.state, "CompleteCommit");
      producer.send("orders", 0, "b");
      stage.restart(end);
      assertEquals(producer.state, "Ongoing");
      assertEquals(producer.produce("orders", 0, "c"), "NONE");
      assertEquals(committedValues(stage, "orders"), ["a"]);
      producer.abort();
      producer.awaitComplete();
      stage.restart(end);
      assertEquals(committedValues(stage, "orders"), ["a"]);
      assertEquals(endOffsets(stage, "orders"), [5, 5]);
    }
  });

  Deno.test(`${of}: an end that is told again is answered as the first time`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    const { producerId, producerEpoch } = producer;
    producer.send("orders", 0, "a");
    producer.commit();
    const ended = { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
    producer.awaitComplete();
    producer.become({ producerId, producerEpoch });
    assertEquals(producer.tryEnd(false), "INVALID_TXN_STATE");
    producer.become({ producerId, producerEpoch });
    assertEquals(producer.tryEnd(true), "NONE");
    assertEquals(
      { producerId: producer.producerId, producerEpoch: producer.producerEpoch },
      ended,
    );
    assertEquals(committedValues(stage, "orders"), ["a"]);
  });

  Deno.test(`${of}: an outcome is decided once`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    const before = { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
    producer.send("orders", 0, "a");
    producer.abort();
    producer.become(before);
    const error = producer.tryEnd(true);
    assert(error === "INVALID_TXN_STATE", error);
    producer.awaitComplete();
    assertEquals(producer.state, "CompleteAbort");
  });

  Deno.test(`${of}: offsets count with their transaction, or not at all`, () => {
    const stage = new Stage();
    stage.findGroup("g");
    const producer = stage.producer("x", version).init();
    const commit = (offset: number) => {
      if (version === 1) assertEquals(producer.addOffsets("g"), "NONE");
      assertEquals(producer.commitOffset("g", "orders", 0, offset), "NONE");
    };
    commit(5);
    assertEquals(stage.committedOffset("g"), [-1, "NONE"]);
    assertEquals(stage.committedOffset("g", true), [-1, "UNSTABLE_OFFSET_COMMIT"]);
    producer.send("orders", 0, "a");
    producer.commit();
    producer.awaitComplete();
    assertEquals(stage.committedOffset("g", true), [5, "NONE"]);
    commit(9);
    producer.abort();
    producer.awaitComplete();
    assertEquals(stage.committedOffset("g", true), [5, "NONE"]);
    commit(7);
    stage.restart("kill");
    producer.commit();
    producer.awaitComplete();
    assertEquals(stage.committedOffset("g", true), [7, "NONE"]);
  });

  Deno.test(`${of}: records come in one order, whatever waits for the coordinator`, () => {
    const stage = new Stage();
    const producer = stage.producer("x", version).init();
    if (version === 1) producer.add("orders", 0);
    const { producerId, producerEpoch } = producer;
    const sent = Array.from({ length: 5 }, (_, baseSequence) => {
      const records = batchOf([`${baseSequence}`], {
        producerId,
        producerEpoch,
        baseSequence,
        isTransactional: true,
      });
      return stage.client.begin(PRODUCE, {
        transactionalId: "x",
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }],
      }, version === 2 ? 12 : 11);
    });
    const offsets = sent.map((pending) => {
      const { errorCode, baseOffset } = stage.world.settled(pending).responses[0]!
        .partitionResponses[0]!;
      assertEquals(errorName(errorCode), "NONE");
      return baseOffset;
    });
    assertEquals(offsets, [0, 1, 2, 3, 4]);
    producer.commit();
    producer.awaitComplete();
    assertEquals(committedValues(stage, "orders"), ["0", "1", "2", "3", "4"]);
    const { requestBytes, fetchedBytes } = stage.world.booted.usage;
    assertEquals([requestBytes, fetchedBytes], [0, 0]);
  });
}

Deno.test("transactions: records of no transaction are refused, and later ones of one are not", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  assertEquals(producer.produce("orders", 0, "a"), "TRANSACTION_ABORTABLE");
  producer.add("orders", 1);
  assertEquals(producer.produce("orders", 0, "a"), "TRANSACTION_ABORTABLE");
  assertEquals(producer.produce("orders", 1, "a"), "NONE");
  producer.commit();
  producer.awaitComplete();
  assertEquals(producer.produce("orders", 1, "b"), "TRANSACTION_ABORTABLE");
  assertEquals(endOffsets(stage, "orders", 0), [0, 0]);
});

Deno.test("transactions: clients that do not know TRANSACTION_ABORTABLE get INVALID_TXN_STATE", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  const { producerId, producerEpoch } = producer;
  const records = batchOf(["a"], {
    producerId,
    producerEpoch,
    baseSequence: 0,
    isTransactional: true,
  });
  const { responses } = stage.world.ask(stage.client, PRODUCE, {
    transactionalId: "x",
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }],
  }, 10);
  const { errorCode } = responses[0]!.partitionResponses[0]!;
  assertEquals(errorName(errorCode), "INVALID_TXN_STATE");
});

Deno.test("transactions: an unknown transactional id, another producer id and no id are refused", () => {
  const stage = new Stage();
  const nobody = stage.producer("nobody", 1);
  nobody.become({ producerId: 77, producerEpoch: 0 });
  assertEquals(nobody.add("orders", 0), ["INVALID_PRODUCER_ID_MAPPING"]);
  assertEquals(nobody.tryEnd(true), "INVALID_PRODUCER_ID_MAPPING");
  assertEquals(nobody.produce("orders", 0, "a"), "INVALID_PRODUCER_ID_MAPPING");
  assertEquals(errorName(nobody.describe().errorCode), "TRANSACTIONAL_ID_NOT_FOUND");
  const producer = stage.producer("x", 1).init();
  producer.become({ producerId: producer.producerId + 1, producerEpoch: 0 });
  assertEquals(producer.add("orders", 0), ["INVALID_PRODUCER_ID_MAPPING"]);
  assertEquals(stage.producer("", 1).tryInit(), "INVALID_REQUEST");
  assertEquals(stage.producer("x").tryInit({ timeoutMs: 0 }), "INVALID_TRANSACTION_TIMEOUT");
  const tooLong = { timeoutMs: 900_001 };
  assertEquals(stage.producer("x").tryInit(tooLong), "INVALID_TRANSACTION_TIMEOUT");
});

Deno.test("transactions: offsets of no transaction are refused", () => {
  const stage = new Stage();
  stage.findGroup("g");
  const producer = stage.producer("x", 1).init();
  assertEquals(producer.commitOffset("g", "orders", 0, 5), "INVALID_TXN_STATE");
  producer.add("orders", 0);
  assertEquals(producer.commitOffset("g", "orders", 0, 5), "INVALID_TXN_STATE");
  assertEquals(producer.addOffsets("g"), "NONE");
  assertEquals(producer.commitOffset("g", "orders", 0, 5), "NONE");
  const zombie = { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
  stage.producer("x", 1).init();
  producer.become(zombie);
  assertEquals(producer.commitOffset("g", "orders", 0, 6), "INVALID_PRODUCER_EPOCH");
  assertEquals(stage.committedOffset("g", true), [-1, "NONE"]);
});

Deno.test("transactions: where one partition cannot be added none is", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  assertEquals(producer.add("orders", 0, 7), [
    "OPERATION_NOT_ATTEMPTED",
    "UNKNOWN_TOPIC_OR_PARTITION",
  ]);
  assertEquals(producer.state, "Empty");
});

Deno.test("transactions: a transaction without records can be aborted, for a new epoch", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 2).init();
  const { producerEpoch } = producer;
  producer.abort();
  assertEquals(producer.producerEpoch, producerEpoch + 1);
  producer.awaitComplete();
  assertEquals(producer.tryEnd(true), "INVALID_TXN_STATE");
  producer.send("orders", 0, "a");
  producer.commit();
  producer.awaitComplete();
  assertEquals(committedValues(stage, "orders"), ["a"]);
});

Deno.test("transactions: an epoch that is used up gives a new producer id", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 2).init();
  const { producerId } = producer;
  // As many InitProducerId as there are epochs would take long: the log is told of a late one.
  for (let round = 0; round < 3; round++) producer.init();
  assertEquals([producer.producerId, producer.producerEpoch], [producerId, 3]);
});

Deno.test("transactions: a producer that goes on names its epoch, and may ask twice", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  const first = { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
  assertEquals(producer.tryInit({ goOn: true }), "NONE");
  assertEquals(producer.producerEpoch, first.producerEpoch + 1);
  producer.become(first);
  assertEquals(producer.tryInit({ goOn: true }), "NONE", "its answer was lost");
  assertEquals(producer.producerEpoch, first.producerEpoch + 1);
  stage.producer("x", 1).init();
  assertEquals(producer.tryInit({ goOn: true }), "PRODUCER_FENCED");
});

Deno.test("transactions: open ones can be found, and ended by hand", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 1).init();
  producer.send("orders", 0, "a");
  const { producerId, producerEpoch } = producer;
  const list = (draft: object) =>
    stage.world.ask(stage.client, LIST_TRANSACTIONS, draft).transactionStates;
  const listed = { transactionalId: "x", producerId, transactionState: "Ongoing" };
  assertEquals(list({}), [listed]);
  assertEquals(list({ stateFilters: ["Ongoing"], producerIdFilters: [producerId] }), [listed]);
  assertEquals(list({ stateFilters: ["Empty"] }), []);
  assertEquals(list({ producerIdFilters: [producerId + 1] }), []);
  stage.pass(500);
  assertEquals(list({ durationFilter: 400 }), [listed]);
  assertEquals(list({ durationFilter: 100_000 }), []);
  const unknown = stage.world.ask(stage.client, LIST_TRANSACTIONS, { stateFilters: ["Odd"] });
  assertEquals(unknown.unknownStateFilters, ["Odd"]);
  const described = producer.describe();
  assertEquals(described.topics, [{ topic: "orders", partitions: [0] }]);
  assertEquals(described.transactionTimeoutMs, 60_000);

  const producersOf = () => {
    const { topics } = stage.world.ask(stage.client, DESCRIBE_PRODUCERS, {
      topics: [{ name: "orders", partitionIndexes: [0, 9] }],
    });
    assertEquals(errorName(topics[0]!.partitions[1]!.errorCode), "UNKNOWN_TOPIC_OR_PARTITION");
    return topics[0]!.partitions[0]!.activeProducers;
  };
  assertEquals(producersOf().map(({ lastTimestamp: _, ...each }) => each), [{
    producerId,
    producerEpoch,
    lastSequence: 0,
    coordinatorEpoch: -1,
    currentTxnStartOffset: 0,
  }]);
  const mark = (coordinatorEpoch: number, partition = 0) =>
    stage.world.ask(stage.client, WRITE_TXN_MARKERS, {
      markers: [{
        producerId,
        producerEpoch,
        transactionResult: false,
        coordinatorEpoch,
        topics: [{ name: "orders", partitionIndexes: [partition] }],
      }],
    }).markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorName(errorCode));
  assertEquals(mark(5), ["NONE"]);
  assertEquals(mark(4), ["TRANSACTION_COORDINATOR_FENCED"]);
  assertEquals(mark(0, 9), ["UNKNOWN_TOPIC_OR_PARTITION"]);
  assertEquals(producersOf()[0]!.currentTxnStartOffset, -1);
  assertEquals(endOffsets(stage, "orders"), [2, 2]);
});

Deno.test("transactions: brokers may ask for several, and only whether", () => {
  const stage = new Stage();
  const one = stage.producer("one", 1).init();
  const two = stage.producer("two", 1).init();
  one.add("orders", 0);
  const verify = (producer: RawProducer, verifyOnly: boolean, partitions: number[]) => ({
    transactionalId: producer.id,
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    verifyOnly,
    topics: [{ name: "orders", partitions }],
  });
  const { resultsByTransaction } = stage.world.ask(stage.client, ADD_PARTITIONS_TO_TXN, {
    transactions: [verify(one, true, [0, 1]), verify(two, true, [0]), verify(two, false, [1])],
  });
  const errors = resultsByTransaction.map(({ topicResults }) =>
    topicResults.flatMap(({ resultsByPartition }) =>
      resultsByPartition.map(({ partitionErrorCode }) => errorName(partitionErrorCode))
    )
  );
  assertEquals(errors, [["NONE", "TRANSACTION_ABORTABLE"], ["TRANSACTION_ABORTABLE"], ["NONE"]]);
  assertEquals(two.state, "Ongoing");
});

Deno.test("transactions: with version 2 the first records that are known of a producer are its first", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 2).init();
  assertEquals(producer.produceAt("orders", 0, 1, "b"), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assertEquals(producer.produceAt("orders", 0, 0, "a"), "NONE");
  assertEquals(producer.produceAt("orders", 0, 1, "b"), "NONE");
  producer.commit();
  producer.awaitComplete();
  assertEquals(committedValues(stage, "orders", 0), ["a", "b"]);
  // Before, sequences go on, and what is known of them may have expired.
  const older = stage.producer("y", 1).init();
  assertEquals(older.add("orders", 1), ["NONE"]);
  assertEquals(older.produceAt("orders", 1, 7, "c"), "NONE");
});

Deno.test("transactions: a consumer of committed records waits for a decision, not for records", () => {
  const stage = new Stage();
  const producer = stage.producer("x", 2).init();
  producer.send("orders", 0, "a");
  const pending = stage.client.begin(FETCH, {
    isolationLevel: 1,
    minBytes: 1,
    maxBytes: 1 << 20,
    maxWaitMs: 20_000,
    topics: [{
      topic: "orders",
      partitions: [{
        partition: 0,
        fetchOffset: 0,
        partitionMaxBytes: 1 << 20,
        currentLeaderEpoch: -1,
      }],
    }],
  }, 12);
  stage.pass(1000);
  producer.send("orders", 0, "b");
  stage.pass(1000);
  assertEquals(pending.isSettled, false);
  producer.commit();
  stage.pass(100);
  assertEquals(pending.isSettled, true);
  const { highWatermark, lastStableOffset } = pending.response!.responses[0]!.partitions[0]!;
  assertEquals([highWatermark, lastStableOffset], [3, 3]);
});

Deno.test("transactions: markers of a deleted topic are not waited for", () => {
  const stage = new Stage();
  stage.world.createTopic(stage.client, "gone");
  const producer = stage.producer("x", 1).init();
  producer.send("orders", 0, "a");
  producer.send("gone", 0, "b");
  stage.world.deleteTopic(stage.client, "gone");
  producer.commit();
  producer.awaitComplete();
  assertEquals(committedValues(stage, "orders"), ["a"]);
});

Deno.test("transactions: an id that nobody uses is forgotten", () => {
  const stage = new Stage({
    "transactional.id.expiration.ms": "10000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "1000",
  });
  const producer = stage.producer("x", 1).init();
  const busy = stage.producer("busy", 1).init();
  busy.send("orders", 0, "a");
  stage.pass(20_000);
  assertEquals(errorName(producer.describe().errorCode), "TRANSACTIONAL_ID_NOT_FOUND");
  assertEquals(busy.state, "Ongoing");
  assertEquals(producer.add("orders", 0), ["INVALID_PRODUCER_ID_MAPPING"]);
  stage.restart("stop");
  assertEquals(errorName(producer.describe().errorCode), "TRANSACTIONAL_ID_NOT_FOUND");
});

Deno.test("transactions: the cluster has agreed on version 2, and says so", () => {
  const stage = new Stage();
  const { finalizedFeatures, finalizedFeaturesEpoch } = stage.world.ask(
    stage.client,
    API_VERSIONS,
    {},
  );
  const found = finalizedFeatures.find(({ name }) => name === "transaction.version");
  assertEquals(found?.maxVersionLevel, 2);
  assert(finalizedFeaturesEpoch >= 0);
});

Deno.test("transactions: older clients are told INVALID_PRODUCER_EPOCH of what fences them", () => {
  const stage = new Stage();
  const zombie = stage.producer("x", 1).init();
  const { producerId, producerEpoch } = zombie;
  stage.producer("x", 1).init();
  const draft = { transactionalId: "x", producerId, producerEpoch, committed: true };
  const { errorCode } = stage.world.ask(stage.client, END_TXN, draft, 1);
  assertEquals(errorCode, ErrorCode.INVALID_PRODUCER_EPOCH);
});
