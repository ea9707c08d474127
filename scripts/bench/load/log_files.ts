/**
 * The log of one partition, alone in a process, against bare writes and reads of the same sizes on
 * the same disk. Rounds of either take turns, so that what the machine does besides meets both.
 */

import fs from "node:fs";
import { DenoDisk } from "../../../storage/deno_disk.ts";
import { Log } from "../../../storage/log.ts";
import { logConfig } from "../../../storage/log_config.ts";
import { LogResources } from "../../../storage/log_resources.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { validateProducedBatch } from "../../../storage/record_batch_validation.ts";
import { touchPages } from "../warm_pages.ts";

export interface LogLoad {
  readonly folder: string;
  /** At most, of one batch, one write and one read. */
  readonly size: number;
  /** Of one round. */
  readonly bytes: number;
  readonly rounds: number;
}

/** Bytes a second, the best of all rounds. */
export interface LogRates {
  readonly append: number;
  /** With the checks that a producer's batch gets first, its checksum among them. */
  readonly validatedAppend: number;
  readonly write: number;
  readonly read: number;
  readonly bareRead: number;
}

const LOG_FOLDER = "bench-0";

export function measureLog(load: LogLoad): LogRates {
  const batch = makeBatch(load.size);
  const sized = { ...load, size: batch.length };
  const rates = { append: 0, validatedAppend: 0, write: 0, read: 0, bareRead: 0 };
  for (let round = 0; round <= load.rounds; round++) {
    const measured = measureRound(sized, batch);
    if (round === 0) continue;
    for (const name of Object.keys(rates) as (keyof LogRates)[]) {
      rates[name] = Math.max(rates[name], measured[name]);
    }
  }
  return rates;
}

function measureRound(load: LogLoad, batch: Uint8Array): LogRates {
  const { folder, bytes } = load;
  touchPages(folder, bytes * 1.2 + 32e6)();
  const bare = withBareFile(folder, (descriptor) => ({
    write: rate(load, (position) => {
      fs.writeSync(descriptor, batch, 0, batch.length, position);
    }),
    bareRead: bareReadRate(load, descriptor),
  }));
  const plain = withLog(folder, (log) => {
    const append = rate(load, () => appendTo(log, batch));
    return { append, read: readRate(load, log) };
  });
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
