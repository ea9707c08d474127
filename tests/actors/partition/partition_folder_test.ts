import { assert, assertEquals } from "@std/assert";
import {
  claimPartitionFolder,
  isBeingRemoved,
  removePartitionFolder,
  setAsidePartitionFolder,
} from "../../../actors/partition/partition_folder.ts";
import { partitionFolder } from "../../../storage/checkpoint.ts";
import type { Disk } from "../../../storage/disk.ts";
import { LogDirectory } from "../../../storage/log_directory.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";
import { SeededChance } from "../../storage/disk_chance.ts";
import { readPartitionMetadata } from "../../../storage/meta_properties.ts";

const OLD = "o".repeat(22);
const NEW = "n".repeat(22);
const FOLDER = "orders-0";

function directoryOf(disk: MemoryDisk): LogDirectory {
  return new LogDirectory(disk, { nodeId: 1, holder: "test", newId: () => "i".repeat(22) });
}

function claimed(): LogDirectory {
  const directory = directoryOf(new MemoryDisk());
  claimPartitionFolder(directory, FOLDER, OLD, new Set());
  directory.disk.open(`${FOLDER}/00000000000000000000.log`, { create: true });
  directory.note(FOLDER, { recoveryPoint: 9, logStartOffset: 5, highWatermark: 9 });
  return directory;
}

function folders(disk: Disk): string[] {
  return disk.list("").filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

Deno.test("partition folder: it stays its topic's, with what was noted of it", () => {
  const directory = claimed();
  assertEquals(claimPartitionFolder(directory, FOLDER, OLD, new Set()), undefined);
  assertEquals(directory.progress(FOLDER).recoveryPoint, 9);
  assertEquals(directory.disk.list(FOLDER).length, 2);
});

Deno.test("partition folder: that of a deleted topic goes, and what was noted of it", () => {
  const directory = claimed();
  assertEquals(claimPartitionFolder(directory, FOLDER, NEW, new Set([OLD])), undefined);
  assertEquals(folders(directory.disk), [FOLDER]);
  assertEquals(readPartitionMetadata(directory.disk, FOLDER), NEW);
  assertEquals(directory.progress(FOLDER), {
    recoveryPoint: 0,
    logStartOffset: 0,
    highWatermark: 0,
  });
});

Deno.test("partition folder: that of a topic nobody deleted is set aside whole", () => {
  const directory = claimed();
  const { disk } = directory;
  const aside = claimPartitionFolder(directory, FOLDER, NEW, new Set());
  assertEquals(aside, `${FOLDER}.${OLD}-stray`);
  assertEquals(folders(disk), [FOLDER, aside!]);
  assertEquals(disk.list(aside!).length, 2);
  disk.makeDirectory("orders-1");
  disk.remove(FOLDER);
  disk.rename(aside!, FOLDER);
  disk.makeDirectory(aside!);
  assertEquals(setAsidePartitionFolder(disk, FOLDER, OLD), `${FOLDER}.${OLD}.1-stray`);
});

Deno.test("partition folder: a log that nobody knows the topic of is set aside, not taken over", () => {
  const directory = claimed();
  const { disk } = directory;
  disk.remove(`${FOLDER}/partition.metadata`);
  const aside = claimPartitionFolder(directory, FOLDER, NEW, new Set([OLD]));
  assertEquals(aside, `${FOLDER}.unknown-stray`);
  assertEquals(disk.list(FOLDER).map(({ name }) => name), ["partition.metadata"]);
  assertEquals(disk.list(aside!).map(({ name }) => name), ["00000000000000000000.log"]);
});

Deno.test("partition folder: a power cut while it is removed leaves it whole, known, or empty", () => {
  const states = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const directory = claimed();
    const disk = directory.disk as MemoryDisk;
    for (const { name } of disk.list("")) {
      if (disk.status(name)!.isDirectory) disk.syncDirectory(name);
    }
    disk.syncDirectory("");
    removePartitionFolder(disk, FOLDER, OLD);
    disk.crash(new SeededChance(seed));
    if (disk.status(FOLDER) === undefined) continue;
    const names = disk.list(FOLDER).map(({ name }) => name);
    states.add(names.join(" "));
    assert(names.length === 0 || names.includes("partition.metadata"), names.join());
  }
  assertEquals(states.size, 3);
});

Deno.test("partition folder: no log begins before the checkpoints have forgotten the last one", () => {
  for (const isCheckpointed of [false, true]) {
    const directory = claimed();
    if (isCheckpointed) directory.writeCheckpoints();
    claimPartitionFolder(directory, FOLDER, NEW, new Set([OLD]));
    const disk = directory.disk as MemoryDisk;
    disk.crash();
    assertEquals(directoryOf(disk).progress(FOLDER), {
      recoveryPoint: 0,
      logStartOffset: 0,
      highWatermark: 0,
    });
  }
});

Deno.test("partition folder: a name that is as long as can be is not too long on its way out", () => {
  const disk = new MemoryDisk();
  const names: string[] = [];
  const rename = disk.rename.bind(disk);
  disk.rename = (from, to) => {
    names.push(to);
    rename(from, to);
  };
  for (const partition of [0, 1, 12345]) {
    const folder = partitionFolder("t".repeat(249), partition);
    disk.makeDirectory(folder);
    removePartitionFolder(disk, folder, OLD);
    assertEquals(folders(disk), []);
    disk.makeDirectory(folder);
    disk.remove(setAsidePartitionFolder(disk, folder, OLD));
  }
  assertEquals(new Set(names).size, 6);
  for (const name of names) assert(name.length <= 255, name);
  assertEquals(names.map(isBeingRemoved), [true, false, true, false, true, false]);
});
