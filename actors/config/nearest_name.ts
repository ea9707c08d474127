/**
 * The known name that somebody who mistyped may have meant.
 *
 * @module
 */

/** The nearest of `names`; undefined when none is near enough to be worth suggesting. */
export function nearestName(typed: string, names: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // A third of the letters may be wrong; beyond that a suggestion confuses.
  let distanceMax = Math.max(1, Math.floor(typed.length / 3));
  for (const name of names) {
    const distance = editDistance(typed, name, distanceMax);
    if (distance > distanceMax || distance === distanceMax && nearest !== undefined) continue;
    nearest = name;
    distanceMax = distance;
  }
  return nearest;
}

/** Letters to insert, remove, replace or swap with the next; `max + 1` as soon as it is more. */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let least = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, (before[column - 2] ?? 0) + 1);
      }
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? max + 1;
}
