/**
 * `strom log dump`: shows what is in one file of a log.
 *
 * @module
 */

import { basename, dirname, resolve } from "@std/path";
import { DenoDisk } from "../../storage/deno_disk.ts";
import type { File } from "../../storage/disk.ts";
import {
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  SNAPSHOT_SUFFIX,
  TIME_INDEX_SUFFIX,
} from "../../storage/log_files.ts";
import { command } from "./command.ts";
import { dumpOffsetIndex, dumpSnapshot, dumpTimeIndex } from "./dump_index.ts";
import { dumpLog, type DumpOptions } from "./dump_log.ts";
import { flag, UsageError } from "./option.ts";
import type { Output } from "./output.ts";

export const logDump = command({
  name: "log dump",
  summary: "Show what is in a .log, .index, .timeindex or .snapshot file",
  details: [
    "Batch by batch, each with its checksum computed. Fails when something in the file is wrong,",
    "after all that can be read of it was printed. The file may be of a node that runs, or Kafka's.",
  ],
  operands: ["SEGMENT-FILE"],
  options: {
    records: flag("Show the records of each batch too"),
    json: flag("Print one JSON object a line"),
  },
  async run({ options, operands, terminal: { output } }) {
    const path = operands[0] ?? "";
    const problems = await dump(path, options, output);
    const [first] = problems;
    if (first === undefined) return;
    const more = problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`;
    throw new Error(`${first}${more}`);
  },
});

async function dump(path: string, options: DumpOptions, output: Output): Promise<string[]> {
  const name = basename(path);
  const baseOffset = Number(/^\d+/.exec(name)?.[0] ?? NaN);
  const suffix = name.slice(name.indexOf("."));
  const disk = new DenoDisk(dirname(resolve(path)));
  if (disk.status(name)?.isDirectory !== false) throw new Error(`There is no file ${path}`);
  if (suffix === LOG_SUFFIX) {
    const file = disk.open(name);
    try {
      return await dumpLog(file, options, output);
    } finally {
      file.close();
    }
  }
  const known = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SNAPSHOT_SUFFIX];
  if (!known.includes(suffix) || Number.isNaN(baseOffset)) {
    throw new UsageError(
      `${name} is no segment file: their names are an offset and ${
        [LOG_SUFFIX, ...known].join(", ")
      }`,
    );
  }
  const bytes = readAll(disk.open(name));
  if (suffix === OFFSET_INDEX_SUFFIX) {
    return dumpOffsetIndex(bytes, baseOffset, options.json, output);
  }
  if (suffix === TIME_INDEX_SUFFIX) return dumpTimeIndex(bytes, baseOffset, options.json, output);
  return dumpSnapshot(bytes, name, options.json, output);
}

function readAll(file: File): Uint8Array {
  try {
    const bytes = new Uint8Array(file.size());
    return bytes.subarray(0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}
