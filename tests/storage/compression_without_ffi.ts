/** Started by compression_test.ts in a process that may load no native code. */

import { compress, type Compression, decompress } from "../../storage/compression.ts";

const content = new Uint8Array(100);
const outcomes = (["gzip", "snappy", "lz4", "zstd"] as const).map((codec: Compression) => {
  try {
    return decompress(codec, compress(codec, content), 100).length;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : error;
  }
});
console.log(JSON.stringify(outcomes));
