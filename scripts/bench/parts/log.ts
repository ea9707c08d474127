/** The log alone, against bare writes and reads of the same sizes. */

import type { Bench, Part } from "../bench.ts";
import { atLeast } from "../figure.ts";
import type { LogResult } from "../load/log_files.ts";

const SIZES = [16 * 1024, 64 * 1024];
const ROUND_BYTES = 48e6;
const ROUNDS = 15;
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
  const { best, appendShare, readShare } = await bench.withFolder(async (folder) => {
    await using process = await bench.start({
      role: "log",
      load: { folder, size, bytes: ROUND_BYTES, rounds: ROUNDS },
    });
    return await process.round<LogResult>(0);
  });
  const speed = (value: number) => ({ value: value / 1e6, unit: "MB/s" });
  const share = (value: number) => ({ value: value * 100, unit: "%" });
  bench.report({ name: `${name} bare pwrite`, ...speed(best.write) });
  bench.report({ name: `${name} append`, ...speed(best.append) });
  bench.report({
    name: `${name} append, of pwrite`,
    ...share(appendShare),
    target: atLeast(APPEND_SHARE_MIN),
    note: `the median of ${ROUNDS} pairs of rounds`,
  });
  bench.report({ name: `${name} append, checksum verified`, ...speed(best.validatedAppend) });
  bench.report({ name: `${name} bare pread`, ...speed(best.bareRead) });
  bench.report({ name: `${name} read`, ...speed(best.read) });
  bench.report({ name: `${name} read, of pread`, ...share(readShare) });
}
