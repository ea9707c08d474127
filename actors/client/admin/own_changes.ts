/**
 * The topics that an admin client has created and deleted a moment ago.
 *
 * The controller answers once a change is decided; brokers hear of it a little later, each in its
 * own time. Who creates a topic and describes it at once may ask a broker that has not heard of it:
 * by what is kept here the client sees that the answer is older than its change, and asks again.
 *
 * @module
 */

import { type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";

/** How long after a change an answer without it is taken for an old one, in milliseconds. */
const REMEMBERED_MS = 5000;

/** What a broker says of a topic. */
export interface SeenTopic {
  readonly name: string | null;
  readonly topicId: Uuid;
  readonly errorCode: number;
}

/** Changes that not every broker may have heard of. */
export class OwnChanges {
  readonly #now: () => number;
  /** Names of created topics, and when they are forgotten. */
  readonly #created = new Map<string, number>();
  /** Ids of deleted topics, and when they are forgotten. */
  readonly #deleted = new Map<Uuid, number>();

  /** @param now the monotonic time in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  noteCreated(name: string): void {
    this.#created.set(name, this.#now() + REMEMBERED_MS);
  }

  /** Brokers before Kafka 2.8 do not tell the id: there nothing can be said of later answers. */
  noteDeleted(name: string, topicId: Uuid = ZERO_UUID): void {
    this.#created.delete(name);
    if (topicId !== ZERO_UUID) this.#deleted.set(topicId, this.#now() + REMEMBERED_MS);
  }

  /** Whether a topic of this name was created, so that a broker that does not know it is late. */
  awaits(name: string): boolean {
    this.#forget();
    return this.#created.has(name);
  }

  /** Whether a broker that says this of `names`, or of all, had not heard of the changes. */
  isOlder(topics: readonly SeenTopic[], names: readonly string[] | undefined): boolean {
    this.#forget();
    if (topics.some(({ topicId }) => this.#deleted.has(topicId))) return true;
    const known = new Set(
      topics.filter(({ errorCode }) => errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        .map(({ name }) => name),
    );
    const awaited = names ?? [...this.#created.keys()];
    return awaited.some((name) => this.#created.has(name) && !known.has(name));
  }

  #forget(): void {
    const now = this.#now();
    for (const [name, until] of this.#created) if (until <= now) this.#created.delete(name);
    for (const [id, until] of this.#deleted) if (until <= now) this.#deleted.delete(id);
  }
}
