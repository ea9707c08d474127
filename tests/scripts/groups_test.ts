/** `strom groups`, `strom transactions` and `strom consume --group` against a node. */

import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { Producer, startNode } from "../../mod.ts";
import { consumerProperties } from "../../scripts/commands/client_properties.ts";
import { parseResetTarget } from "../../scripts/commands/offset_reset.ts";
import { UsageError } from "../../scripts/commands/option.ts";
import { runCommandLine } from "../../scripts/commands/run.ts";
import { COMMANDS } from "../../scripts/commands/table.ts";
import { temporaryFolder } from "./strom_process.ts";
import { testTerminal } from "./test_terminal.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Run = (args: string) => Promise<Ran>;

async function withNode(test: (run: Run, address: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  const properties = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
  };
  await using node = await startNode({ data: folder.path, native: { port: 0 }, properties });
  await test(async (args) => {
    const terminal = testTerminal([]);
    const words = [...args.split(" "), "--bootstrap", node.address];
    const code = await runCommandLine(COMMANDS, words, terminal);
    return { code, out: terminal.printed, err: terminal.notes.join("\n") };
  }, node.address);
}

async function produce(address: string, count: number): Promise<void> {
  await using producer = await Producer.connect(address);
  await producer.sendBatch(
    "t",
    Array.from({ length: count }, (_, i) => ({ value: `${i}`, partition: i % 2 })),
  );
}

function done({ code, out, err }: Ran): string {
  assertEquals([code, err], [0, ""]);
  return out;
}

Deno.test("cli: a group goes on where it ended, and is shown, reset and deleted", async () => {
  await withNode(async (run, address) => {
    done(await run("topics create --topic t --partitions 2"));
    await produce(address, 10);
    const consume = "consume --topic t --group g --from-beginning --timeout-ms 600";
    const first = done(await run(`${consume} --max-messages 4`)).trim().split("\n");
    const rest = done(await run(consume)).trim().split("\n");
    const all = [...first, ...rest].map(Number).sort((a, b) => a - b);
    assertEquals(all, Array.from({ length: 10 }, (_, i) => i));
    assertMatch(done(await run("groups list")), /^g {2}consumer {2}Empty$/m);
    const described = done(await run("groups describe --group g"));
    assertStringIncludes(described, "t-0  committedOffset 5  logEndOffset 5  lag 0  no member");
    const plan = await run("groups reset-offsets --group g --topic t --to shift-by -2");
    assertEquals(plan.out, "t-0  5 -> 3\nt-1  5 -> 3\n");
    assertStringIncludes(plan.err, "Nothing was changed");
    assertEquals(done(await run(consume)), "");
    const reset = "groups reset-offsets --group g --topic t --partition 1 --execute --to";
    assertEquals(done(await run(`${reset} offset 4`)), "t-1  5 -> 4\n");
    assertEquals(done(await run(consume)), "9\n");
    assertEquals(done(await run(`${reset} earliest`)), "t-1  5 -> 0\n");
    const json = JSON.parse(done(await run("groups describe --group g --json")));
    assertEquals(json.partitions[1].lag, 5);
    const alter = "groups alter --group g --config consumer.heartbeat.interval.ms=";
    assertEquals(done(await run(`${alter}7000`)), "Group g was altered\n");
    assertEquals(
      done(await run("groups configs --group g")),
      "consumer.session.timeout.ms=45000\nconsumer.heartbeat.interval.ms=7000  (own)\n",
    );
    const often = await run(`${alter}1`);
    assertEquals(often.code, 1);
    assertStringIncludes(often.err, "is less than group.consumer.min.heartbeat.interval.ms=5000");
    assertStringIncludes((await run("groups alter --group g")).err, "nothing to alter");
    assertEquals(done(await run("groups delete --group g")), "Group g was deleted\n");
    const gone = await run("groups describe --group g");
    assertEquals(gone.code, 1);
    assertStringIncludes(gone.err, "GROUP_ID_NOT_FOUND");
  });
});

Deno.test("cli: members of a group and their partitions are shown", async () => {
  await withNode(async (run, address) => {
    done(await run("topics create --topic t --partitions 2"));
    await produce(address, 2);
    const stopping = new AbortController();
    const terminal = { ...testTerminal([]), stopping: stopping.signal };
    const words = "consume --topic t --group g --assignor roundrobin --from-beginning".split(" ");
    const member = runCommandLine(COMMANDS, [...words, "--bootstrap", address], terminal);
    let shown = "";
    while (!shown.includes("t-0 t-1")) shown = (await run("groups members --group g")).out;
    assertMatch(shown, /^g {2}classic {2}Stable {2}assignor roundrobin {2}1 member$/m);
    assertMatch(shown, /^ {2}\S+ {2}client strom-consume/m);
    const busy = await run("groups reset-offsets --group g --topic t --to latest --execute");
    assertStringIncludes(busy.err, "The group has members");
    assertStringIncludes((await run("groups delete --group g")).err, "NON_EMPTY_GROUP");
    stopping.abort();
    await member;
    // It has left: nobody waits for its session to end.
    assertMatch(done(await run("groups members --group g")), /Empty {2}0 members/);
  });
});

Deno.test("cli: transactions are shown and aborted, and hidden from those who read committed", async () => {
  await withNode(async (run, address) => {
    done(await run("topics create --topic t --partitions 2"));
    const producer = await Producer.connect(address, { transactionalId: "x" });
    const gate = Promise.withResolvers<void>();
    const sent = Promise.withResolvers<void>();
    const held = producer.transaction(async (tx) => {
      await tx.send({ topic: "t", partition: 0, value: "open" });
      sent.resolve();
      await gate.promise;
    });
    const failed = held.catch((error) => error);
    await sent.promise;
    const read = "consume --topic t --from-beginning --timeout-ms 700 --isolation";
    assertEquals(done(await run(`${read} read_committed`)), "");
    assertEquals(done(await run(`${read} read_uncommitted`)), "open\n");
    assertMatch(done(await run("transactions list --state Ongoing")), /^x {2}Ongoing/);
    const described = done(await run("transactions describe --transactional-id x"));
    assertStringIncludes(described, "\n  t-0\n");
    const none = await run("transactions abort --topic t --partition 0 --start-offset 7");
    assertStringIncludes(none.err, "No transaction that is open begins at t-0@7");
    const aborted = done(await run("transactions abort --transactional-id x"));
    assertEquals(aborted, "The producer of x was put out: what it had open is aborted\n");
    const unknown = await run("transactions abort --transactional-id y");
    assertStringIncludes(unknown.err, "There is no such transactional id");
    assertMatch(done(await run("transactions list")), /^x {2}\S+ {2}[^\n]*\n$/);
    gate.resolve();
    assertEquals((await failed).name, "ProducerFencedError");
    await producer.close();
    const usage = await run("transactions abort");
    assertEquals(usage.code, 2);
  });
});

Deno.test("cli: where offsets are reset to is one word or two", () => {
  assertEquals(parseResetTarget("earliest", undefined), { kind: "earliest" });
  assertEquals(parseResetTarget("offset", "5"), { kind: "offset", offset: 5 });
  assertEquals(parseResetTarget("offset 5", undefined), { kind: "offset", offset: 5 });
  assertEquals(parseResetTarget("shift-by=-5", undefined), { kind: "shift-by", by: -5 });
  const timestamp = Date.parse("2026-01-31T12:00:00Z");
  assertEquals(parseResetTarget("time", "2026-01-31T12:00:00Z"), { kind: "time", timestamp });
  const refused: readonly (readonly [string, string | undefined, string])[] = [
    ["offset", undefined, "a number is missing"],
    ["offset", "-1", "no whole number"],
    ["latest", "3", "Unexpected argument 3"],
    ["time", "noon", "is no time"],
    ["end", undefined, "--to is earliest"],
  ];
  for (const [text, operand, message] of refused) {
    assertThrows(() => parseResetTarget(text, operand), UsageError, message);
  }
});

Deno.test("cli: configs of a consumer are given by Kafka's names", () => {
  const given = new Map([["max.poll.records", "7"], ["enable.auto.commit", "false"]]);
  assertEquals(consumerProperties(given), { maxPollRecords: 7, enableAutoCommit: false });
  const refused: readonly (readonly [string, string, string])[] = [
    ["max.poll.record", "7", "did you mean max.poll.records?"],
    ["max.poll.records", "x", "no whole number"],
    ["check.crcs", "yes", "true or false"],
  ];
  for (const [name, value, message] of refused) {
    assertThrows(() => consumerProperties(new Map([[name, value]])), UsageError, message);
  }
});
