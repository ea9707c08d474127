/**
 * A client of transactions, in a process that is killed, stopped and let go on: transfers, each of
 * which writes to two partitions, or copies of one topic to another. SIGTERM ends it in order.
 */

import {
  Consumer,
  type ConsumerRecord,
  Producer,
  ProducerFencedError,
  TransactionAbortedError,
} from "../../../mod.ts";
import {
  COPIERS,
  halfOf,
  INPUT,
  OUTPUT,
  PARTITIONS,
  TRANSACTION_TIMEOUT_MS,
  type TransactorJob,
  type TransferEvent,
  TRANSFERS,
} from "./transactor_events.ts";

const POLL_MS = 100;
const MAX_POLL_RECORDS = 100;
/** Every so many transfers one is aborted on purpose. */
const ABORTED_ONE_IN = 5;

class Intended extends Error {}

let isEnding = false;
Deno.addSignalListener("SIGTERM", () => isEnding = true);

async function transfer(job: TransactorJob, producer: Producer<string, string>): Promise<void> {
  const file = Deno.openSync(job.file, { create: true, append: true });
  const encoder = new TextEncoder();
  const note = (kind: TransferEvent["kind"], id: string) => {
    file.writeSync(encoder.encode(`${JSON.stringify({ kind, id })}\n`));
  };
  for (let count = 0; !isEnding; count++) {
    const id = `${job.name}/${count}`;
    note("begun", id);
    try {
      await producer.transaction(async (transaction) => {
        await Promise.all(([0, 1] as const).map((half) => {
          const partition = (count + half) % PARTITIONS;
          return transaction.send({ topic: TRANSFERS, partition, value: halfOf(id, half) });
        }));
        if (count % ABORTED_ONE_IN === 0) throw new Intended();
      });
      note("committed", id);
    } catch (error) {
      if (error instanceof Intended || error instanceof TransactionAbortedError) {
        note("aborted", id);
      } else if (error instanceof ProducerFencedError) {
        return note("fenced", id);
      } else note("unknown", id);
    }
  }
}

async function copy(job: TransactorJob, producer: Producer<string, string>): Promise<void> {
  await using consumer = await Consumer.connect(job.bootstrap, {
    ...job.access,
    group: COPIERS,
    topics: [INPUT],
    from: "earliest",
    enableAutoCommit: false,
    isolationLevel: "read_committed",
    groupProtocol: "classic",
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 1000,
    maxPollRecords: MAX_POLL_RECORDS,
  });
  while (!isEnding) {
    const records = await consumer.poll(POLL_MS);
    if (records.length === 0) continue;
    const next = new Map<number, number>();
    for (const { partition, offset } of records) next.set(partition, offset + 1);
    try {
      await producer.transaction(async (transaction) => {
        const sent = records.map((record) =>
          transaction.send({
            topic: OUTPUT,
            partition: record.partition,
            value: record.text(),
          })
        );
        const offsets = Array.from(
          next,
          ([partition, offset]) => ({ topic: INPUT, partition, offset }),
        );
        await transaction.sendOffsets(offsets, consumer.groupMetadata());
        await Promise.all(sent);
      });
    } catch (error) {
      if (error instanceof ProducerFencedError) return;
      // Whether it was committed or not: what the group has committed tells where to go on.
      await goBack(consumer, records);
    }
  }
}

/** To where the group is, in what this member still has. */
async function goBack(
  consumer: Consumer,
  records: readonly ConsumerRecord[],
): Promise<void> {
  const partitions = new Set(records.map(({ partition }) => partition));
  const owned = consumer.assignment().filter(({ partition }) => partitions.has(partition));
  for (const { topic, partition, offset } of await consumer.committed(owned)) {
    consumer.seek({ topic, partition }, offset ?? 0);
  }
}

async function run(job: TransactorJob): Promise<void> {
  const producer = await Producer.connect<string, string>(job.bootstrap, {
    ...job.access,
    transactionalId: job.transactionalId,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  });
  await (job.role === "transfer" ? transfer(job, producer) : copy(job, producer));
  await producer.close({ timeoutMs: TRANSACTION_TIMEOUT_MS });
}

await run(JSON.parse(Deno.args[0]!));
Deno.exit(0);
