/**
 * `strom transactions`: lists and describes transactions, and ends those that nobody ends.
 *
 * @module
 */

import { Admin } from "../../mod.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { command } from "./command.ts";
import { integer, requiredText, text, texts, UsageError } from "./option.ts";

const list = command({
  name: "transactions list",
  summary: "List the transactional ids and the states of their transactions",
  options: {
    state: texts("STATE", "Only those in this state, as Ongoing"),
    durationMs: integer("N", "Only those that are open for longer", { min: 0 }),
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    const { output } = terminal;
    await using admin = await connect(options);
    const transactions = await admin.listTransactions({
      states: options.state,
      ...(options.durationMs === undefined ? {} : { durationMs: options.durationMs }),
    });
    if (options.json) return output.writeLine(JSON.stringify(transactions));
    if (transactions.length === 0) terminal.note("There are no such transactions");
    for (const { transactionalId, producerId, state, coordinator } of transactions) {
      output.writeLine(
        `${transactionalId}  ${state}  producerId ${producerId}  coordinator ${coordinator}`,
      );
    }
  },
});

const describe = command({
  name: "transactions describe",
  summary: "Show the transaction of a transactional id",
  options: { transactionalId: requiredText("X", "The id"), json, ...cluster },
  async run({ options, terminal: { output } }) {
    await using admin = await connect(options);
    const [transaction] = await admin.describeTransactions([options.transactionalId]);
    if (options.json) return output.writeLine(JSON.stringify(transaction));
    const { transactionalId, state, producerId, producerEpoch, timeoutMs, startTime, partitions } =
      transaction!;
    output.writeLine(
      [
        transactionalId,
        state,
        `producerId ${producerId}`,
        `producerEpoch ${producerEpoch}`,
        `timeoutMs ${timeoutMs}`,
        ...(startTime === null ? [] : [`since ${new Date(startTime).toISOString()}`]),
      ].join("  "),
    );
    for (const { topic, partition } of partitions) output.writeLine(`  ${topic}-${partition}`);
  },
});

const abort = command({
  name: "transactions abort",
  summary: "Abort a transaction that nobody ends",
  details: [
    "By --transactional-id its producer is put out, and its open transaction aborted. By --topic,",
    "--partition and --start-offset a transaction is ended in one partition, whose coordinator has",
    "forgotten it: strom transactions describe does not show it, and readers wait at its start.",
  ],
  options: {
    transactionalId: text("X", "The id"),
    topic: text("T", "The topic"),
    partition: integer("N", "The partition", { min: 0 }),
    startOffset: integer("N", "Where the transaction begins", { min: 0 }),
    ...cluster,
  },
  exclusive: [["transactionalId", "topic"]],
  async run({ options, terminal }) {
    const { transactionalId, topic, partition, startOffset } = options;
    if (transactionalId !== undefined) {
      await using admin = await connect(options);
      // Taking an id over makes it where there is none.
      await admin.describeTransactions([transactionalId]);
      await admin.fenceProducers([transactionalId]);
      return terminal.output.writeLine(
        `The producer of ${transactionalId} was put out: what it had open is aborted`,
      );
    }
    if (topic === undefined || partition === undefined || startOffset === undefined) {
      throw new UsageError(
        "Nothing to abort: give --transactional-id, or --topic, --partition and --start-offset",
      );
    }
    await using admin = await connect(options);
    const [found] = await admin.describeProducers([{ topic, partition }]);
    const producer = found!.producers.find(({ currentTransactionStartOffset }) =>
      currentTransactionStartOffset === startOffset
    );
    if (producer === undefined) {
      throw new Error(`No transaction that is open begins at ${topic}-${partition}@${startOffset}`);
    }
    const { producerId, producerEpoch, coordinatorEpoch } = producer;
    await admin.abortTransaction({
      topic,
      partition,
      producerId,
      producerEpoch,
      coordinatorEpoch: Math.max(0, coordinatorEpoch),
    });
    terminal.output.writeLine(
      `The transaction of producer ${producerId} in ${topic}-${partition} was aborted`,
    );
  },
});

export const TRANSACTIONS = [list, describe, abort];

function connect(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, { clientId: "strom-transactions", ...access(options) });
}
