/** `strom bench` against a node, and the measures of the log: small, to see that they work. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startNode } from "../../../mod.ts";
import { measureLog } from "../../../scripts/bench/load/log_files.ts";
import { runCommandLine } from "../../../scripts/commands/run.ts";
import { COMMANDS } from "../../../scripts/commands/table.ts";
import { temporaryFolder } from "../strom_process.ts";
import { testTerminal } from "../test_terminal.ts";

Deno.test("bench: each way of sending stores what the consumer then reads", async () => {
  using folder = temporaryFolder();
  await using node = await startNode({ data: folder.path, native: { port: 0 } });
  const run = async (args: string) => {
    const terminal = testTerminal();
    const words = ["bench", ...args.split(" "), "--json", "--bootstrap", node.address];
    const code = await runCommandLine(COMMANDS, words, terminal);
    assertEquals([code, ...terminal.notes], [0]);
    return JSON.parse(terminal.printed);
  };
  for (const mode of ["promise", "keyed", "batch", "callback"]) {
    const sent = await run(
      `produce --topic ${mode} --mode ${mode} --records 3000 --record-size 50`,
    );
    assertEquals(sent.records, 3_000);
    assert(sent.bytes >= 150_000);
    const read = await run(`consume --topic ${mode} --records 3000`);
    assertEquals([read.records, read.bytes], [3_000, sent.bytes]);
    assertEquals(
      (await run(`consume --topic ${mode} --mode batches --records 3000`)).records,
      3_000,
    );
  }
  const latencies = await run("end-to-end --topic probes --records 300 --rate 2000");
  assertEquals(latencies.records, 300);
  assert(latencies.p50Ms > 0 && latencies.p50Ms <= latencies.p99Ms);
});

Deno.test("bench: more records are asked for than there are", async () => {
  using folder = temporaryFolder();
  await using node = await startNode({ data: folder.path, native: { port: 0 } });
  const run = async (args: string) => {
    const terminal = testTerminal();
    const words = ["bench", ...args.split(" "), "--bootstrap", node.address];
    return { code: await runCommandLine(COMMANDS, words, terminal), terminal };
  };
  const { terminal: sent } = await run("produce --records 10");
  assertMatch(sent.printed, /^10 records in \d+\.\d\d s: [\d,]+ records\/s, [\d.]+ MB\/s\n$/);
  const { code, terminal } = await run("consume --records 11");
  assertEquals(code, 1);
  assertEquals(terminal.notes, [
    "strom bench consume: Topic strom-bench has 10 records, not 11: produce some first",
  ]);
});

Deno.test("bench: the log is measured against bare writes and reads, and leaves nothing behind", () => {
  using folder = temporaryFolder();
  const load = { folder: folder.path, size: 16_384, bytes: 1_000_000, rounds: 1 };
  const { best, appendShare, readShare } = measureLog(load);
  for (const value of [...Object.values(best), appendShare, readShare]) assert(value > 0);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});
