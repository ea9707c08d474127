/**
 * The command line against a node: commands run in this process, and as processes of their own
 * where streams and signals matter.
 */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ConfigError } from "../../actors/config/definition.ts";
import { startNode } from "../../mod.ts";
import { freePorts } from "../../scripts/chaos/free_ports.ts";
import { runCommandLine } from "../../scripts/commands/run.ts";
import { COMMANDS } from "../../scripts/commands/table.ts";
import { type Finished, spawnStrom, strom, temporaryFolder } from "./strom_process.ts";
import { testTerminal } from "./test_terminal.ts";

/** A command against the node. */
type Run = (args: string, input?: string) => Promise<Finished>;

/** Runs a test against a fresh node. */
async function withNode(test: (run: Run, address: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  await using node = await startNode({ data: folder.path, native: { port: 0 } });
  await test(async (args, input) => {
    const terminal = testTerminal(input === undefined ? [] : chunksOf(input));
    const words = [...args.split(" "), "--bootstrap", node.address];
    const code = await runCommandLine(COMMANDS, words, terminal);
    const stderr = terminal.notes.map((note) => `${note}\n`).join("");
    return { code, stdout: terminal.printed, stderr };
  }, node.address);
}

/** Text in pieces such as a pipe gives. */
function chunksOf(text: string): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
  return chunks;
}

Deno.test("command line: a node that asks for a secret may be reached, and lets in who shows it", async () => {
  using folder = temporaryFolder();
  const properties = { "native.shared.secret": "open sesame" };
  const native = { host: "0.0.0.0", port: 0 };
  const advertisedNative = { host: "127.0.0.1", port: freePorts(1)[0]! };
  const data = join(folder.path, "node");
  await using node = await startNode({
    data,
    native: { ...native, port: advertisedNative.port },
    advertisedNative,
    properties,
  });
  const bootstrap = `127.0.0.1:${node.address.split(":").at(-1)}`;
  const file = join(folder.path, "secret");
  Deno.writeTextFileSync(file, "open sesame\n");
  const run = async (words: string, input = "") => {
    const terminal = testTerminal(chunksOf(input));
    const args = [...words.split(" "), "--bootstrap", bootstrap];
    const code = await runCommandLine(COMMANDS, args, terminal);
    return { code, stdout: terminal.printed, stderr: terminal.notes.join("\n") };
  };
  for (
    const words of [
      "topics create --topic t",
      "topics list",
      "topics describe",
      "topics alter --topic t --partitions 2",
      "cluster describe",
      "bench produce --records 10 --topic t",
      "bench consume --records 5 --topic t",
      "bench end-to-end --records 5 --rate 100 --topic t",
      "topics delete --topic t",
    ]
  ) succeeded(await run(`${words} --secret-file ${file}`));
  succeeded(await run(`produce --topic u --secret-file ${file}`, "a\nb\n"));
  const read = "consume --topic u --from-beginning --max-messages 2";
  assertEquals(succeeded(await run(`${read} --secret-file ${file}`)), "a\nb\n");
  const refused = await run("topics list");
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "the secret is missing or wrong");
  const missing = await run(`topics list --secret-file ${file}.gone`);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.stderr, "annot read --secret-file");
});

Deno.test("command line: without a secret a node listens on loopback only", async () => {
  using folder = temporaryFolder();
  const started = startNode({ data: folder.path, native: { host: "0.0.0.0", port: 0 } });
  const error = await assertRejects(() => started, ConfigError);
  assertStringIncludes(error.message, "without native.shared.secret only loopback is allowed");
});

function succeeded({ code, stdout, stderr }: Finished): string {
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

function failedWith({ code, stdout, stderr }: Finished, line: string): void {
  assertEquals([code, stdout, stderr], [1, "", `${line}\n`]);
}

Deno.test("cli: cluster log-dirs shows each log's size, and the room there is", async () => {
  await withNode(async (run) => {
    succeeded(await run("topics create --topic t --partitions 2"));
    succeeded(await run("produce --topic t", "a\n"));
    const lines = succeeded(await run("cluster log-dirs")).trimEnd().split("\n");
    assertMatch(lines[0]!, /^broker 1 {2}\/.+ {2}bytes \d+ {2}usable \d+$/);
    assertMatch(lines[1]!, /^ {2}t-\d {2}bytes [1-9]\d*$/);
    assertMatch(lines[2]!, /^ {2}1 more, empty$/);
  });
});

Deno.test("cli: records are produced with headers, and with null for a marker", async () => {
  await withNode(async (run) => {
    const produce = "produce --topic t --key-separator : --null-marker NULL --header trace=1";
    succeeded(await run(`${produce} --property linger.ms=1`, "a:NULL\nNULL:b\nNULLS:c\n"));
    const read = "consume --topic t --from-beginning --max-messages 3 --json";
    const records = succeeded(await run(read)).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    const headers = [{ key: "trace", value: "1" }];
    assertEquals(
      records.map((record) => ({ ...record, timestamp: 0 })),
      [["a", null], [null, "b"], ["NULLS", "c"]].map(([key, value], offset) => (
        { topic: "t", partition: 0, offset, timestamp: 0, key, value, headers }
      )),
    );
    const wrong = await run("produce --topic t --property linger=1", "a\n");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, "linger is no config of a producer");
  });
});

Deno.test("cli: who lists what there is none of is told so, beside the output", async () => {
  await withNode(async (run) => {
    for (const what of ["topics", "groups", "transactions", "quotas"]) {
      const { code, stdout, stderr } = await run(`${what} list`);
      assertEquals([code, stdout], [0, ""]);
      assertMatch(stderr, new RegExp(`^There are no (such )?${what}\n$`));
      assertEquals(succeeded(await run(`${what} list --json`)), "[]\n");
    }
  });
});

Deno.test("cli: quotas are set, shown and taken away", async () => {
  await withNode(async (run) => {
    const alter = "quotas alter --client-id x";
    const set = succeeded(await run(`${alter} --set producer_byte_rate=5`));
    assertEquals(set, "client-id x  producer_byte_rate=5\n");
    assertEquals(succeeded(await run("quotas list")), set);
    const removed = succeeded(await run(`${alter} --remove producer_byte_rate`));
    assertEquals(removed, "client-id x  no quotas\n");
    for (const wrong of ["producer_byte_rate=x", "producer_byte_rate=-1", "byte_rate=1"]) {
      assertEquals((await run(`${alter} --set ${wrong}`)).code, 2);
    }
  });
});

const COMPRESSIONS = ["none", "gzip", "snappy", "lz4", "zstd"];

Deno.test("cli: lines come back as they went in, in order, keys on one partition, however compressed", async () => {
  const lines = Array.from(
    { length: 20_000 },
    (_, index) =>
      index % 100 === 7
        ? `key${index % 13}:`
        : `key${index % 13}:läne ${index} ${"x".repeat(index % 90)}`,
  );
  await withNode(async (run) => {
    await Promise.all(COMPRESSIONS.map(async (compression) => {
      const topic = `lines-${compression}`;
      succeeded(await run(`topics create --topic ${topic} --partitions 3`));
      const produce = `produce --topic ${topic} --key-separator : --compression ${compression}`;
      assertEquals(succeeded(await run(produce, `${lines.join("\n")}\n`)), "");
      const consume = `consume --topic ${topic} --from-beginning --max-messages ${lines.length}`;
      const printed = succeeded(await run(`${consume} --timeout-ms 20000 --format %p|%o|%k:%v\\n`));
      checkRecords(printed.trimEnd().split("\n"), lines);
    }));
  });
});

/** Holds printed records (`partition|offset|line`) against the lines that were sent. */
function checkRecords(records: readonly string[], lines: readonly string[]): void {
  const partitions = new Map<string, string[]>();
  for (const record of records) {
    const [partition = "", offset, ...rest] = record.split("|");
    const seen = partitions.get(partition) ?? [];
    partitions.set(partition, seen);
    assertEquals(Number(offset), seen.length);
    seen.push(rest.join("|"));
  }
  assertEquals(partitions.size, 3);
  const keyOf = (line: string) => line.slice(0, line.indexOf(":"));
  for (const seen of partitions.values()) {
    const keys = new Set(seen.map(keyOf));
    assertEquals(seen, lines.filter((line) => keys.has(keyOf(line))));
  }
  assertEquals(records.length, lines.length);
}

Deno.test("cli: bytes that are no text go through pipes unchanged", async () => {
  await withNode(async (run, address) => {
    succeeded(await run("topics create --topic bytes"));
    const lines = new Uint8Array([0xff, 0xfe, 0x0d, 0x0a, 0x0a, 0x00, 0xc3, 0x0a, 0x41]);
    const producer = spawnStrom(["produce", "--topic", "bytes", "--bootstrap", address], "piped");
    const writer = producer.stdin.getWriter();
    await writer.write(lines);
    await writer.close();
    assertEquals((await producer.output()).code, 0);
    const { stdout } = await spawnStrom(
      [
        "consume",
        "--topic",
        "bytes",
        "--offset",
        "0",
        "--max-messages",
        "4",
        "--bootstrap",
        address,
      ],
    ).output();
    assertEquals([...stdout], [...lines, 0x0a]);
  });
});

Deno.test("cli: topics are created, listed, described, altered and deleted", async () => {
  await withNode(async (run) => {
    const created = await run("topics create --topic orders --partitions 3 --config flush.ms=5");
    assertEquals(succeeded(created), "Topic orders was created with 3 partitions\n");
    assertEquals(succeeded(await run("topics list")), "orders\n");

    const [described] = JSON.parse(succeeded(await run("topics describe --topic orders --json")));
    assertEquals(described.name, "orders");
    assertEquals(described.partitions.length, 3);
    assertEquals(described.partitions[2].partition, 2);
    assertEquals(described.partitions[2].leader, 1);
    const flush = described.configs.find(({ name }: { name: string }) => name === "flush.ms");
    assertEquals([flush.value, flush.configSource, flush.readOnly], ["5", 1, false]);

    const altered = await run(
      "topics alter --topic orders --partitions 4 --config retention.ms=60000 --delete-config flush.ms",
    );
    assertEquals(succeeded(altered), "Topic orders was altered\n");
    const shown = succeeded(await run("topics describe --topic orders"));
    assertMatch(shown, /^orders {2}id \S+ {2}4 partitions {2}1 replica {2}retention\.ms=60000\n/);
    assertStringIncludes(
      shown,
      "\n  partition 3  leader 1  leaderEpoch 0  replicas 1  isr 1  " +
        "logEndOffset 0  highWatermark 0  logStartOffset 0\n",
    );

    assertEquals(
      succeeded(await run("topics delete --topic orders")),
      "Topic orders was deleted\n",
    );
    assertEquals(succeeded(await run("topics list --json")), "[]\n");
  });
});

Deno.test("cli: consume begins and ends where it is told, and prints as it is told", async () => {
  await withNode(async (run) => {
    succeeded(await run("produce --topic one --partition 0", "a\nb\nc\nd\n"));
    const consume = (options: string) => run(`consume --topic one --timeout-ms 400 ${options}`);
    const [all, two, later, end, partition, json, future] = await Promise.all([
      consume("--from-beginning"),
      consume("--from-beginning --max-messages 2"),
      consume("--offset 2"),
      consume("--offset 4"),
      consume("--partition 0 --offset 3 --format %t-%p-%o=%v;"),
      consume("--from-beginning --max-messages 1 --json"),
      consume("--from-time 2999-01-01"),
    ]);
    assertEquals(succeeded(all), "a\nb\nc\nd\n");
    assertEquals(succeeded(two), "a\nb\n");
    assertEquals(succeeded(later), "c\nd\n");
    assertEquals(succeeded(end), "");
    assertEquals(succeeded(partition), "one-0-3=d;");
    assertEquals(succeeded(future), "");
    const { timestamp, ...record } = JSON.parse(succeeded(json));
    assertEquals(record, {
      topic: "one",
      partition: 0,
      offset: 0,
      key: null,
      value: "a",
      headers: [],
    });
    const since = new Date(timestamp).toISOString();
    assertEquals(succeeded(await consume(`--from-time ${since} --max-messages 1`)), "a\n");
  });
});

Deno.test("cli: without a start, consume shows only what comes", async () => {
  await withNode(async (run, address) => {
    succeeded(await run("produce --topic news", "old\n"));
    const consumer = spawnStrom(
      ["consume", "--topic", "news", "--max-messages", "2", "--bootstrap", address],
    );
    const output = consumer.output();
    // It is not known when it listens: it is told until it has heard.
    let heard = false;
    output.then(() => heard = true);
    while (!heard) succeeded(await run("produce --topic news", "new\n"));
    const { code, stdout } = await output;
    assertEquals([code, new TextDecoder().decode(stdout)], [0, "new\nnew\n"]);
  });
});

Deno.test("cli: a failure is one line of cause", async () => {
  await withNode(async (run) => {
    succeeded(await run("topics create --topic small --config max.message.bytes=200"));
    const results = await Promise.all([
      run("consume --topic none"),
      run("consume --topic small --partition 5"),
      run("consume --topic small --partition 0 --offset 9 --timeout-ms 5000"),
      run("topics create --topic small"),
      run("topics create --topic a/b"),
      run("topics create --topic c --config retention=1"),
      run("topics alter --topic small --partitions 1"),
      run("topics delete --topic none"),
      run("produce --topic small --partition 5", "x\n"),
      run("produce --topic small", `${"x".repeat(1000)}\n`),
    ]);
    const firstWords = [
      "strom consume: There is no topic none",
      "strom consume: Topic small has partitions 0 to 0, and no 5",
      "strom consume: Cannot fetch small-0: offset 9 is out of range",
      "strom topics create: Cannot create topic small: Topic small exists",
      "strom topics create: Cannot create topic a/b: Topic name",
      "strom topics create: Cannot create topic c: retention is no known config",
      "strom topics alter: Cannot add partitions to small: Topic small has 1 partitions",
      "strom topics delete: Cannot delete topic none: There is no topic none",
      "strom produce: Cannot send to partition 5 of small: it has 1",
      "strom produce: ",
    ];
    results.forEach(({ code, stdout, stderr }, index) => {
      assertEquals([firstWords[index], code, stdout], [firstWords[index], 1, ""]);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(stderr.startsWith(firstWords[index] ?? "?"), true, stderr);
    });
  });
});

Deno.test("cli: a broker that is not there is a failure, and the bootstrap's fault when malformed", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const gone = await strom(["topics", "list", "--bootstrap", `127.0.0.1:${port}`]);
  assertEquals([gone.code, gone.stdout], [1, ""]);
  assertMatch(gone.stderr, /^strom topics list: Cannot connect .*refused.*\n$/);
  const malformed = await strom(["topics", "list", "--bootstrap", "a:b:c"]);
  failedWith(malformed, 'strom topics list: Cannot connect to "a:b:c": it is no host:port');
});

Deno.test("cli: a reader that has gone ends consume quietly", async () => {
  await withNode(async (run, address) => {
    const line = "x".repeat(1000);
    succeeded(await run("produce --topic long", `${`${line}\n`.repeat(5000)}`));
    const args = ["consume", "--topic", "long", "--from-beginning", "--bootstrap", address];
    const consumer = spawnStrom(args);
    const reader = consumer.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const stderr = await new Response(consumer.stderr).text();
    const { code } = await consumer.status;
    assertEquals([code, stderr], [0, ""]);
  });
});

Deno.test("cli: an interruption ends a command at once, with 130", async () => {
  await withNode(async (run, address) => {
    succeeded(await run("produce --topic some", "a\nb\n"));
    const consumer = spawnStrom(
      ["consume", "--topic", "some", "--from-beginning", "--bootstrap", address],
    );
    const stdout = consumer.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let printed = "";
    while (printed !== "a\nb\n") printed += (await stdout.read()).value ?? "";
    consumer.kill("SIGINT");
    assertEquals((await stdout.read()).done, true);
    assertEquals(await new Response(consumer.stderr).text(), "");
    assertEquals((await consumer.status).code, 130);
  });
});

Deno.test("cli: an interrupted produce has sent the lines that it read", async () => {
  await withNode(async (run, address) => {
    succeeded(await run("topics create --topic typed"));
    const producer = spawnStrom(["produce", "--topic", "typed", "--bootstrap", address], "piped");
    const writer = producer.stdin.getWriter();
    await writer.write(new TextEncoder().encode("a\nb\n"));
    const seen = await run("consume --topic typed --from-beginning --max-messages 2");
    assertEquals(succeeded(seen), "a\nb\n");
    producer.kill("SIGINT");
    const { code, stderr } = await producer.output();
    await writer.close().catch(() => {});
    assertEquals([code, new TextDecoder().decode(stderr)], [130, ""]);
  });
});
