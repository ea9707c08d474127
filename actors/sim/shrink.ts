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
  const asking = shrinking(items);
  let asked = asking.next();
  while (!asked.done) asked = asking.next(fails(asked.value));
  return asked.value;
}

/** The same, where it takes a while to know. */
export async function shrinkListAsync<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  const asking = shrinking(items);
  let asked = asking.next();
  while (!asked.done) asked = asking.next(await fails(asked.value));
  return asked.value;
}

/** Gives lists, is told of each whether it fails, and returns what is left. */
function* shrinking<Item>(
  items: readonly Item[],
): Generator<readonly Item[], readonly Item[], boolean> {
  let kept = items;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let start = 0; start < kept.length;) {
      const without = [...kept.slice(0, start), ...kept.slice(start + size)];
      if (yield without) kept = without;
      else start += size;
    }
  }
  return kept;
}
