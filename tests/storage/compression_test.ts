import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  compress,
  type Compression,
  compressionOfId,
  decompress,
  idOfCompression,
} from "../../storage/compression.ts";
import {
  CompressionError,
  CorruptCompressionError,
  DecompressionBombError,
} from "../../storage/compression_errors.ts";

const CODECS: readonly Compression[] = ["gzip", "snappy", "lz4", "zstd"];

const MEBIBYTE = 1024 * 1024;

/** Compresses neither well nor badly, the same each time. */
function sampleBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[index] = index % 3 === 0 ? state >>> 16 : index >>> 5;
  }
  return bytes;
}

Deno.test("compression: codecs go by the ids of a batch's attributes", () => {
  const names = [0, 1, 2, 3, 4].map(compressionOfId);
  assertEquals(names, ["none", "gzip", "snappy", "lz4", "zstd"]);
  assertEquals(names.map(idOfCompression), [0, 1, 2, 3, 4]);
  for (const id of [5, 7, -1]) {
    assertThrows(() => compressionOfId(id), RangeError, `Cannot find codec ${id}`);
  }
});

Deno.test("compression: none gives back the same bytes, if they are allowed", () => {
  const bytes = sampleBytes(100);
  assertStrictEquals(compress("none", bytes), bytes);
  assertStrictEquals(decompress("none", bytes, 100), bytes);
  assertThrows(() => decompress("none", bytes, 99), DecompressionBombError);
});

for (const codec of CODECS) {
  Deno.test(`compression: ${codec} gives back what it was given, at exactly the bytes allowed`, () => {
    for (const length of [1, 2, 63, 1000, 65_536, 65_537, 300_000]) {
      const bytes = sampleBytes(length);
      const compressed = compress(codec, bytes);
      assert(decompress(codec, compressed, length).every((byte, at) => byte === bytes[at]));
      assertEquals(decompress(codec, compressed, length).length, length);
      assertThrows(() => decompress(codec, compressed, length - 1), DecompressionBombError);
    }
  });

  Deno.test(`compression: ${codec} takes any bytes, any part of a larger array`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(10), (content, before) => {
        const larger = new Uint8Array(before + content.length + 5).fill(0xee);
        larger.set(content, before);
        const compressed = compress(codec, larger.subarray(before, before + content.length));
        larger.fill(0xdd);
        const carrier = new Uint8Array(compressed.length + 7);
        carrier.set(compressed, 3);
        const part = carrier.subarray(3, 3 + compressed.length);
        assertEquals(new Uint8Array(decompress(codec, part, 2000)), content);
      }),
      { numRuns: 200 },
    );
  });

  Deno.test(`compression: ${codec} refuses what is cut off anywhere`, () => {
    for (const content of [sampleBytes(2000), new Uint8Array(5000)]) {
      const compressed = compress(codec, content);
      const step = Math.max(1, Math.floor(compressed.length / 97));
      for (let length = 0; length < compressed.length; length += step) {
        const cut = compressed.slice(0, length);
        assertThrows(() => decompress(codec, cut, 10_000), CorruptCompressionError);
      }
      const cut = compressed.slice(0, -1);
      assertThrows(() => decompress(codec, cut, 10_000), CorruptCompressionError);
    }
  });

  Deno.test(`compression: ${codec} stops a bomb within the bytes allowed`, () => {
    const bomb = compress(codec, new Uint8Array(64 * MEBIBYTE));
    const before = Deno.memoryUsage().rss;
    const error = assertThrows(() => decompress(codec, bomb, MEBIBYTE), DecompressionBombError);
    assertInstanceOf(error, DecompressionBombError);
    assertEquals((error as DecompressionBombError).bytesMax, MEBIBYTE);
    assert(Deno.memoryUsage().rss - before < 32 * MEBIBYTE);
  });

  Deno.test(`compression: ${codec} answers any bytes with bytes or a CompressionError`, () => {
    const sound = compress(codec, sampleBytes(400));
    const edits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 });
    const tail = fc.uint8Array({ maxLength: 6 });
    fc.assert(
      fc.property(edits, tail, fc.boolean(), (edits, tail, isTailed) => {
        const bytes = new Uint8Array(sound.length + (isTailed ? tail.length : 0));
        bytes.set(sound);
        if (isTailed) bytes.set(tail, sound.length);
        for (const [position, value] of edits) bytes[position] = value;
        try {
          assert(decompress(codec, bytes, 50_000).length <= 50_000);
        } catch (error) {
          if (!(error instanceof CompressionError)) throw error;
          assertEquals(error.codec, codec);
        }
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        assert(decompress(codec, bytes, 50_000).length <= 50_000);
      } catch (error) {
        if (!(error instanceof CompressionError)) throw error;
      }
    }));
  });
}

Deno.test("compression: levels of gzip and zstd are taken", () => {
  const bytes = sampleBytes(200_000);
  for (const codec of ["gzip", "zstd"] as const) {
    const fast = compress(codec, bytes, 1);
    const small = compress(codec, bytes, 9);
    assert(small.length < fast.length);
    assertEquals(decompress(codec, small, bytes.length).length, bytes.length);
  }
});

Deno.test("compression: gzip of several members is one content", () => {
  const [one, two] = [compress("gzip", sampleBytes(500)), compress("gzip", new Uint8Array(9))];
  const both = new Uint8Array(one.length + two.length);
  both.set(one);
  both.set(two, one.length);
  assertEquals(decompress("gzip", both, 509).length, 509);
  assertThrows(() => decompress("gzip", both, 508), DecompressionBombError);
});

Deno.test("compression: without leave to load native code, two codecs remain", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      new URL("compression_without_ffi.ts", import.meta.url).href,
    ],
  }).output();
  assertEquals(code, 0);
  const unavailable = (codec: string) =>
    `CodecUnavailableError: Cannot load codec ${codec}: its native addon does not start here`;
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [
    100,
    unavailable("snappy"),
    unavailable("lz4"),
    100,
  ]);
});
