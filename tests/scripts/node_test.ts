import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { NodeProcess, spawnStrom, strom, temporaryFolder } from "./strom_process.ts";

Deno.test("strom node: prints one line when it is ready, and says so when it has stopped", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "1");
  await using node = await NodeProcess.start(data);
  assertMatch(
    node.ready,
    new RegExp(
      `^Strom node 1 is ready: kafka 127\\.0\\.0\\.1:\\d+ · native 127\\.0\\.0\\.1:\\d+, ` +
        `data ${data}, pid ${node.pid}\\. Send a first record: .* --bootstrap 127\\.0\\.0\\.1:\\d+\n$`,
    ),
  );
  node.kill("SIGINT");
  node.kill("SIGINT");
  assertEquals(await node.finished(), {
    code: 0,
    stdout: "Strom node 1 has stopped in order: everything is flushed\n",
    stderr: "",
  });
  assertEquals(Deno.statSync(join(data, ".kafka_cleanshutdown")).isFile, true);
});

Deno.test("strom node: a second one on the same folder is told who holds it", async () => {
  using folder = temporaryFolder();
  await using node = await NodeProcess.start(folder.path);
  const second = await strom(["node", "--data", folder.path, "--native", ":0"]);
  assertEquals(second, {
    code: 1,
    stdout: "",
    stderr: `strom node: Data folder ${folder.path} is in use by process ${node.pid}\n`,
  });
});

Deno.test("strom node: what was produced is there after a kill, and after a stop", async () => {
  using folder = temporaryFolder();
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await using node = await NodeProcess.start(folder.path);
    const { code, stderr } = await strom(
      ["produce", "--topic", "orders", "--bootstrap", node.address],
      "one\ntwo\n",
    );
    assertEquals([code, stderr], [0, ""]);
    node.kill(signal);
    assertEquals((await node.finished()).code, signal === "SIGTERM" ? 0 : 137);
  }
  const log = join(folder.path, "orders-0", "00000000000000000000.log");
  const { code, stdout } = await strom(["log", "dump", log, "--records"]);
  assertEquals(code, 0);
  assertEquals(stdout.match(/value "(one|two)"/g)?.length, 4);
});

Deno.test("strom node: configs come from a file and from the command line, which counts first", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "node.properties");
  Deno.writeTextFileSync(file, "# three\nnum.partitions=3\nnode.id=7\n");
  const data = join(folder.path, "data");
  await using node = await NodeProcess.start(
    ...[data, "--config", file, "--set", "num.partitions=2"] as const,
  );
  assertMatch(node.ready, /^Strom node 7 is ready/);
  await strom(["produce", "--topic", "orders", "--bootstrap", node.address], "one\n");
  const folders = [...Deno.readDirSync(data)].map(({ name }) => name).filter((name) =>
    name.startsWith("orders-")
  );
  assertEquals(folders.sort(), ["orders-0", "orders-1"]);
});

Deno.test("strom node: what is wrong with the configs is a usage error that names all of it", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "node.properties");
  Deno.writeTextFileSync(file, "num.partitons=3\nlog.segment.bytes=big\n");
  const wrong = await strom(["node", "--data", folder.path, "--config", file]);
  assertEquals(wrong.code, 2);
  assertEquals(
    wrong.stderr.split("\n")[0],
    "strom node: num.partitons is no known config (did you mean num.partitions?); " +
      "log.segment.bytes=big is no whole number",
  );
});

Deno.test("strom node: a port in use is a failure in one line", async () => {
  using folder = temporaryFolder();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const native = `127.0.0.1:${listener.addr.port}`;
  const { code, stdout, stderr } = await strom(["node", "--data", folder.path, "--native", native]);
  assertEquals([code, stdout], [1, ""]);
  const hint = "another process does; --native and --kafka choose other addresses";
  assertEquals(stderr, `strom node: Cannot listen on ${native}: ${hint}\n`);
});

Deno.test("strom node: what cannot be a data folder or a config file is named with the reason", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "file");
  Deno.writeTextFileSync(file, "");
  for (
    const [args, problem] of [
      [["--data", file], `Cannot use data folder ${file}: it is no folder`],
      [
        ["--data", join(file, "below")],
        `Cannot use data folder ${join(file, "below")}: a part of the path is not a folder`,
      ],
      [["--config", folder.path], `cannot read config file ${folder.path}: it is a folder`],
      [["--config", "./none"], "cannot read config file ./none: there is no such file"],
    ] as const
  ) {
    const { stderr } = await strom(["node", "--native", ":0", ...args]);
    assertEquals(stderr.split("\n")[0], `strom node: ${problem}`);
  }
});

Deno.test("strom node: one whose cluster has no controller says what it waits for, and is stopped in order", async () => {
  using folder = temporaryFolder();
  // Nobody answers at port 1.
  const voters = "1@127.0.0.1:1,2@127.0.0.2:1";
  const process = spawnStrom(
    ["node", "--data", folder.path, "--native", ":0", "--voters", voters],
  );
  const stderr = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const { value: note } = await stderr.read();
  assertEquals(note, `Node 1 waits until a majority of the voters runs: ${voters}\n`);
  process.kill("SIGTERM");
  await stderr.cancel();
  assertEquals((await process.status).code, 0);
  const stdout = await new Response(process.stdout).text();
  assertMatch(stdout, /^Strom node 1 has stopped in order/);
});

Deno.test("strom node: a folder of another cluster is refused, and both are named", async () => {
  using folder = temporaryFolder();
  const node = await NodeProcess.start(folder.path);
  node.kill("SIGTERM");
  await node.finished();
  const voters = "1@127.0.0.1:1,2@127.0.0.2:1";
  const { code, stderr } = await strom(
    ["node", "--data", folder.path, "--native", ":0", "--voters", voters],
  );
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^strom node: Cannot start node 1 in cluster \S{22}: the folder is of cluster \S{22}\n$/,
  );
});

Deno.test("strom node: roles, voters and addresses that cannot be read are usage errors", async () => {
  for (
    const [args, problem] of [
      [["--roles", "boss"], "process.roles=boss is not broker, controller, or both"],
      [
        ["--roles", "broker"],
        "process.roles=broker has no controller: controller.quorum.voters or",
      ],
      [["--voters", "1@here"], "controller.quorum.voters: here is no host:port"],
      [["--controllers", "here"], "controller.quorum.bootstrap.servers: here is no host:port"],
      [["--native", "0.0.0.0:0"], "cannot listen on 0.0.0.0"],
    ] as const
  ) {
    const { code, stderr } = await strom(["node", "--data", "./never-made", ...args]);
    assertEquals([code, stderr.slice(12, 12 + problem.length)], [2, problem]);
  }
});
