/**
 * Finding a small schedule of faults that still makes a run fail.
 *
 * @module
 */

/**
 * Leaves out as much of a list as it can while `fails` stays true of what is left: halves first,
 * then ever smaller runs, down to single items. `fails` is asked about the square of the length at
 * the most, and must be true of the whole.
 */
export function shrinkList<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => boolean,
): readonly Item[] {
  let kept = items;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let start = 0; start < kept.length;) {
      const without = [...kept.slice(0, start), ...kept.slice(start + size)];
      if (fails(without)) kept = without;
      else start += size;
    }
  }
  return kept;
}
