import { assert, assertEquals } from "@std/assert";
import type { Log } from "../../storage/log.ts";
import type { CrashModel } from "../../storage/disk_faults.ts";
import { DiskError } from "../../storage/disk.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BatchView } from "../../storage/record_batch.ts";
import {
  appendPairs,
  assertFolds,
  COMPACTED,
  expectDone,
  fold,
  runCompaction,
  seal,
} from "../storage/compaction_fixture.ts";
import { SeededChance } from "../storage/disk_chance.ts";
import { bytesOf, FOLDER, names, NOW, openLog, readBatches } from "../storage/log_fixture.ts";

const SPEC = { config: { ...COMPACTED, segmentBytes: 700, deleteRetentionMs: 0 } };

/** Thrown in the middle of an operation of the disk. */
class PowerCut extends Error {}

/** What the disk does before its power goes, or before it fails. */
class Fate {
  operationsLeft = Infinity;
  instead: (() => never) | undefined;
  count = 0;

  befall(): undefined {
    this.count++;
    if (this.operationsLeft-- === 0) this.instead?.();
    return undefined;
  }
}

interface Victim {
  readonly disk: MemoryDisk;
  readonly fate: Fate;
  readonly log: Log;
  readonly before: Uint8Array[];
  readonly map: Map<string, string>;
}

/** A log that was compacted once and written to since, flushed and checkpointed. */
function makeVictim(): Victim {
  const fate = new Fate();
  const disk = new MemoryDisk({ faults: { befall: () => fate.befall() } });
  const log = openLog(disk, SPEC);
  fill(log, 0, 30);
  seal(log);
  expectDone(runCompaction(log, disk));
  fill(log, 30, 30);
  seal(log);
  appendPairs(log, [["tail", "1"]]);
  log.checkpointSync(NOW);
  log.applyRetention(log.logEndOffset, NOW + 1e6);
  return { disk, fate, log, before: readBatches(log), map: fold(log) };
}

function fill(log: Log, from: number, count: number): void {
  for (let index = from; index < from + count; index++) {
    const producer = index % 4 === 0
      ? { producerId: 7, producerEpoch: 0, baseSequence: index / 2 }
      : {};
    const value = index % 5 === 0 ? null : `value-${index}`;
    appendPairs(log, [[`key-${index % 9}`, value], [`other-${index % 13}`, "x"]], producer);
  }
}

/** What a run that nothing befalls leaves, and the ranges of offsets that change as one. */
function reference(): { readonly after: Uint8Array[]; readonly bounds: readonly number[] } {
  const { disk, log } = makeVictim();
  expectDone(runCompaction(log, disk));
  const bounds = names(disk, ".log").map((name) => Number(name.slice(0, 20)));
  return { after: readBatches(log), bounds };
}

const REFERENCE = reference();

/** The batches that begin within a range. */
function within(batches: readonly Uint8Array[], from: number, to: number): string[] {
  return batches.filter((bytes) => {
    const { baseOffset } = new BatchView(bytes);
    return baseOffset >= from && baseOffset < to;
  }).map(String);
}

/** In each range that is swapped as one: what was, or what was to be. */
function assertOldOrNew(found: readonly Uint8Array[], before: readonly Uint8Array[]): number {
  const { after, bounds } = REFERENCE;
  let swapped = 0;
  bounds.forEach((from, index) => {
    const to = bounds[index + 1] ?? Infinity;
    const present = within(found, from, to);
    const isOld = String(present) === String(within(before, from, to));
    const isNew = String(present) === String(within(after, from, to));
    assert(isOld || isNew, `offsets ${from} to ${to} are a mix`);
    if (!isOld) swapped++;
  });
  return swapped;
}

/** Whoever begins to read in the middle finds what one finds who comes from the start. */
function assertSameFromAnywhere(log: Log, found: readonly Uint8Array[]): void {
  const all = new Set(found.map(String));
  for (let offset = log.logStartOffset; offset < log.logEndOffset; offset += 7) {
    const range = { maxBytes: 1, maxOffset: log.logEndOffset, minOneBatch: true };
    const first = bytesOf(log.read(offset, range));
    assert(all.has(String(first)), `another batch is found at ${offset}`);
  }
}

function verify({ disk, log: { recoveryPoint }, before, map }: Victim): number {
  const log = openLog(disk, { ...SPEC, recoveryPoint });
  const found = readBatches(log);
  assertFolds(log, map);
  const swapped = assertOldOrNew(found, before);
  assertSameFromAnywhere(log, found);
  const kept = names(disk).filter((name) => /cleaned|swap|deleted/.test(name));
  assertEquals(kept, [], "nothing is left of what was interrupted");
  const files = filesOf(disk);
  disk.killProcess();
  const again = openLog(disk, { ...SPEC, recoveryPoint });
  assertEquals(readBatches(again), found, "opening twice is opening once");
  assertEquals(filesOf(disk), files);
  // And it may be compacted as if nothing had been.
  seal(again);
  expectDone(runCompaction(again, disk));
  assertFolds(again, map);
  return swapped;
}

function filesOf(disk: MemoryDisk): [string, number | undefined][] {
  return names(disk).map((name) => [name, disk.status(`${FOLDER}/${name}`)?.size]);
}

const MODELS: readonly CrashModel[] = [
  { tornOf1024: 0, unwritten: "zeros", names: "in-order" },
  { tornOf1024: 500, unwritten: "noise", names: "any-order" },
  { tornOf1024: 500, unwritten: "noise", names: "any-order" },
];

Deno.test("compaction: a power cut at any step leaves of each segment the old or the new one", () => {
  const outcomes = new Set<number>();
  MODELS.forEach((model, seed) => {
    for (let cutAfter = 0;; cutAfter++) {
      const victim = makeVictim();
      victim.fate.operationsLeft = cutAfter;
      victim.fate.instead = () => {
        throw new PowerCut();
      };
      const isCut = tryRun(victim);
      victim.fate.instead = undefined;
      victim.disk.crash(new SeededChance(seed * 1000 + cutAfter), model);
      outcomes.add(verify(victim));
      if (!isCut) break;
    }
  });
  const swaps = assertOldOrNew(REFERENCE.after, makeVictim().before);
  assert(swaps > 3);
  assertEquals([...outcomes].sort(), Array.from({ length: swaps + 1 }, (_, count) => count));
});

Deno.test("compaction: a kill at any step, and another while the log is opened, harm nothing", () => {
  for (let cutAfter = 0;; cutAfter += 3) {
    const victim = makeVictim();
    const cut = () => {
      throw new PowerCut();
    };
    victim.fate.operationsLeft = cutAfter;
    victim.fate.instead = cut;
    const isCut = tryRun(victim);
    for (let again = 0; again < 40; again += 3) {
      victim.disk.killProcess();
      victim.fate.operationsLeft = again;
      try {
        openLog(victim.disk, { ...SPEC, recoveryPoint: victim.log.recoveryPoint });
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
    }
    victim.fate.instead = undefined;
    victim.disk.killProcess();
    verify(victim);
    if (!isCut) break;
  }
});

Deno.test("compaction: a disk that fails at any step costs no record", () => {
  for (let failAfter = 0;; failAfter++) {
    const victim = makeVictim();
    victim.fate.operationsLeft = failAfter;
    victim.fate.instead = () => {
      throw new DiskError("no-space", "Cannot do it: there is no space");
    };
    const { log, disk, map } = victim;
    let failed = false;
    try {
      const step = runCompaction(log, disk);
      failed = step.kind === "failed";
      if (!failed) expectDone(step);
    } catch (error) {
      // Before it began.
      if (!(error instanceof DiskError)) throw error;
      failed = true;
    }
    const wasReached = victim.fate.operationsLeft < 0;
    victim.fate.instead = undefined;
    if (log.failure === undefined) {
      // It goes on as it is, and the next run may come.
      assertFolds(log, map);
      appendPairs(log, [["after", "1"]]);
      assert(!names(disk).some((name) => name.endsWith(".swap")));
      victim.map.set("after", "1");
      seal(log);
      expectDone(runCompaction(log, disk));
      assertFolds(log, map);
    } else {
      disk.killProcess();
      verify(victim);
    }
    if (!wasReached) break;
  }
});

/** Returns whether the power went. */
function tryRun({ log, disk }: Victim): boolean {
  try {
    expectDone(runCompaction(log, disk));
    return false;
  } catch (error) {
    if (error instanceof PowerCut) return true;
    throw error;
  }
}
