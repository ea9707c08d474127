import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { freePortsAt } from "../../scripts/chaos/free_ports.ts";
import { invocation } from "../../scripts/commands/invocation.ts";
import { spawnStrom, strom, temporaryFolder } from "./strom_process.ts";

/** A port from which on three, in steps of a hundred, are free now, and the three above it. */
function freePort(): number {
  return freePortsAt([0, 100, 200, 1, 2, 3])[0]!;
}

function listen(port: number): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port }) as Deno.TcpListener;
}

Deno.test("strom dev: runs a cluster, a process a node, and stops all of it in order", async () => {
  using folder = temporaryFolder();
  const port = freePort();
  const ports = ["--port", String(port), "--kafka-port", String(port + 1)];
  const process = spawnStrom(["dev", "--data", folder.path, ...ports]);
  const errors = new Response(process.stderr).text();
  const stdout = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  while (!printed.includes("All ")) {
    const { value, done } = await stdout.read();
    if (done) throw new Error(`It ended before it was ready: ${await errors}`);
    printed += value;
  }
  const bootstrap = [0, 1, 2].map((index) => `127.0.0.1:${port + 100 * index}`).join();
  for (const id of [1, 2, 3]) {
    const data = join(folder.path, String(id));
    assertMatch(
      printed,
      new RegExp(`^Strom node ${id} is ready: kafka \\S+ · native \\S+, data ${data}, `, "m"),
    );
  }
  const kafka = [1, 2, 3].map((index) => `127.0.0.1:${port + index}`).join();
  assertStringIncludes(printed, `All 3 nodes are ready: kafka ${kafka} · native ${bootstrap}\n`);
  const topic = ["--topic", "t", "--bootstrap", bootstrap];
  const created = await strom(["topics", "create", ...topic, "--replication-factor", "3"]);
  assertEquals([created.code, created.stderr], [0, ""]);
  const produced = await strom(["produce", ...topic], "one\ntwo\n");
  assertEquals([produced.code, produced.stderr], [0, ""]);
  process.kill("SIGTERM");
  for (let read = await stdout.read(); !read.done; read = await stdout.read());
  assertEquals((await process.status).code, 0);
  assertEquals(await errors, "");
  for (const id of [1, 2, 3]) {
    const data = join(folder.path, String(id));
    assertEquals(Deno.statSync(join(data, ".kafka_cleanshutdown")).isFile, true);
    assertEquals(Deno.statSync(join(data, "t-0")).isDirectory, true);
  }
});

Deno.test("strom dev: a node that cannot start ends the others, and says why", async () => {
  using folder = temporaryFolder();
  const port = freePort();
  using _taken = listen(port + 100);
  const { code, stderr } = await strom(["dev", "--data", folder.path, "--port", String(port)]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Node 2 ended with code 1: strom node: Cannot listen on");
});

Deno.test("strom dev: what no node can read is said once, before any starts", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  const { code, stderr } = await strom(["dev", "--data", data, "--set", "num.partition=1"]);
  assertEquals(code, 2);
  assertEquals(
    stderr.split("\n")[0],
    "strom dev: num.partition is no known config (did you mean num.partitions?)",
  );
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("strom dev: a node that is killed is told how to start again", async () => {
  using folder = temporaryFolder();
  const port = freePort();
  const ports = ["--port", String(port), "--kafka-port", String(port + 1)];
  const process = spawnStrom(["dev", "--data", folder.path, "--set", "num.partitions=2", ...ports]);
  const stdout = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  while (!printed.includes("All ")) printed += (await stdout.read()).value;
  const [, pid] = /^Strom node 2 is ready: .* pid (\d+)$/m.exec(printed) ?? [];
  Deno.kill(Number(pid), "SIGKILL");
  const stderr = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let noted = "";
  while (!noted.includes("It starts again with: ")) noted += (await stderr.read()).value;
  const voters = [0, 1, 2].map((index) => `${index + 1}@127.0.0.1:${port + 100 * index}`).join();
  assertStringIncludes(
    noted,
    `Node 2 was ended by SIGKILL\nIt starts again with: ${invocation()} node --id 2 ` +
      `--native 127.0.0.1:${port + 100} --kafka 127.0.0.1:${port + 2} ` +
      `--data ${join(folder.path, "2")} --voters ${voters} --set num.partitions=2\n`,
  );
  process.kill("SIGTERM");
  await Promise.all([stdout.cancel(), stderr.cancel()]);
  assertEquals((await process.status).code, 1);
});
