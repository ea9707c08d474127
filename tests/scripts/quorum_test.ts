/** The metadata quorum as its users see it: voters that are processes, killed and started again. */

import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Admin, Consumer, Producer, TimeoutError } from "../../mod.ts";
import { freePorts } from "../../scripts/chaos/free_ports.ts";
import { NodeProcess, strom, temporaryFolder } from "./strom_process.ts";

/** Fails over quickly, as a test has no nine seconds to wait. */
const QUICK = [
  "broker.session.timeout.ms=1000",
  "broker.heartbeat.interval.ms=200",
  "controller.quorum.election.timeout.ms=300",
  "controller.quorum.fetch.timeout.ms=600",
  "controller.quorum.request.timeout.ms=600",
  "replica.lag.time.max.ms=3000",
].flatMap((property) => ["--set", property]);

/** Addresses that are free now. */
function freeAddresses(count: number): string[] {
  return freePorts(count).map((port) => `127.0.0.1:${port}`);
}

/** Asks until the answer is as it is waited for. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function kill(node: NodeProcess): Promise<void> {
  node.kill("SIGKILL");
  await node.finished();
}

/** Whether all replicas of the topic's partitions are in sync. */
async function isInSync(admin: Admin, topic: string, replicas: number): Promise<boolean> {
  const [described] = await admin.describeTopics([topic]);
  return described!.partitions.every(({ isr, leader }) => leader >= 0 && isr.length === replicas);
}

/** The first `count` records of partition 0, as they are read. */
async function read(bootstrap: string, topic: string, count: number): Promise<string[]> {
  await using consumer = await Consumer.connect(bootstrap, { topics: [topic], from: "earliest" });
  const values: string[] = [];
  for await (const record of consumer) {
    values.push(record.text());
    if (values.length === count) break;
  }
  return values;
}

Deno.test("quorum: one voter gone is not missed, with two gone data is served, and all heals", async () => {
  using folder = temporaryFolder();
  const addresses = freeAddresses(5);
  const bootstrap = addresses.join();
  const voters = addresses.slice(0, 3).map((address, index) => `${index + 1}@${address}`).join();
  const start = (id: number) =>
    NodeProcess.start(
      join(folder.path, String(id)),
      ...["--id", String(id), "--native", addresses[id - 1]!],
      ...id <= 3
        ? ["--voters", voters, "--roles", "controller"]
        : ["--controllers", addresses.slice(0, 3).join(), "--roles", "broker"],
      ...QUICK,
    );
  await using running = new AsyncDisposableStack();
  const begin = async (id: number) => running.use(await start(id));
  const [one, two] = await Promise.all([1, 2, 3].map(begin));
  await Promise.all([4, 5].map(begin));
  await using admin = await Admin.connect(bootstrap, { defaultApiTimeoutMs: 30_000 });
  await admin.createTopics([{ name: "kept", partitions: 1, replicationFactor: 2 }]);
  await using producer = await Producer.connect(bootstrap, { acks: "all" });
  let sent = 0;
  const produce = async () => {
    const sends = Array.from(
      { length: 20 },
      () => producer.send({ topic: "kept", partition: 0, value: `v${sent++}` }),
    );
    await Promise.all(sends);
  };
  await produce();

  await kill(one!);
  await admin.createTopics([{ name: "with-two", partitions: 2, replicationFactor: 2 }]);
  await admin.alterConfigs([{ type: "topic", name: "kept", set: { "retention.ms": "86400000" } }]);
  await admin.deleteTopics(["with-two"]);
  await produce();

  await kill(two!);
  await using brokers = await Admin.connect(addresses.slice(3).join(), {
    defaultApiTimeoutMs: 2000,
  });
  await assertRejects(() => brokers.createTopics([{ name: "too-few" }]), TimeoutError);
  await produce();
  assertEquals((await read(bootstrap, "kept", sent)).length, sent);

  await Promise.all([begin(1), begin(2)]);
  await admin.createTopics([{ name: "healed", partitions: 2, replicationFactor: 2 }]);
  await produce();
  await until(() => isInSync(admin, "healed", 2));
  const values = Array.from({ length: sent }, (_, index) => `v${index}`);
  assertEquals(await read(bootstrap, "kept", sent), values);
});

Deno.test("quorum: one node grows to three with its data, while it is produced to", async () => {
  using folder = temporaryFolder();
  const addresses = freeAddresses(3);
  const bootstrap = addresses.join();
  const start = (id: number) =>
    NodeProcess.start(
      join(folder.path, String(id)),
      ...["--id", String(id), "--native", addresses[id - 1]!],
      ...id === 1 ? [] : ["--controllers", addresses[0]!],
      ...QUICK,
    );
  await using running = new AsyncDisposableStack();
  const begin = async (id: number) => running.use(await start(id));
  const one = await begin(1);
  await using admin = await Admin.connect(bootstrap, { defaultApiTimeoutMs: 30_000 });
  await admin.createTopics([{ name: "t", partitions: 1, replicationFactor: 1 }]);
  await using producer = await Producer.connect(bootstrap, { acks: "all" });
  let sent = 0;
  let grown = false;
  const produce = async () => {
    while (!grown) {
      await Promise.all(
        Array.from({ length: 50 }, () => producer.send({ topic: "t", value: `v${sent++}` })),
      );
    }
  };
  const producing = produce();
  // Awaited below, unless something else fails first.
  producing.catch(() => {});
  for (const id of [2, 3]) {
    await begin(id);
    const added = await strom([
      ...["cluster", "add-voter", "--id", String(id), "--native", addresses[id - 1]!],
      ...["--bootstrap", bootstrap],
    ]);
    assertEquals([added.code, added.stdout, added.stderr], [0, `Node ${id} votes\n`, ""]);
  }
  await admin.alterPartitionReassignments([{ topic: "t", partition: 0, replicas: [2, 3, 1] }]);
  await until(async () => (await admin.listPartitionReassignments()).length === 0);
  await until(() => isInSync(admin, "t", 3));
  await kill(one);
  grown = true;
  await producing;
  await admin.createTopics([{ name: "later", partitions: 1, replicationFactor: 2 }]);
  await producer.send({ topic: "t", value: `v${sent++}` });
  const values = Array.from({ length: sent }, (_, index) => `v${index}`);
  assertEquals(await read(bootstrap, "t", sent), values);
  const { voters } = await admin.describeQuorum();
  assertEquals(voters.map(({ nodeId }) => nodeId).sort(), [1, 2, 3]);
  assertGreater(sent, 50);
});
