/**
 * Follows one log from event to event: what was appended, what was cut, and what a restart made of
 * it.
 *
 * Owns the shadow of the log, which outlives the process and is what a restart is held against
 * (P40). Holds the log itself to P1: dense, epochs rising, and a cache of epochs that says the same
 * as the batches.
 *
 * @module
 */

import type { Offset } from "../../../storage/bytes/ids.ts";
import type { LogView } from "../cluster_view.ts";
import { describeBatch, isSame, type ObservedBatch, ShadowLog } from "./shadow_log.ts";
import type { Verdicts } from "./verdicts.ts";

/** What happened to a log since the last look. */
export interface LogChange {
  /** It was opened: what was cut was lost since it was open last. */
  readonly reopened: boolean;
  /** Taken from the end, in order. */
  readonly removed: readonly ObservedBatch[];
  readonly appended: readonly ObservedBatch[];
}

/** How the process ended that had the log open last. */
export type EndOfProcess = "none" | "killed" | "power-lost" | "damaged";

/** One log of one node. */
export class LogTrack {
  readonly shadow = new ShadowLog();
  /** For messages. */
  readonly name: string;
  readonly #verdicts: Verdicts;
  readonly #isElsewhere: (batch: ObservedBatch) => boolean;
  #view: LogView | undefined;
  #isOpen = false;
  #endOffset: Offset = 0;
  #truncations = 0;
  /** What the log has said is durable, and has not cut since. */
  #durable: Offset = 0;
  #ended: EndOfProcess = "none";
  #mayVanish = false;
  /** What was cut and may be back after a power cut: nothing behind the cut is durable since. */
  #mayReturn: readonly ObservedBatch[] = [];

  /** `isElsewhere` tells of a batch whether it is in the same log of another node. */
  constructor(
    name: string,
    verdicts: Verdicts,
    isElsewhere: (batch: ObservedBatch) => boolean = () => false,
  ) {
    this.name = name;
    this.#verdicts = verdicts;
    this.#isElsewhere = isElsewhere;
  }

  /** The log is looked at here from now on. */
  attach(view: LogView): void {
    this.#view = view;
    this.#isOpen = false;
  }

  /** The process ended, or the actor did; what it left on the disk is as told. */
  detach(ended: EndOfProcess): void {
    this.#view = undefined;
    this.#isOpen = false;
    if (SEVERITY[ended] > SEVERITY[this.#ended]) this.#ended = ended;
    if (ended === "power-lost") this.#isInDoubt = true;
  }

  /** The disk was emptied: nothing of it is there any more, as was announced. */
  wiped(): void {
    this.shadow.replace([], 0);
    this.#durable = 0;
    this.#isInDoubt = false;
  }

  /**
   * Nothing of what was there counts any more: the log begins where it ended, with other records.
   */
  startedAnew(): void {
    this.shadow.replace([], this.shadow.endOffset);
  }

  /**
   * The replica was taken from the node, which may not know of it yet: whenever it learns of that
   * the log goes, and what is found then may be anything. Until `stays`.
   */
  mayVanish(): void {
    this.#mayVanish = true;
  }

  /** The node knows that it is a replica again: the log is there, or has begun anew. */
  stays(): void {
    this.#mayVanish = false;
  }

  /** Between a power cut and the next opening: only what was durable is surely there. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }
  #isInDoubt = false;

  /** Up to where it is surely held: as far as is known to be durable, where that is in doubt. */
  get heldOffset(): Offset {
    return this.#isInDoubt ? Math.min(this.#durable, this.shadow.endOffset) : this.shadow.endOffset;
  }

  get durableOffset(): Offset {
    return Math.min(this.#durable, this.shadow.endOffset);
  }

  /** Compares with the last look. Undefined where nothing was appended or cut. */
  look(): LogChange | undefined {
    const view = this.#view;
    if (view === undefined || !view.isOpen) return undefined;
    const { logEndOffset } = view;
    if (!this.#isOpen) return this.#reopened(view);
    this.#noteFlushed(view);
    if (logEndOffset === this.#endOffset && view.truncations === this.#truncations) {
      return undefined;
    }
    const cut = view.truncations !== this.#truncations || logEndOffset < this.#endOffset;
    return cut ? this.#cut(view, false) : this.#grown(view);
  }

  /** Holds the log to P1; for when its epochs changed, and now and then. */
  checkShape(): void {
    const view = this.#view;
    if (view === undefined || !view.isOpen) return;
    const { batches } = this.shadow;
    let dense = true;
    let rising = true;
    for (let i = 1; i < batches.length; i++) {
      const [before, batch] = [batches[i - 1]!, batches[i]!];
      dense &&= batch.baseOffset === before.nextOffset;
      rising &&= batch.epoch >= before.epoch;
    }
    const { name } = this;
    this.#verdicts.hold("P1 type-ok", dense, () => `${name}: offsets are missing between batches`);
    this.#verdicts.hold("P1 type-ok", rising, () => `${name}: leader epochs fall along the log`);
    this.#checkEpochs(view);
  }

  #grown(view: LogView): LogChange {
    const appended = view.batchesFrom(this.shadow.endOffset);
    // A snapshot was made, or loaded, of what came in the same event.
    if (appended.length === 0 && view.logStartOffset > this.shadow.endOffset) {
      return this.#cut(view, false);
    }
    for (const batch of appended) {
      const { last } = this.shadow;
      const fits = last === undefined ||
        batch.baseOffset === last.nextOffset && batch.epoch >= last.epoch;
      this.#verdicts.hold("P1 type-ok", fits, () => {
        return `${this.name}: ${describeBatch(batch)} follows ${describeBatch(last)}`;
      });
      this.shadow.append(batch);
    }
    this.#took(view);
    return { reopened: false, removed: [], appended };
  }

  #cut(view: LogView, reopened: boolean): LogChange {
    const before = this.shadow.batches;
    const now = view.batchesFrom();
    // The beginning may have gone meanwhile.
    const first = now[0]?.baseOffset ?? view.logStartOffset;
    const kept = before.filter(({ baseOffset }) => baseOffset >= first);
    let common = 0;
    while (common < kept.length && isSame(kept[common], now[common])) common++;
    const removed = kept.slice(common);
    const appended = now.slice(common);
    const [cut] = removed;
    if (cut !== undefined) {
      this.#durable = Math.min(this.#durable, cut.baseOffset);
      this.#mayReturn = [...removed, ...this.#mayReturn];
    }
    // What went from the beginning was there: it is remembered, unless the log starts anew.
    const gone = before.filter(({ nextOffset }) => nextOffset <= first);
    const follows = gone[gone.length - 1]?.nextOffset === first;
    this.shadow.replace(follows ? [...gone, ...now] : now, view.logEndOffset);
    this.#took(view);
    this.checkShape();
    return { reopened, removed, appended };
  }

  #reopened(view: LogView): LogChange {
    this.#isOpen = true;
    const durable = this.#durable;
    const lastEpoch = this.shadow.last?.epoch ?? -1;
    const mayReturn = this.#ended === "power-lost" ? this.#mayReturn : [];
    const change = this.#cut(view, true);
    const [lost] = change.removed;
    const [found] = change.appended;
    const { name } = this;
    if (this.#ended !== "none" && this.#ended !== "damaged" && !this.#mayVanish) {
      const all = this.#ended === "killed";
      this.#verdicts.hold("P40 recovery", lost === undefined || !all, () => {
        return `${name}: a process ended, and ${describeBatch(lost)} is gone from the page cache`;
      });
      // A log that is torn below its high watermark is set aside whole, to be fetched anew: whether
      // it may be missed is for the rules about who must hold what.
      const isSetAside = this.#ended === "power-lost" && view.logEndOffset === 0;
      const kept = lost === undefined || lost.nextOffset > durable || isSetAside;
      this.#verdicts.hold("P40 recovery", kept, () => {
        return `${name}: ${describeBatch(lost)} is gone, and all below ${durable} was durable`;
      });
      // What is of a later epoch was appended since, in the event that opened the log.
      const isKnown = found === undefined || found.epoch > lastEpoch ||
        mayReturn.some((batch) => isSame(batch, found)) ||
        // What was fetched and could not be written whole was cut back: that may be lost, too.
        this.#ended === "power-lost" && this.#isElsewhere(found);
      this.#verdicts.hold("P40 recovery", isKnown, () => {
        return `${name}: ${describeBatch(found)} came from nowhere`;
      });
    }
    this.#ended = "none";
    this.#isInDoubt = false;
    return change;
  }

  #took(view: LogView): void {
    this.#endOffset = view.logEndOffset;
    this.#truncations = view.truncations;
    // A log that was opened may not know how much of it was durable before.
    this.#noteFlushed(view);
    const { shadow, name } = this;
    const end = shadow.last === undefined ? view.logEndOffset : shadow.endOffset;
    this.#verdicts.hold("P1 type-ok", end === view.logEndOffset, () => {
      return `${name}: the log ends at ${view.logEndOffset}, its files at ${end}`;
    });
  }

  #noteFlushed({ flushedOffset }: LogView): void {
    this.#durable = Math.max(this.#durable, flushedOffset);
    if (this.#mayReturn.some(({ baseOffset }) => baseOffset < flushedOffset)) this.#mayReturn = [];
  }

  /** The cache of epochs must be what the batches say, but for an epoch without records. */
  #checkEpochs(view: LogView): void {
    const { logStartOffset, logEndOffset } = view;
    const entries = view.epochs().filter(({ startOffset }) => startOffset < logEndOffset);
    const expected: string[] = [];
    let last = -1;
    for (const { epoch, baseOffset, nextOffset } of this.shadow.batches) {
      if (nextOffset <= logStartOffset || epoch === last) continue;
      expected.push(`${epoch}@${Math.max(baseOffset, logStartOffset)}`);
      last = epoch;
    }
    const cached = entries.map(({ epoch, startOffset }) =>
      `${epoch}@${Math.max(startOffset, logStartOffset)}`
    );
    const equal = cached.length === expected.length &&
      cached.every((entry, index) => entry === expected[index]);
    this.#verdicts.hold("P1 type-ok", equal, () => {
      return `${this.name}: the cache of epochs says ${cached}, the batches say ${expected}`;
    });
  }
}

const SEVERITY: Readonly<Record<EndOfProcess, number>> = {
  none: 0,
  killed: 1,
  "power-lost": 2,
  damaged: 3,
};
