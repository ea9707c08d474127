/** The log alone, against bare writes and reads of the same sizes. */

import type { Bench, Part } from "../bench.ts";
import { atLeast } from "../figure.ts";
import type { LogRates } from "../load/log_files.ts";

const SIZES = [16 * 1024, 64 * 1024];
const ROUND_BYTES = 256e6;
const APPEND_SHARE_MIN = 85;

export const log: Part = {
  name: "log",
  summary: "the log of one partition against bare pwrite and pread, on warm pages",
  async run(bench) {
    for (const size of SIZES) await measureSize(bench, size);
  },
};

async function measureSize(bench: Bench, size: number): Promise<void> {
  const name = `${size / 1024} KiB`;
  bench.progress(name);
  const rates = await bench.withFolder(async (folder) => {
    const { rounds } = bench;
    await using process = await bench.start({
      role: "log",
      load: { folder, size, bytes: ROUND_BYTES, rounds: 2 * rounds },
    });
    return await process.round<LogRates>(0);
  });
  const speed = (value: number) => ({ value: value / 1e6, unit: "MB/s" });
  const share = (part: number, whole: number) => ({ value: part / whole * 100, unit: "%" });
  bench.report({ name: `${name} bare pwrite`, ...speed(rates.write) });
  bench.report({ name: `${name} append`, ...speed(rates.append) });
  bench.report({
    name: `${name} append, of pwrite`,
    ...share(rates.append, rates.write),
    target: atLeast(APPEND_SHARE_MIN),
  });
  bench.report({ name: `${name} append, checksum verified`, ...speed(rates.validatedAppend) });
  bench.report({ name: `${name} bare pread`, ...speed(rates.bareRead) });
  bench.report({ name: `${name} read`, ...speed(rates.read) });
  bench.report({ name: `${name} read, of pread`, ...share(rates.read, rates.bareRead) });
}
