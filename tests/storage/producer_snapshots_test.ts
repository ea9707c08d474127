import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import {
  CorruptSnapshotError,
  decodeProducerEntries,
  encodeProducerState,
  ProducerSnapshots,
} from "../../storage/producer_snapshots.ts";
import { type ProducerEntry, ProducerState } from "../../storage/producer_state.ts";
import { fileBytes, FOLDER, names, NOW } from "./log_fixture.ts";

const RUNS = 200;
const NO_BASES: ReadonlySet<number> = new Set();

function restore(entries: readonly ProducerEntry[]): ProducerState {
  const state = new ProducerState();
  for (const entry of entries) state.restore(entry);
  return state;
}

const ENTRY: ProducerEntry = {
  producerId: 0x0102,
  producerEpoch: 3,
  coordinatorEpoch: 4,
  lastTimestamp: NOW,
  currentTransactionFirstOffset: 5,
  batches: [{ lastSequence: 6, lastOffset: 7, offsetDelta: 2, timestamp: NOW }],
};

Deno.test("producer snapshots: an entry has Kafka's form, with the checksum in front", () => {
  const bytes = encodeProducerState(restore([ENTRY]));
  const data = new DataView(bytes.buffer);
  assertEquals(bytes.length, 2 + 4 + 4 + 46);
  assertEquals(data.getInt16(0), 1);
  assertEquals(data.getInt32(6), 1);
  assertEquals(data.getBigInt64(10), 0x0102n);
  assertEquals(data.getInt16(18), 3);
  assertEquals(data.getInt32(20), 6);
  assertEquals(data.getBigInt64(24), 7n);
  assertEquals(data.getInt32(32), 2);
  assertEquals(data.getBigInt64(36), BigInt(NOW));
  assertEquals(data.getInt32(44), 4);
  assertEquals(data.getBigInt64(48), 5n);
});

const remembered = fc.record({
  lastSequence: fc.nat(),
  offsetDelta: fc.nat(1000),
  timestamp: fc.nat(),
});

const producerEntry: fc.Arbitrary<ProducerEntry> = fc.record({
  producerId: fc.nat(50),
  producerEpoch: fc.nat(0x7fff),
  coordinatorEpoch: fc.integer({ min: -1, max: 100 }),
  lastTimestamp: fc.nat(),
  currentTransactionFirstOffset: fc.integer({ min: -1, max: 100 }),
  batches: fc.array(remembered, { maxLength: 5 })
    .map((all) => all.map((one, index) => ({ ...one, lastOffset: 1000 + index * 10 }))),
});

Deno.test("producer snapshots: all that is known of every producer comes back", () => {
  const entries = fc.uniqueArray(producerEntry, { selector: (entry) => entry.producerId });
  fc.assert(
    fc.property(entries, (known) => {
      const bytes = encodeProducerState(restore(known));
      assertEquals(decodeProducerEntries(bytes, "p"), known);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("producer snapshots: a byte more, less or other than was written is found out", () => {
  const bytes = encodeProducerState(restore([ENTRY]));
  for (let at = 0; at < bytes.length; at++) {
    const other = bytes.slice();
    other[at]! ^= 0x10;
    assertThrows(
      () => decodeProducerEntries(other, "some-file"),
      CorruptSnapshotError,
      "some-file",
    );
    assertThrows(() => decodeProducerEntries(bytes.subarray(0, at), "p"), CorruptSnapshotError);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  assertThrows(() => decodeProducerEntries(longer, "p"), CorruptSnapshotError);
});

function folder(): MemoryDisk {
  const disk = new MemoryDisk();
  disk.makeDirectory(FOLDER);
  return disk;
}

Deno.test("producer snapshots: only the newest is kept besides those of segments", () => {
  const disk = folder();
  const snapshots = new ProducerSnapshots(disk, FOLDER, []);
  const bases = new Set([0, 20]);
  for (const offset of [5, 10, 20, 25, 30]) snapshots.write(offset, restore([]), bases);
  assertEquals(snapshots.offsets, [20, 30]);
  assertEquals(names(disk, ".snapshot").map((name) => Number(name.slice(0, 20))), [20, 30]);
});

Deno.test("producer snapshots: the newest sound one up to an offset is loaded", () => {
  const disk = folder();
  const snapshots = new ProducerSnapshots(disk, FOLDER, []);
  const bases = new Set([10, 20, 30]);
  for (const offset of [10, 20, 30]) {
    snapshots.write(offset, restore([{ ...ENTRY, producerId: offset }]), bases);
  }
  const torn = disk.open(`${FOLDER}/00000000000000000020.snapshot`);
  torn.truncate(torn.size() - 1);
  const found = snapshots.loadBefore(29, NOW, 1e9);
  assertEquals(found?.offset, 10);
  assertEquals([...found!.state.entries()].map(({ producerId }) => producerId), [10]);
  assertEquals(snapshots.offsets, [10, 30]);
  assertEquals(snapshots.loadBefore(9, NOW, 1e9), undefined);
});

Deno.test("producer snapshots: producers that are long silent are not loaded", () => {
  const disk = folder();
  const snapshots = new ProducerSnapshots(disk, FOLDER, []);
  const idle = { ...ENTRY, currentTransactionFirstOffset: -1 };
  snapshots.write(10, restore([idle, { ...ENTRY, producerId: 2 }]), NO_BASES);
  const found = snapshots.loadBefore(10, NOW + 1000, 1000);
  assertEquals([...found!.state.entries()].map(({ producerId }) => producerId), [2]);
});

Deno.test("producer snapshots: cutting the log removes those that speak of what is gone", () => {
  const disk = folder();
  const snapshots = new ProducerSnapshots(disk, FOLDER, []);
  for (const offset of [10, 20, 30]) snapshots.write(offset, restore([]), new Set([10, 20, 30]));
  snapshots.truncateFromEnd(20);
  assertEquals(snapshots.offsets, [10, 20]);
  snapshots.truncateFromStart(20);
  assertEquals(snapshots.offsets, [20]);
  assertEquals(names(disk, ".snapshot").length, 1);
  assertEquals(fileBytes(disk, `${FOLDER}/00000000000000000020.snapshot`).length, 10);
});
