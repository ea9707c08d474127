/** `strom cluster` against a cluster in this process. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Admin, type Cluster, startCluster } from "../../mod.ts";
import { freePorts } from "../../scripts/chaos/free_ports.ts";
import { runCommandLine } from "../../scripts/commands/run.ts";
import { COMMANDS } from "../../scripts/commands/table.ts";
import { NodeProcess, temporaryFolder } from "./strom_process.ts";
import { testTerminal } from "./test_terminal.ts";

/** Runs a command against a cluster: its exit code, and all that it printed. */
async function run(bootstrap: string, ...args: string[]): Promise<[number, string]> {
  const terminal = testTerminal();
  const code = await runCommandLine(COMMANDS, [...args, "--bootstrap", bootstrap], terminal);
  return [code, terminal.printed + terminal.notes.map((note) => `${note}\n`).join("")];
}

/** Asks until the answer is as it is waited for. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function clusterOf(nodes: number): Promise<Cluster> {
  return await startCluster({ nodes });
}

Deno.test("strom cluster add-voter: brokers vote where they have said that they listen", async () => {
  using folder = temporaryFolder();
  const addresses = freePorts(3).map((port) => `127.0.0.1:${port}`);
  const [one = "", two = "", three = ""] = addresses;
  const start = (id: number, native: string, ...args: string[]) =>
    NodeProcess.start(
      `${folder.path}/${id}`,
      ...["--id", String(id), "--native", native, ...args],
      ...["--set", "controller.quorum.election.timeout.ms=300"],
      ...["--set", "controller.quorum.fetch.timeout.ms=600"],
      ...["--set", "broker.session.timeout.ms=1000"],
      ...["--set", "broker.heartbeat.interval.ms=200"],
    );
  const first = await start(1, one);
  await using _second = await start(2, two, "--controllers", one);
  await using _third = await start(3, three, "--controllers", one);
  const addVoter = ["cluster", "add-voter"];
  const missing =
    "strom cluster add-voter: --id N is missing\nsee strom cluster add-voter --help\n";
  assertEquals(await run(one, ...addVoter), [2, missing]);
  const unknown = "strom cluster add-voter: Node 7 does not follow the metadata\n";
  assertEquals(await run(one, ...addVoter, "--id", "7"), [1, unknown]);
  assertEquals(await run(one, ...addVoter, "--id", "2"), [0, "Node 2 votes\n"]);
  const again = "strom cluster add-voter: Node 2 votes already\n";
  assertEquals(await run(one, ...addVoter, "--id", "2"), [1, again]);
  assertEquals(await run(one, ...addVoter, "--id", "3"), [0, "Node 3 votes\n"]);
  first.kill("SIGKILL");
  await first.finished();
  // The two that are left elect one of them only if each finds the other.
  const created = await run(`${two},${three}`, "topics", "create", "--topic", "t");
  assertEquals(created, [0, "Topic t was created with 1 partition\n"]);
});

Deno.test("strom cluster reassign: a throttle that is taken off leaves nothing of it on the topic", async () => {
  await using cluster = await clusterOf(2);
  const { bootstrap } = cluster;
  await using admin = await Admin.connect(bootstrap);
  await run(bootstrap, "topics", "create", "--topic", "t");
  const reassign = ["cluster", "reassign", "--topic", "t"];
  const begun = await run(bootstrap, ...reassign, "--replicas", "0:2,1", "--throttle", "100000");
  assertEquals(begun, [0, "Reassignment of topic t is under way\n"]);
  await until(async () => (await admin.listPartitionReassignments()).length === 0);
  const described = async () => (await run(bootstrap, "topics", "describe"))[1];
  // The controller has said that it is done; a broker that is asked may hear of it later.
  await until(async () => (await described()).includes("throttled.replicas=*"));
  const ended = await run(bootstrap, ...reassign, "--unthrottle");
  assertEquals(ended, [0, "Reassignment of topic t is throttled no more\n"]);
  const bare = /^t {2}id \S+ {2}1 partition {2}2 replicas\n/;
  await until(async () => bare.test(await described()));
  const nothing = await run(bootstrap, ...reassign);
  assertEquals(nothing[0], 2);
  assertStringIncludes(nothing[1], "give --replicas, --cancel or --unthrottle");
});

Deno.test("strom cluster elect: the preferred replica leads again, and a topic that is none is named", async () => {
  await using cluster = await clusterOf(2);
  const { bootstrap } = cluster;
  await run(bootstrap, "topics", "create", "--topic", "t", "--replication-factor", "2");
  const elected = await run(bootstrap, "cluster", "elect", "--topic", "t", "--partition", "0");
  assertEquals(elected, [0, "Elections of topic t are done\n"]);
  const [code, printed] = await run(bootstrap, "cluster", "elect", "--topic", "nope");
  assertEquals(code, 1);
  assertStringIncludes(printed, "There is no topic nope");
});

Deno.test("strom cluster alter: a config that may change is another, and one that may not is refused", async () => {
  await using cluster = await clusterOf(1);
  const { bootstrap } = cluster;
  await using admin = await Admin.connect(bootstrap);
  const retention = async () => {
    const [described] = await admin.describeConfigs([{ type: "broker", name: "1" }]);
    return described!.configs.find(({ name }) => name === "log.retention.ms")?.value;
  };
  const alter = ["cluster", "alter"];
  const set = await run(bootstrap, ...alter, "--config", "log.retention.ms=5000");
  assertEquals(set, [0, "All brokers altered\n"]);
  await until(async () => await retention() === "5000");
  const one = await run(bootstrap, ...alter, "--broker", "1", "--config", "log.retention.ms=6000");
  assertEquals(one, [0, "Broker 1 altered\n"]);
  await until(async () => await retention() === "6000");
  const [code, refused] = await run(bootstrap, ...alter, "--config", "node.id=2");
  assertEquals(code, 1);
  assertStringIncludes(refused, "node.id");
  assertEquals((await run(bootstrap, ...alter))[0], 2);
});
