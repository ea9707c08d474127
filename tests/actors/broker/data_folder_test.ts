/** What a node may remove from its data folder, and what it may say of it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readOffsetCheckpoint, RECOVERY_POINT_CHECKPOINT } from "../../../storage/checkpoint.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { type Disk, DiskError, type File } from "../../../storage/disk.ts";
import { batchOf, beginProduce, BrokerWorld } from "./broker_world.ts";

const DURABLE = { "flush.before.ack": "true", "retention.ms": "-1" };

Deno.test("data folder: nobody can make a topic whose folder is that of the metadata log", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  world.produce(client, "orders", batchOf(["a"]));
  const { topics } = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{ name: "__cluster_metadata", numPartitions: 1, replicationFactor: 1 }],
  });
  assertEquals(topics[0]!.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  assertStringIncludes(topics[0]!.errorMessage!, "is the metadata log");
  const automatic = world.ask(client, METADATA, { topics: [{ name: "__cluster_metadata" }] });
  assertEquals(automatic.topics[0]!.partitions, []);
  world.pass(1000);
  world.crash();
  world.start();
  assertEquals(world.values(world.client(), "orders"), ["a"]);
});

/** The names of the data folder's folders, but that of the metadata log. */
function folders(world: BrokerWorld): string[] {
  return world.disk.list("")
    .filter(({ name, isDirectory }) => isDirectory && name !== "__cluster_metadata-0")
    .map(({ name }) => name);
}

for (const powerLoss of [false, true]) {
  const how = powerLoss ? "a power cut" : "a crash";
  Deno.test(`data folder: ${how} after a topic was made anew finds it as it was`, () => {
    const world = BrokerWorld.serving();
    const first = world.client();
    world.createTopic(first, "orders", 1, DURABLE);
    for (let i = 0; i < 30; i++) world.produce(first, "orders", batchOf([`old ${i}`]));
    assertEquals(world.deleteRecords(first, "orders", 20), [0, 20]);
    // Retention and checkpoints come round: what is noted is of the old topic.
    world.pass(400_000);
    let client = world.client();
    world.deleteTopic(client, "orders");
    world.createTopic(client, "orders", 1, DURABLE);
    for (let i = 0; i < 5; i++) world.produce(client, "orders", batchOf([`new ${i}`]));
    world.crash(powerLoss);
    world.start();
    client = world.client();
    const expected = ["new 0", "new 1", "new 2", "new 3", "new 4"];
    assertEquals(world.values(client, "orders"), expected);
  });
}

Deno.test("data folder: a topic made anew begins at 0 though the node stopped in between", () => {
  const world = BrokerWorld.serving();
  const first = world.client();
  world.createTopic(first, "orders", 1, DURABLE);
  for (let i = 0; i < 30; i++) world.produce(first, "orders", batchOf([`old ${i}`]));
  world.deleteRecords(first, "orders", 20);
  world.pass(400_000);
  world.deleteTopic(world.client(), "orders");
  world.crash();
  world.start();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  assertEquals(world.produce(client, "orders", batchOf(["new"])).baseOffset, 0);
});

Deno.test("data folder: it is marked as clean only when every log was scanned and closed", () => {
  const marked = new Set<boolean>();
  for (let events = 0; events < 40; events++) {
    const world = BrokerWorld.serving();
    const client = world.client();
    world.createTopic(client, "orders");
    world.produce(client, "orders", batchOf(["a"]));
    world.crash();
    world.boot();
    world.simulation.run({ events });
    world.stop();
    const isMarked = world.disk.status(".kafka_cleanshutdown") !== undefined;
    marked.add(isMarked);
    if (!isMarked) continue;
    const points = readOffsetCheckpoint(world.disk, RECOVERY_POINT_CHECKPOINT);
    assertEquals(points.get("orders-0"), 1, `stopped after ${events} events`);
  }
  assertEquals(marked.size, 2);
});

Deno.test("data folder: a power cut takes what was not flushed, and no partition with it", () => {
  let cut = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const world = BrokerWorld.serving({ seed });
    const client = world.client();
    world.createTopic(client, "orders", 1, { "retention.ms": "-1" });
    for (let i = 0; i < 30; i++) world.produce(client, "orders", batchOf([`${i}`.padEnd(300)]));
    // The high watermark has come into the checkpoint.
    world.pass(400_000);
    world.crash({ unwritten: "noise" });
    world.start();
    world.pass(100);
    assertEquals(world.linesWith("partition offline"), [], `seed ${seed}`);
    cut += world.linesWith("cut a torn log").length;
    assertEquals(world.produce(world.client(), "orders", batchOf(["on"])).errorCode, 0);
  }
  assert(cut > 0);
});

Deno.test("data folder: damaged metadata end the node, and no topic with it", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  world.produce(client, "orders", batchOf(["precious"]));
  world.pass(70_000);
  world.crash();
  const log = "__cluster_metadata-0/00000000000000000000.log";
  const bit = 8 * (world.disk.status(log)!.size - 20);
  world.disk.flipBit(log, bit);
  world.boot();
  world.until(() => world.failure !== undefined, "the node fails");
  assertStringIncludes(world.failure!, "Cannot open the metadata log");
  assertStringIncludes(world.failure!, log);
  world.crash();
  world.disk.flipBit(log, bit);
  world.start();
  assertEquals(world.values(world.client(), "orders"), ["precious"]);
});

Deno.test("data folder: logs of topics that the metadata never knew are set aside, not removed", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders", 1, DURABLE);
  world.produce(client, "orders", batchOf(["precious"]));
  world.stop();
  world.disk.remove("__cluster_metadata-0");
  const aside = `orders-0.${topicId}-stray`;
  for (let round = 0; round < 2; round++) {
    world.start();
    assertEquals(folders(world).filter((name) => name.endsWith("-stray")), [aside]);
    assert(world.disk.status(`${aside}/00000000000000000000.log`)!.size > 0);
    assertEquals(world.linesWith("set aside the log of an unknown topic").length, 1);
    const again = world.client();
    if (round === 0) world.createTopic(again, "orders", 1, DURABLE);
    assertEquals(world.produce(again, "orders", batchOf(["new"])).baseOffset, round);
    world.stop();
  }
});

Deno.test("data folder: however full the disk is, an orderly stop ends, and the next start serves", () => {
  const failures = new Set<string>();
  for (let room = 0; room < 500; room += 10) {
    const world = BrokerWorld.serving();
    const client = world.client();
    world.createTopic(client, "orders", 1, DURABLE);
    world.produce(client, "orders", batchOf(["a"]));
    world.node.disk.fill(room);
    world.stop();
    const [failure = "none"] = world.closeFailures;
    failures.add(failure.split(":")[0]!);
    const isMarked = world.disk.status(".kafka_cleanshutdown") !== undefined;
    assertEquals(isMarked, failure === "none");
    world.node.disk.heal();
    world.start();
    assertEquals(world.values(world.client(), "orders"), ["a"]);
  }
  assert(failures.has("data folder") && failures.has("none"), [...failures].join());
});

/** Lets a sync that runs while the node goes on fail later, and one that holds it up succeed. */
function failingLater(disk: Disk, fails: () => boolean): Disk {
  const open = (path: string, options?: { readonly create?: boolean }): File => {
    const file = disk.open(path, options);
    return new Proxy(file, {
      get(target, name) {
        if (name === "syncLater" && fails()) {
          return (done: (failure: DiskError) => void) =>
            target.syncLater(() => done(new DiskError("io", `Cannot sync ${path}: EIO`)));
        }
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return new Proxy(disk, {
    get(target, name) {
      if (name === "open") return open;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

for (const what of ["records", "metadata"]) {
  Deno.test(`data folder: a sync of ${what} that fails while the node stops leaves no clean mark`, () => {
    let fails = false;
    const world = BrokerWorld.serving({ wrapDisk: (disk) => failingLater(disk, () => fails) });
    const client = world.client();
    world.createTopic(client, "orders", 1, DURABLE);
    world.produce(client, "orders", batchOf(["a"]));
    world.node.disk.slowSyncs(50);
    fails = true;
    const produced = what === "records"
      ? beginProduce(client, "orders", batchOf(["b"]))
      : undefined;
    const created = what === "metadata"
      ? client.begin(CREATE_TOPICS, {
        timeoutMs: 1000,
        topics: [{ name: "others", numPartitions: 1, replicationFactor: 1 }],
      })
      : undefined;
    world.pass(5);
    let failures: readonly string[] | undefined;
    world.booted.close((told) => failures = told);
    world.until(() => failures !== undefined || world.failure !== undefined, "the node ends");
    world.pass(1000);
    assertEquals(world.disk.status(".kafka_cleanshutdown"), undefined);
    const answer = produced?.response?.responses[0]?.partitionResponses[0];
    if (answer !== undefined) assert(answer.errorCode !== 0, "not acknowledged");
    if (created?.response !== undefined) assert(created.response.topics[0]!.errorCode !== 0);
  });
}
