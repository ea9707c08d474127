/** Started by crc32c_test.ts in a process that may load no native code. */

import { crc32c, crc32cIsNative } from "../../../storage/bytes/crc32c.ts";

const zeros = new Uint8Array(10_000);
console.log(JSON.stringify({ native: crc32cIsNative(), crc: crc32c(zeros) }));
