import { assertEquals, assertThrows } from "@std/assert";
import { MalformedFileError } from "../../storage/checkpoint.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  formatMetaProperties,
  formatPartitionMetadata,
  parseMetaProperties,
  parsePartitionMetadata,
  readMetaProperties,
  readPartitionMetadata,
  writeMetaProperties,
  writePartitionMetadata,
} from "../../storage/meta_properties.ts";

const META = { clusterId: "c1uster", nodeId: 3, directoryId: "AAAAAAAAAAAAAAAAAAAAAQ" };

Deno.test("meta properties: they survive a crash right after they are written", () => {
  const disk = new MemoryDisk();
  assertEquals(readMetaProperties(disk, ""), undefined);
  writeMetaProperties(disk, "", META);
  disk.crash();
  assertEquals(readMetaProperties(disk, ""), META);
});

Deno.test("meta properties: a file that Kafka wrote is read", () => {
  const text = "#\n#Wed Jan 01 00:00:00 UTC 2025\nnode.id=3\n" +
    "directory.id=AAAAAAAAAAAAAAAAAAAAAQ\nversion=1\ncluster.id=c1uster\n";
  assertEquals(parseMetaProperties(text, "p"), META);
});

Deno.test("meta properties: a newer format is refused by name", () => {
  const text = formatMetaProperties(META).replace("version=1", "version=2");
  assertThrows(() => parseMetaProperties(text, "p"), MalformedFileError, "newer");
});

Deno.test("meta properties: each field must be there and be of its kind", () => {
  const text = formatMetaProperties(META);
  const bad = [
    text.replace("version=1\n", ""),
    text.replace("node.id=3", "node.id=-3"),
    text.replace("cluster.id=c1uster\n", ""),
    text.replace("AAAAAAAAAAAAAAAAAAAAAQ", "short"),
  ];
  for (const one of bad) assertThrows(() => parseMetaProperties(one, "p"), MalformedFileError);
});

Deno.test("partition metadata: the topic id is kept in Kafka's text form", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("t-0");
  assertEquals(readPartitionMetadata(disk, "t-0"), undefined);
  writePartitionMetadata(disk, "t-0", "AAAAAAAAAAAAAAAAAAAAAg");
  assertEquals(readPartitionMetadata(disk, "t-0"), "AAAAAAAAAAAAAAAAAAAAAg");
  assertEquals(
    formatPartitionMetadata("AAAAAAAAAAAAAAAAAAAAAg"),
    "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAg\n",
  );
});

Deno.test("partition metadata: a newer format and a missing id are refused", () => {
  for (const text of ["version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAg\n", "version: 0\n", ""]) {
    assertThrows(() => parsePartitionMetadata(text, "p"), MalformedFileError, "p");
  }
});
