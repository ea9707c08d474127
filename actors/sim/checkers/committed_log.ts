/**
 * The canonical committed log of one partition (C in the guarantees), or of the metadata.
 *
 * A batch is in it from the moment on at which a leader first says that its high watermark is past
 * it. Nothing may ever disagree with it.
 *
 * @module
 */

import type { Offset } from "../../../storage/bytes/ids.ts";
import { describeBatch, isSame, type ObservedBatch, ShadowLog } from "./shadow_log.ts";

export class CommittedLog {
  readonly #log = new ShadowLog();
  #endOffset: Offset = 0;

  get batches(): readonly ObservedBatch[] {
    return this.#log.batches;
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }

  get last(): ObservedBatch | undefined {
    return this.#log.last;
  }

  at(offset: Offset): ObservedBatch | undefined {
    return this.#log.at(offset);
  }

  lastBelow(offset: Offset): ObservedBatch | undefined {
    return this.#log.lastBelow(offset);
  }

  /**
   * Takes in what `holder` says is committed. Returns the new batches, or why its log contradicts.
   */
  extend(holder: ShadowLog, highWatermark: Offset): readonly ObservedBatch[] | string {
    const from = this.#endOffset;
    if (highWatermark <= from) return this.contradiction(holder, highWatermark) ?? [];
    const contradiction = this.contradiction(holder, from);
    if (contradiction !== undefined) return contradiction;
    // A log that begins later says nothing of what comes before: another will.
    if (holder.startOffset > from && from > 0) return [];
    const added = holder.batches.slice(holder.countBelow(from), holder.countBelow(highWatermark));
    for (const batch of added) this.#log.append(batch);
    this.#endOffset = highWatermark;
    return added;
  }

  /**
   * Why a log does not hold what is committed below `offset`; undefined where it does. Only the
   * last batch is compared: what lies before it follows (see identities.ts).
   */
  contradiction(holder: ShadowLog, offset: Offset): string | undefined {
    const mine = this.#log.lastBelow(offset);
    if (mine === undefined) return undefined;
    const theirs = holder.lastBelow(offset);
    // A log may begin behind it: retention, or a replica made from a later start.
    if (theirs === undefined && holder.startOffset >= mine.nextOffset) return undefined;
    if (isSame(mine, theirs)) return undefined;
    return `${describeBatch(mine)} is committed, and there is ${describeBatch(theirs)}`;
  }

  /** An unclean election gave up what is not in the new leader's log. Returns what goes. */
  cutTo(holder: ShadowLog): readonly ObservedBatch[] {
    const { batches } = this.#log;
    let common = 0;
    while (
      common < batches.length && isSame(batches[common], holder.at(batches[common]!.baseOffset))
    ) common++;
    const removed = this.#log.truncateTo(batches[common]?.baseOffset ?? this.#log.endOffset);
    this.#endOffset = removed[0]?.baseOffset ?? Math.min(this.#endOffset, holder.endOffset);
    return removed;
  }
}
