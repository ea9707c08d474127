import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../scripts/commands/option.ts";
import {
  jsonOf,
  parseFormat,
  type PrintedRecord,
  printJson,
  printValue,
  type RecordPrinter,
  unescape,
} from "../../scripts/commands/record_format.ts";
import { Output } from "../../scripts/commands/output.ts";
import { testTerminal } from "./test_terminal.ts";

const encoder = new TextEncoder();

const RECORD: PrintedRecord = {
  topic: "orders",
  partition: 2,
  offset: 42,
  timestamp: 1_700_000_000_000,
  key: encoder.encode("k"),
  value: encoder.encode("värde"),
  headers: [
    { key: "a", value: encoder.encode("1") },
    { key: "b", value: null },
  ],
};

async function printed(printer: RecordPrinter, record: PrintedRecord = RECORD): Promise<string> {
  const terminal = testTerminal();
  printer(record, terminal.output);
  await terminal.output.flush();
  return terminal.printed;
}

Deno.test("record format: without one the value stands on a line of its own", async () => {
  assertEquals(await printed(printValue), "värde\n");
  assertEquals(await printed(printValue, { ...RECORD, value: null }), "\n");
});

Deno.test("record format: letters stand for the record's parts, the rest for itself", async () => {
  assertEquals(
    await printed(parseFormat("%t-%p@%o %k=%v %T [%h] 100%%\\n\\t\\\\")),
    "orders-2@42 k=värde 1700000000000 [a=1,b=] 100%\n\t\\",
  );
  assertEquals(await printed(parseFormat("%k%v|"), { ...RECORD, key: null, value: null }), "|");
});

Deno.test("record format: what stands for nothing is refused", () => {
  assertThrows(() => parseFormat("%x"), UsageError, "--format has %x, which stands for nothing");
  assertThrows(() => parseFormat("%"), UsageError, "--format has %, which stands for nothing");
  assertThrows(() => parseFormat("\\x"), UsageError, "--format has \\x, which stands for nothing");
  assertThrows(() => parseFormat("%constructor"), UsageError);
});

Deno.test("record format: JSON has the protocol's names, one object a line", async () => {
  assertEquals(JSON.parse(await printed(printJson)), {
    topic: "orders",
    partition: 2,
    offset: 42,
    timestamp: 1_700_000_000_000,
    key: "k",
    value: "värde",
    headers: [{ key: "a", value: "1" }, { key: "b", value: null }],
  });
});

Deno.test("record format: bytes that are no text are base64 in JSON", () => {
  assertEquals(jsonOf(new Uint8Array([0xff, 0xfe])), { base64: "//4=" });
  assertEquals(jsonOf(new Uint8Array(0)), "");
  assertEquals(jsonOf(null), null);
  assertEquals(jsonOf(encoder.encode("\uFEFFx")), "\uFEFFx");
});

Deno.test("record format: escapes of a separator", () => {
  assertEquals(unescape("\\t", "key-separator"), "\t");
  assertEquals(unescape("a\\\\b", "key-separator"), "a\\b");
  assertThrows(
    () => unescape("\\q", "key-separator"),
    UsageError,
    "--key-separator has \\q, which stands for nothing",
  );
});

Deno.test("output: much is written in few and large pieces, and none is lost", async () => {
  const terminal = testTerminal();
  const line = encoder.encode("x".repeat(999));
  for (let i = 0; i < 1000; i++) {
    printValue({ ...RECORD, value: line }, terminal.output);
    if (terminal.output.isFull) await terminal.output.flush();
  }
  await terminal.output.flush();
  assertEquals(terminal.printed.length, 1_000_000);
  assertEquals(terminal.writes < 20, true);
});

Deno.test("output: a single piece may be larger than the buffer", async () => {
  const terminal = testTerminal();
  terminal.output.writeByte(0x61);
  terminal.output.write(encoder.encode("b".repeat(1_000_000)));
  terminal.output.writeByte(0x63);
  await terminal.output.flush();
  assertEquals(terminal.printed, `a${"b".repeat(1_000_000)}c`);
});

Deno.test("output: what is flushed by several at a time is written once, in order", async () => {
  let written = "";
  const output = new Output({
    async write(bytes) {
      // Longer than it takes the others to begin.
      await new Promise<void>((resolve) => setTimeout(resolve));
      const taken = bytes.subarray(0, 5);
      written += new TextDecoder().decode(taken);
      return taken.length;
    },
  });
  const flushes = [1, 2, 3].map((id) => {
    output.writeLine(`node ${id} is ready`);
    return output.flush();
  });
  await Promise.all(flushes);
  assertEquals(written, "node 1 is ready\nnode 2 is ready\nnode 3 is ready\n");
});
