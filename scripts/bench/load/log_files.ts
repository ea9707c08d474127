/**
 * The log of one partition, alone in a process, against bare writes and reads of the same sizes on
 * the same disk. Short rounds of either take turns, so that what the machine does besides meets
 * both, and the shares are medians of what each pair of rounds says.
 */

import fs from "node:fs";
import { DenoDisk } from "../../../storage/deno_disk.ts";
import { Log } from "../../../storage/log.ts";
import { logConfig } from "../../../storage/log_config.ts";
import { LogResources } from "../../../storage/log_resources.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { validateProducedBatch } from "../../../storage/record_batch_validation.ts";
import { median } from "../percentiles.ts";
import { touchPages } from "../warm_pages.ts";

export interface LogLoad {
  readonly folder: string;
  /** At most, of one batch, one write and one read. */
  readonly size: number;
  /** Of one round. */
  readonly bytes: number;
  readonly rounds: number;
}

/** Bytes a second. */
export interface LogRates {
  readonly append: number;
  /** With the checks that a producer's batch gets first, its checksum among them. */
  readonly validatedAppend: number;
  readonly write: number;
  readonly read: number;
  readonly bareRead: number;
}

export interface LogResult {
  /** The best of all rounds. */
  readonly best: LogRates;
  /** Of appends in bare writes, and of reads in bare reads. */
  readonly appendShare: number;
  readonly readShare: number;
}

const LOG_FOLDER = "bench-0";
/** Rounds until the code is compiled. */
const WARM_UP = 3;

export function measureLog(load: LogLoad): LogResult {
  const batch = makeBatch(load.size);
  const sized = { ...load, size: batch.length };
  const rounds: LogRates[] = [];
  for (let round = -WARM_UP; round < load.rounds; round++) {
    const measured = measureRound(sized, batch, round % 2 === 0);
    if (round >= 0) rounds.push(measured);
  }
  const best = (name: keyof LogRates) => Math.max(...rounds.map((round) => round[name]));
  return {
    best: {
      append: best("append"),
      validatedAppend: best("validatedAppend"),
      write: best("write"),
      read: best("read"),
      bareRead: best("bareRead"),
    },
    appendShare: median(rounds.map(({ append, write }) => append / write)),
    readShare: median(rounds.map(({ read, bareRead }) => read / bareRead)),
  };
}

/** One round of each; which of the two goes first changes from round to round. */
function measureRound(load: LogLoad, batch: Uint8Array, bareFirst: boolean): LogRates {
  const { folder, bytes } = load;
  touchPages(folder, bytes * 1.2 + 32e6)();
  const early = bareFirst ? measureBare(load, batch) : undefined;
  const plain = withLog(folder, (log) => {
    const append = rate(load, () => appendTo(log, batch));
    return { append, read: readRate(load, log) };
  });
  const bare = early ?? measureBare(load, batch);
  const validatedAppend = withLog(folder, (log) =>
    rate(load, () => {
      // The log has stamped its place into the batch, which producers leave at 0.
      batch.fill(0, 0, 8);
      const fault = validateProducedBatch(batch, 0, batch.length, { batchBytesMax: 1 << 20 });
      if (fault !== null) throw new Error(`Cannot append: ${fault.reason}`);
      appendTo(log, batch);
    }));
  return { ...bare, ...plain, validatedAppend };
}

function measureBare(load: LogLoad, batch: Uint8Array): Pick<LogRates, "write" | "bareRead"> {
  return withBareFile(load.folder, (descriptor) => ({
    write: rate(load, (position) => {
      fs.writeSync(descriptor, batch, 0, batch.length, position);
    }),
    bareRead: bareReadRate(load, descriptor),
  }));
}

/** Of `step`, called for each `size` bytes of a round. */
function rate({ size, bytes }: LogLoad, step: (position: number) => void): number {
  const start = performance.now();
  let position = 0;
  for (; position + size <= bytes; position += size) step(position);
  return position / (performance.now() - start) * 1000;
}

function appendTo(log: Log, batch: Uint8Array): void {
  const result = log.append(batch, { origin: "leader", leaderEpoch: 0, now: Date.now() });
  if (result.kind === "refused") throw new Error(`Cannot append: ${result.reason}`);
}

function readRate(load: LogLoad, log: Log): number {
  const target = new Uint8Array(load.size);
  const recordsOfBatch = log.logEndOffset / Math.floor(load.bytes / load.size);
  let offset = log.logStartOffset;
  return rate(load, () => {
    const located = log.locate(offset, {
      maxBytes: load.size,
      maxOffset: log.logEndOffset,
      minOneBatch: true,
    });
    if (located.kind !== "slice") throw new Error(`Cannot read at ${offset}: ${located.kind}`);
    located.file.read(target.subarray(0, located.length), located.position);
    offset += recordsOfBatch;
  });
}

function bareReadRate(load: LogLoad, descriptor: number): number {
  const target = new Uint8Array(load.size);
  return rate(load, (position) => {
    fs.readSync(descriptor, target, 0, target.length, position);
  });
}

function withBareFile<Result>(folder: string, use: (descriptor: number) => Result): Result {
  const path = `${folder}/bare`;
  const descriptor = fs.openSync(path, "w+");
  try {
    return use(descriptor);
  } finally {
    fs.closeSync(descriptor);
    Deno.removeSync(path);
  }
}

function withLog<Result>(folder: string, use: (log: Log) => Result): Result {
  const disk = new DenoDisk(folder);
  const opened = Log.open({
    resources: new LogResources(disk),
    folder: LOG_FOLDER,
    config: logConfig(),
    now: Date.now(),
    clean: false,
  });
  if (opened.kind !== "open") throw new Error(`Cannot open the log: ${opened.kind}`);
  try {
    return use(opened.log);
  } finally {
    opened.log.close({ clean: false, now: Date.now() });
    disk.remove(LOG_FOLDER);
    disk.close();
  }
}

/** A batch of records of 100 bytes, as near to `size` bytes as they come. */
function makeBatch(size: number): Uint8Array {
  const builder = new RecordBatchBuilder(new Uint8Array(size), size);
  const value = new Uint8Array(100);
  while (builder.tryAppend(Date.now(), null, value) >= 0);
  return builder.build();
}
