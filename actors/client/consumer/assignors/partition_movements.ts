/**
 * Which partitions an assignment has moved from whom to whom, topic by topic: so that of two
 * partitions of a topic that would change places neither moves.
 *
 * @module
 */

import { bucketOf, bucketsFor, hashOfPlace } from "./hash_order.ts";
import type { Place } from "./places.ts";

interface Movement {
  readonly from: string;
  readonly to: string;
}

/** The partitions of a topic that moved between two members. */
class MovedSet {
  readonly places = new Set<Place>();
  #sizeMax = 0;

  add(place: Place): void {
    this.places.add(place);
    this.#sizeMax = Math.max(this.#sizeMax, this.places.size);
  }

  /** The one that Kafka would come to first. */
  first(): Place {
    const buckets = bucketsFor(this.#sizeMax);
    const bucket = ({ topic, partition }: Place) =>
      bucketOf(hashOfPlace(topic, partition), buckets);
    return [...this.places].reduce((first, place) => bucket(place) < bucket(first) ? place : first);
  }
}

/** All movements so far. */
export class PartitionMovements {
  readonly #movements = new Map<Place, Movement>();
  /** By topic and by the two members. */
  readonly #moved = new Map<string, MovedSet>();

  /** A partition moves; one that moved before has moved from where it was first. */
  move(place: Place, from: string, to: string): void {
    const before = this.#movements.get(place);
    if (before !== undefined) this.#remove(place, before);
    const movement = { from: before?.from ?? from, to };
    if (movement.from === to) return;
    this.#movements.set(place, movement);
    const key = keyOf(place.topic, movement.from, to);
    let moved = this.#moved.get(key);
    if (moved === undefined) this.#moved.set(key, moved = new MovedSet());
    moved.add(place);
  }

  /** What to move in place of a partition: one that thereby comes back, if there is any. */
  instead(place: Place, from: string, to: string): Place {
    const origin = this.#movements.get(place)?.from ?? from;
    return this.#moved.get(keyOf(place.topic, to, origin))?.first() ?? place;
  }

  #remove(place: Place, { from, to }: Movement): void {
    this.#movements.delete(place);
    const key = keyOf(place.topic, from, to);
    const moved = this.#moved.get(key);
    moved?.places.delete(place);
    if (moved?.places.size === 0) this.#moved.delete(key);
  }
}

function keyOf(topic: string, from: string, to: string): string {
  return JSON.stringify([topic, from, to]);
}
