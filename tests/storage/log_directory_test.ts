import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MalformedFileError, replaceSmallFile } from "../../storage/checkpoint.ts";
import { DiskError } from "../../storage/disk.ts";
import { LogDirectory, WrongNodeError } from "../../storage/log_directory.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { readMetaProperties } from "../../storage/meta_properties.ts";

let drawn = 0;

function open(disk: MemoryDisk, nodeId?: number, clusterId?: string): LogDirectory {
  const newId = () => `id${String(++drawn).padStart(20, "0")}`;
  return new LogDirectory(disk, { nodeId: nodeId ?? 1, holder: "test", newId, clusterId });
}

function put(disk: MemoryDisk, path: string): void {
  replaceSmallFile(disk, path, "x", { sync: true });
}

Deno.test("log directory: a new one is of the cluster that its node was told, for ever", () => {
  const disk = new MemoryDisk();
  const first = open(disk, 1, "the-cluster");
  assertEquals(first.clusterId, "the-cluster");
  first.release();
  const second = open(disk);
  assertEquals(second.clusterId, "the-cluster");
  assertEquals(second.directoryId, first.directoryId);
  second.release();
});

Deno.test("log directory: a node of another cluster is refused, and told both", () => {
  const disk = new MemoryDisk();
  open(disk, 1, "one").release();
  const error = assertThrows(() => open(disk, 1, "other"), WrongNodeError);
  assertEquals(error.message, "Cannot start node 1 in cluster other: the folder is of cluster one");
  open(disk, 1, "one").release();
});

Deno.test("log directory: data whose owner's name is lost are refused, and stay as they are", () => {
  for (const path of ["orders-0/partition.metadata", "__cluster_metadata-0/0.log"]) {
    const disk = new MemoryDisk();
    disk.makeDirectory(path.slice(0, path.indexOf("/")));
    put(disk, path);
    const error = assertThrows(() => open(disk), MalformedFileError);
    assertStringIncludes(error.message, path.slice(0, path.indexOf("/")));
    assertStringIncludes(error.message, "meta.properties");
    assertEquals(readMetaProperties(disk, ""), undefined);
  }
  const disk = new MemoryDisk();
  put(disk, "replication-offset-checkpoint");
  assertThrows(() => open(disk), MalformedFileError, "replication-offset-checkpoint");
});

Deno.test("log directory: what is no node's is no hindrance to a new node", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("lost+found");
  disk.makeDirectory("backup-2024");
  put(disk, "notes.txt");
  put(disk, "meta.properties.tmp");
  open(disk).release();
});

Deno.test("log directory: the broker epoch is kept over an end in order, and over no other", () => {
  const disk = new MemoryDisk();
  const first = open(disk);
  assertEquals([first.clean, first.previousBrokerEpoch], [false, -1]);
  first.closeClean(42);
  const second = open(disk);
  assertEquals([second.clean, second.previousBrokerEpoch], [true, 42]);
  second.release();
  const third = open(disk);
  assertEquals([third.clean, third.previousBrokerEpoch], [false, -1]);
  third.closeClean(-1);
  const fourth = open(disk);
  assertEquals([fourth.clean, fourth.previousBrokerEpoch], [true, -1]);
  fourth.release();
});

Deno.test("log directory: a mark that an earlier version left is clean, and says no epoch", () => {
  const disk = new MemoryDisk();
  open(disk).release();
  replaceSmallFile(disk, ".kafka_cleanshutdown", "", { sync: true });
  const directory = open(disk);
  assertEquals([directory.clean, directory.previousBrokerEpoch], [true, -1]);
  directory.release();
});

Deno.test("log directory: a cut lowers what is compacted, at once and durably, or not at all", () => {
  const failing = { now: false };
  const disk = new MemoryDisk({
    faults: {
      befall: () => {
        if (failing.now) throw new DiskError("no-space", "Cannot write: there is no space");
        return undefined;
      },
    },
  });
  const directory = open(disk);
  directory.noteCompacted("orders-0", 100);
  directory.noteCompacted("orders-1", 70);
  directory.writeCheckpoints();
  failing.now = true;
  directory.noteCut("orders-0", 100);
  assertThrows(() => directory.noteCut("orders-0", 50), DiskError);
  assertEquals(directory.compactedTo("orders-0"), 100);
  failing.now = false;
  directory.noteCut("orders-0", 50);
  disk.killProcess();
  const again = open(disk);
  assertEquals([again.compactedTo("orders-0"), again.compactedTo("orders-1")], [50, 70]);
  // A topic of the same name begins with nothing, after a crash too.
  again.beginAnew("orders-0");
  disk.killProcess();
  const third = open(disk);
  assertEquals([third.compactedTo("orders-0"), third.compactedTo("orders-1")], [0, 70]);
});

Deno.test("log directory: a cut of one log makes no other count as compacted from a start that is lost", () => {
  const disk = new MemoryDisk();
  const directory = open(disk);
  const note = (logStartOffset: number) =>
    directory.note("orders-0", { recoveryPoint: 100, logStartOffset, highWatermark: 100 });
  note(0);
  directory.noteCompacted("orders-1", 50);
  directory.writeCheckpoints();
  // What was before 80 is deleted, and thereby compacted.
  note(80);
  directory.noteCompacted("orders-0", 80);
  directory.noteCut("orders-1", 20);
  disk.crash();
  const again = open(disk);
  assertEquals([again.compactedTo("orders-0"), again.progress("orders-0").logStartOffset], [
    80,
    80,
  ]);
});
