import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { runCommandLine } from "../../scripts/commands/run.ts";
import { logDump } from "../../scripts/commands/log_dump.ts";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import { type BatchOptions, RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { testTerminal } from "./test_terminal.ts";

const BASE = "00000000000000000100";
const TIME = Date.parse("2026-01-31T12:00:00Z");

function batch(values: readonly (string | null)[], options: BatchOptions): Uint8Array {
  const builder = new RecordBatchBuilder(new Uint8Array(4096));
  for (const value of values) {
    builder.tryAppend(TIME, "k", value, [{ key: "h", value: "1" }]);
  }
  return builder.build(options).slice();
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Dumps a file of these bytes. */
async function dump(suffix: string, bytes: Uint8Array, ...options: string[]) {
  const folder = Deno.makeTempDirSync();
  try {
    const path = join(folder, `${BASE}${suffix}`);
    Deno.writeFileSync(path, bytes);
    const terminal = testTerminal();
    const code = await runCommandLine([logDump], ["log", "dump", path, ...options], terminal);
    const lines = terminal.printed.split("\n").filter((line) => line !== "");
    return { code, lines, notes: terminal.notes };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const FIRST = batch(["one", "två"], { baseOffset: 100, partitionLeaderEpoch: 3 });
const SECOND = batch(["three", null], {
  baseOffset: 102,
  compression: "gzip",
  producerId: 7,
  producerEpoch: 0,
  baseSequence: 5,
});

Deno.test("log dump: a log is shown batch by batch", async () => {
  const { code, lines, notes } = await dump(".log", joined(FIRST, SECOND));
  assertEquals([code, notes], [0, []]);
  assertEquals(lines, [
    `position 0  offsets 100-101  records 2  bytes ${FIRST.length}  leaderEpoch 3  none  ` +
    "CreateTime  2026-01-31T12:00:00.000Z  crc ok",
    `position ${FIRST.length}  offsets 102-103  records 2  bytes ${SECOND.length}  leaderEpoch -1  ` +
    "gzip  CreateTime  2026-01-31T12:00:00.000Z  producer 7 epoch 0 sequence 5  crc ok",
  ]);
});

Deno.test("log dump: with --records also what is in each batch", async () => {
  const marker = buildTransactionMarker({
    kind: "COMMIT",
    producerId: 7,
    producerEpoch: 0,
    coordinatorEpoch: 1,
    timestamp: TIME,
    baseOffset: 104,
  });
  const { code, lines } = await dump(".log", joined(FIRST, SECOND, marker), "--records");
  assertEquals(code, 0);
  const records = lines.filter((line) => line.startsWith("  "));
  const time = "2026-01-31T12:00:00.000Z";
  assertEquals(records, [
    `  offset 100  ${time}  key "k"  value "one"  headers h="1"`,
    `  offset 101  ${time}  key "k"  value "två"  headers h="1"`,
    `  offset 102  ${time}  key "k"  value "three"  headers h="1"`,
    `  offset 103  ${time}  key "k"  value null  headers h="1"`,
    `  offset 104  ${time}  COMMIT`,
  ]);
});

Deno.test("log dump: JSON has the format's names", async () => {
  const { lines } = await dump(".log", SECOND, "--json", "--records");
  const [shown] = lines.map((line) => JSON.parse(line));
  assertEquals(lines.length, 1);
  assertEquals(shown.baseOffset, 102);
  assertEquals(shown.compression, "gzip");
  assertEquals(shown.isValid, true);
  assertEquals(shown.producerId, 7);
  assertEquals(shown.records[1], {
    offset: 103,
    timestamp: TIME,
    key: "k",
    value: null,
    headers: [{ key: "h", value: "1" }],
  });
});

Deno.test("log dump: a batch whose bytes changed is named, and those behind it are shown", async () => {
  const damaged = FIRST.slice();
  damaged[damaged.length - 1]! ^= 1;
  const { code, lines, notes } = await dump(".log", joined(damaged, SECOND), "--records");
  assertEquals(code, 1);
  assertEquals(lines.length, 4);
  assertEquals(lines[0]?.endsWith("crc WRONG"), true);
  assertEquals(notes, ["strom log dump: The batch at position 0 fails its checksum"]);
});

for (const kept of [5, 40, SECOND.length - 1]) {
  Deno.test(`log dump: a tail torn after ${kept} bytes is named`, async () => {
    const { code, lines, notes } = await dump(".log", joined(FIRST, SECOND.subarray(0, kept)));
    assertEquals([code, lines.length], [1, 1]);
    assertEquals(notes, [
      `strom log dump: The last ${kept} bytes, from position ${FIRST.length}, are the torn start ` +
      "of a batch",
    ]);
  });
}

Deno.test("log dump: what is no batch is named", async () => {
  const { code, notes } = await dump(".log", joined(FIRST, new Uint8Array(100)));
  assertEquals(code, 1);
  assertEquals(notes[0]?.endsWith(`100 bytes, from position ${FIRST.length}, are no batch`), true);
});

Deno.test("log dump: an offset that goes back is named", async () => {
  const { code, notes } = await dump(".log", joined(SECOND, FIRST));
  assertEquals(code, 1);
  assertEquals(notes[0]?.endsWith(`position ${SECOND.length} goes back to 100`), true);
});

Deno.test("log dump: an empty log is nothing, and nothing is wrong with it", async () => {
  assertEquals(await dump(".log", new Uint8Array(0)), { code: 0, lines: [], notes: [] });
});

/** Bytes of int32s, as indexes have them. */
function int32s(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => view.setInt32(index * 4, value));
  return new Uint8Array(view.buffer);
}

Deno.test("log dump: an index is shown with whole offsets", async () => {
  const { code, lines } = await dump(".index", int32s(5, 4096, 9, 9000, 0, 0));
  assertEquals(code, 0);
  assertEquals(lines, ["offset 105  position 4096", "offset 109  position 9000"]);
});

Deno.test("log dump: an index entry that does not rise is named, as is a torn one", async () => {
  const falling = await dump(".index", int32s(5, 4096, 4, 9000));
  assertEquals([falling.code, falling.notes], [1, ["strom log dump: Entry 1 does not rise"]]);
  const torn = await dump(".index", int32s(5, 4096, 9));
  assertEquals(torn.notes, ["strom log dump: The last 4 bytes are the torn start of an entry"]);
});

Deno.test("log dump: a time index is shown with times", async () => {
  const high = Math.floor(TIME / 2 ** 32);
  const low = TIME % 2 ** 32 | 0;
  const { code, lines } = await dump(".timeindex", int32s(high, low, 7), "--json");
  assertEquals([code, lines], [0, [`{"timestamp":${TIME},"offset":107}`]]);
});

const refused: readonly (readonly [string, readonly string[], number, string])[] = [
  ["that is not there", ["/no/such.log"], 1, "There is no file /no/such.log"],
  ["that is none of a segment", [import.meta.filename ?? ""], 2, "is no segment file"],
  ["that is not named", [], 2, "SEGMENT-FILE is missing"],
];

for (const [name, args, code, note] of refused) {
  Deno.test(`log dump: a file ${name} is refused`, async () => {
    const terminal = testTerminal();
    assertEquals(await runCommandLine([logDump], ["log", "dump", ...args], terminal), code);
    assertEquals(terminal.notes[0]?.includes(note), true, terminal.notes[0]);
  });
}
