/**
 * Counting words, exactly once: what is read, what is written and how far it was read are committed
 * in one transaction, so that a count is never lost and never doubled, whenever the program ends.
 *
 * The counts are a compacted topic: of each word its latest count is kept.
 *
 * Run it with `deno run -A examples/word_count.ts`.
 */
import {
  Admin,
  Consumer,
  jsonDeserializer,
  jsonSerializer,
  Producer,
  startNode,
  textDeserializer,
} from "../mod.ts";

const LINES = ["the river and the sea", "the sea", "a river"];

const data = await Deno.makeTempDir();
await using node = await startNode({ data, native: { port: 0 } });
await using admin = await Admin.connect(node.address);
await admin.createTopics([
  { name: "lines" },
  { name: "counts", configs: { "cleanup.policy": "compact" } },
]);
await using writer = await Producer.connect(node.address);
await writer.sendBatch("lines", LINES.map((value) => ({ value })));

/** The counts as they are committed. */
async function readCounts(): Promise<Map<string, number>> {
  await using consumer = await Consumer.connect(node.address, {
    topics: ["counts"],
    from: "earliest",
    isolationLevel: "read_committed",
    keyDeserializer: textDeserializer,
    valueDeserializer: jsonDeserializer,
  });
  const counts = new Map<string, number>();
  const partition = { topic: "counts", partition: 0 };
  const [end] = await consumer.endOffsets([partition]);
  while ((consumer.position(partition) ?? 0) < end!.offset) {
    for (const { key, value } of await consumer.poll(100)) counts.set(key, Number(value));
  }
  return counts;
}

const counts = await readCounts();
await using lines = await Consumer.connect(node.address, {
  group: "word-count",
  topics: ["lines"],
  from: "earliest",
  enableAutoCommit: false,
});
await using producer = await Producer.connect(node.address, {
  transactionalId: "word-count",
  valueSerializer: jsonSerializer,
});
for (let counted = 0; counted < LINES.length;) {
  const records = await lines.poll(1000);
  if (records.length === 0) continue;
  const words = records.flatMap((record) => record.text().split(" "));
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  await producer.transaction((transaction) => {
    for (const word of new Set(words)) {
      void transaction.send({ topic: "counts", key: word, value: counts.get(word)! });
    }
    const next = records.map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset: offset + 1,
    }));
    transaction.sendOffsets(next, lines.groupMetadata());
  });
  counted += records.length;
}
for (const [word, count] of await readCounts()) console.log(word, count);
