import { assertEquals } from "@std/assert";
import { DiskError } from "../../storage/disk.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  append,
  leader,
  names,
  NOW,
  openLog,
  readBatches,
  readValues,
  reopen,
} from "./log_fixture.ts";

Deno.test("log: what was closed in order is opened as it was, also after a power cut", () => {
  for (const powerCut of [false, true]) {
    const disk = new MemoryDisk();
    let log = openLog(disk);
    for (let index = 0; index < 20; index++) {
      append(log, { values: [`${index}`] }, leader(index >> 3));
    }
    const expected = { batches: readBatches(log), epochs: log.epochEntries };
    log.close({ clean: true, now: NOW });
    const { recoveryPoint } = log;
    if (powerCut) disk.crash();
    log = openLog(disk, { clean: true, recoveryPoint });
    assertEquals({ batches: readBatches(log), epochs: log.epochEntries }, expected);
    assertEquals([log.flushedOffset, log.recoveryPoint], [20, 20]);
  }
});

Deno.test("log: closing again without a change writes nothing", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  append(log);
  let operations = 0;
  log.close({ clean: true, now: NOW });
  const watched = disk.clone({ faults: { befall: () => (operations++, undefined) } });
  const again = openLog(watched, { clean: true, recoveryPoint: 1 });
  operations = 0;
  again.close({ clean: true, now: NOW });
  assertEquals(operations, 0);
});

Deno.test("log: closed without order it is as after a kill, and nothing is lost", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  for (let index = 0; index < 20; index++) append(log, { values: [`${index}`] });
  const expected = readValues(log);
  log.close({ clean: false, now: NOW });
  assertEquals(readValues(openLog(disk)), expected);
});

Deno.test("log: a leader epoch without records ends where it begins, until a restart", () => {
  const disk = new MemoryDisk();
  let log = openLog(disk);
  append(log, {}, leader(2));
  log.assignEpoch(5);
  assertEquals(log.latestEpoch, 5);
  assertEquals(log.endOffsetFor(5), { epoch: 5, offset: 1 });
  assertEquals(log.endOffsetFor(3), { epoch: 2, offset: 1 });
  assertEquals(log.epochForOffset(0), 2);
  log = reopen(disk, log);
  assertEquals(log.latestEpoch, 2);
  assertEquals(log.endOffsetFor(3), undefined);
});

Deno.test("log: producers that are idle for too long are forgotten", () => {
  const log = openLog(new MemoryDisk(), { config: { producerIdExpirationMs: 1000 } });
  append(log, { producerId: 1, producerEpoch: 0, baseSequence: 0 });
  log.removeExpiredProducers(NOW + 999);
  assertEquals(log.producers(NOW).size, 1);
  log.removeExpiredProducers(NOW + 1000);
  assertEquals(log.producers(NOW).size, 0);
});

Deno.test("log: rolling an empty segment does nothing", () => {
  const disk = new MemoryDisk();
  const log = openLog(disk);
  log.roll(NOW);
  append(log);
  log.roll(NOW);
  log.roll(NOW);
  assertEquals(names(disk, ".log").length, 2);
});

Deno.test("log: its size is that of all its segments", () => {
  const log = openLog(new MemoryDisk());
  for (let index = 0; index < 20; index++) append(log);
  assertEquals(log.sizeInBytes, readBatches(log).reduce((sum, { length }) => sum + length, 0));
});

Deno.test("log: opening a folder that cannot be made is told as the disk's failure", () => {
  const disk = new MemoryDisk();
  disk.readOnly = true;
  try {
    openLog(disk);
  } catch (error) {
    assertEquals(error instanceof DiskError, false);
    assertEquals(String(error).includes("read-only"), true);
    return;
  }
  throw new Error("Cannot be opened");
});
