/**
 * Who of some has least, while what each has changes: a binary heap that is put right when it is
 * looked at.
 *
 * Invariant: of each there is an entry with the load that it has.
 *
 * @module
 */

interface Entry {
  readonly load: number;
  /** Of those who have as little the first counts. */
  readonly order: number;
}

export class LeastLoaded {
  readonly #members: readonly string[];
  readonly #orders = new Map<string, number>();
  readonly #loadOf: (memberId: string) => number;
  readonly #heap: Entry[] = [];

  constructor(members: readonly string[], loadOf: (memberId: string) => number) {
    this.#members = members;
    this.#loadOf = loadOf;
    members.forEach((memberId, order) => {
      this.#orders.set(memberId, order);
      this.changed(memberId);
    });
  }

  /** What one of them has is another. */
  changed(memberId: string): void {
    const order = this.#orders.get(memberId);
    if (order !== undefined) this.#push({ load: this.#loadOf(memberId), order });
  }

  /** The first of those who have least; undefined where there is nobody. */
  get first(): string | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      const memberId = this.#members[top.order] as string;
      if (this.#loadOf(memberId) === top.load) return memberId;
      this.#pop();
    }
    return undefined;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    for (let parent = at - 1 >> 1; at > 0; at = parent, parent = at - 1 >> 1) {
      const above = heap[parent] as Entry;
      if (!isLess(entry, above)) break;
      heap[at] = above;
      heap[parent] = entry;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right !== undefined && isLess(right, heap[child] as Entry)) child++;
      const below = heap[child] as Entry;
      if (!isLess(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isLess(a: Entry, b: Entry): boolean {
  return a.load < b.load || a.load === b.load && a.order < b.order;
}
