import { assertEquals, assertThrows } from "@std/assert";
import {
  buildControlBatch,
  buildTransactionMarker,
  decodeControlRecord,
} from "../../storage/control_record.ts";
import { decodeRecords } from "../../storage/record.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { checkBatch } from "../../storage/record_batch_validation.ts";

function decodeControl(bytes: Uint8Array) {
  return decodeRecords(new BatchView(bytes)).map(decodeControlRecord);
}

const MARKER = {
  producerId: 4000,
  producerEpoch: 7,
  coordinatorEpoch: 3,
  timestamp: 1_700_000_000_000,
} as const;

Deno.test("control record: a marker is one transactional control record with key and value of KIP-98", () => {
  const bytes = buildTransactionMarker({ ...MARKER, kind: "COMMIT", baseOffset: 42 });
  assertEquals(checkBatch(bytes, 0, bytes.length), null);
  const batch = new BatchView(bytes);
  assertEquals(batch.attributes, 0x30);
  assertEquals(batch.baseOffset, 42);
  assertEquals([batch.recordsCount, batch.lastOffsetDelta], [1, 0]);
  assertEquals([batch.producerId, batch.producerEpoch, batch.baseSequence], [4000, 7, -1]);
  const [record] = decodeRecords(batch);
  assertEquals(record!.key!.toHex(), "00000001");
  assertEquals(record!.value!.toHex(), "000000000003");
});

Deno.test("control record: markers tell how the transaction ended and under which coordinator", () => {
  for (const kind of ["ABORT", "COMMIT"] as const) {
    const bytes = buildTransactionMarker({ ...MARKER, kind });
    assertEquals(decodeControl(bytes), [{ kind, coordinatorEpoch: 3 }]);
  }
});

Deno.test("control record: the quorum's records keep version and value, several in a batch", () => {
  const value = Uint8Array.of(1, 2, 3);
  const bytes = buildControlBatch([
    { kind: "SNAPSHOT_HEADER", version: 0, value },
    { kind: "KRAFT_VERSION", version: 1, value: new Uint8Array(300) },
  ], { timestamp: 5, baseOffset: 10, partitionLeaderEpoch: 2 });
  const batch = new BatchView(bytes);
  assertEquals(batch.attributes, 0x20);
  assertEquals([batch.baseOffset, batch.partitionLeaderEpoch, batch.producerId], [10, 2, -1]);
  assertEquals(decodeControl(bytes), [
    { kind: "SNAPSHOT_HEADER", version: 0, value },
    { kind: "KRAFT_VERSION", version: 1, value: new Uint8Array(300) },
  ]);
});

Deno.test("control record: unknown types pass, newer markers are read, short ones are refused", () => {
  const record = (key: string | null, value: string | null) => ({
    offset: 9,
    timestamp: 0,
    key: key === null ? null : Uint8Array.fromHex(key),
    value: value === null ? null : Uint8Array.fromHex(value),
    headers: [],
  });
  assertEquals(decodeControlRecord(record("00000063", "")), { kind: "UNKNOWN", type: 99 });
  assertEquals(decodeControlRecord(record("0000ffff", "")), { kind: "UNKNOWN", type: -1 });
  assertEquals(decodeControlRecord(record("0001000100", "000100000005aabb")), {
    kind: "COMMIT",
    coordinatorEpoch: 5,
  });
  const refused = [record(null, null), record("000000", ""), record("00000000", null)];
  for (const short of [...refused, record("00000001", "0000000000")]) {
    assertThrows(() => decodeControlRecord(short), RangeError, "at offset 9");
  }
});
