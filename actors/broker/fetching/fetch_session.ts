/**
 * What a client fetches over and over (KIP-227): the partitions, from where, what it was told, and
 * which of them are worth a look.
 *
 * A partition is worth a look when the client has said something new about it, when it has told of
 * records or of a moved high watermark, and while its last answer was an error or left records
 * behind. All others have been asked to tell (`await-data`) and are not looked at: a fetch that
 * finds nothing new costs nothing for each of them.
 *
 * Also used for a fetch without a session, which then is one that nobody keeps.
 *
 * Invariants: a partition is worth a look or has been asked to tell; those asked are told when it
 * is no longer wanted; one fetch of a session runs at a time, the others behind it in order.
 *
 * @module
 */

import { NONE, type Offset, type Uuid } from "../../../storage/bytes/ids.ts";
import type { FetchPartition, FetchRequest } from "../../../net/messages/fetch.ts";
import type { AwaitData, DataAvailable, PartitionRequest } from "../../partition/messages.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { Budget } from "../sessions/budget.ts";
import type { Call, ConnectionUsage } from "../sessions/call.ts";

/** One partition of a session. */
export interface SessionPartition {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  /** Tells it apart in notices. */
  readonly token: number;
  asked: FetchPartition;
  /** What the client was told last; -1 where that must be told again. */
  toldHighWatermark: Offset;
  toldLastStableOffset: Offset;
  toldLogStartOffset: Offset;
  /** Who has been asked to tell of records. */
  watched: Ref<PartitionRequest> | undefined;
}

type Asked = Pick<FetchRequest, "topics" | "forgottenTopicsData">;

/** The connection by which a session is used. */
interface Owner {
  readonly usage: ConnectionUsage;
  readonly notices: Ref<DataAvailable>;
}

export interface FetchSessionOptions {
  /** Whether topics are named by id. */
  readonly usesTopicIds: boolean;
  /** Whether a follower fetches. */
  readonly isFollower: boolean;
  /** Counts the partitions that were asked to tell. */
  readonly places: Budget;
  /** Called when the connection by which it is used has ended. */
  readonly disconnected: (session: FetchSession) => void;
}

export class FetchSession {
  readonly usesTopicIds: boolean;
  readonly isFollower: boolean;
  /** 0 while nobody keeps it. */
  id = 0;
  /** What the next request must say. */
  epoch = 0;
  readonly #options: FetchSessionOptions;
  readonly #partitions = new Map<string, SessionPartition>();
  readonly #byToken = new Map<number, SessionPartition>();
  /** Those worth a look, the next first. */
  readonly #due = new Set<SessionPartition>();
  #lastToken = 0;
  #owner: Owner | undefined;
  #isClosed = false;
  /** Fetches behind the one that runs. */
  readonly #queue: (() => void)[] = [];
  #isRunning = false;
  /** When it was answered with records last, in monotonic ms. */
  answeredAt = -Infinity;
  /** Called when there is something to read. */
  wake: (() => void) | undefined;
  /** Has the fetch that runs answer at once. */
  hurry: (() => void) | undefined;

  constructor(options: FetchSessionOptions) {
    this.#options = options;
    this.usesTopicIds = options.usesTopicIds;
    this.isFollower = options.isFollower;
  }

  get size(): number {
    return this.#partitions.size;
  }

  get partitions(): Iterable<SessionPartition> {
    return this.#partitions.values();
  }

  /** Those worth a look now, in the order in which to serve them. */
  get due(): readonly SessionPartition[] {
    return [...this.#due];
  }

  /** Runs `fetch` when the fetches before it are over; then `finished` must be called. */
  run(fetch: () => void): void {
    if (this.#isRunning) {
      this.#queue.push(fetch);
      return this.#hurryUp();
    }
    this.#isRunning = true;
    fetch();
  }

  finished(): void {
    this.wake = undefined;
    this.hurry = undefined;
    const next = this.#queue.shift();
    if (next === undefined) this.#isRunning = false;
    else next();
    this.#hurryUp();
  }

  /** Somebody waits behind the fetch that runs. */
  #hurryUp(): void {
    if (this.#queue.length > 0) this.hurry?.();
  }

  /** Takes what a request says of partitions. */
  update({ topics, forgottenTopicsData }: Asked): void {
    for (const { topicId, topic, partitions } of topics) {
      for (const asked of partitions) this.#ask(topicId, topic, asked);
    }
    for (const { topicId, topic, partitions } of forgottenTopicsData) {
      for (const partition of partitions) this.#forget(this.#key(topicId, topic, partition));
    }
  }

  /** To be called before a fetch runs: notices come by the connection of this call. */
  attach(call: Call<unknown, never>): void {
    if (this.#owner?.usage === call.usage) return;
    this.#detach();
    const notices = call.adapt<DataAvailable>(({ token, readable }) =>
      this.#noticed(token, readable)
    );
    this.#owner = { usage: call.usage, notices };
    call.usage.ended.add(this.#ended);
  }

  /** There is nothing to see until the partition tells: asks it to. */
  watch(
    watched: SessionPartition,
    partition: Ref<PartitionRequest>,
    seen: Omit<AwaitData, "kind" | "follower" | "token" | "replyTo">,
  ): void {
    const replyTo = this.#owner?.notices;
    if (replyTo === undefined) return;
    if (watched.watched === undefined) this.#options.places.take(1);
    watched.watched = partition;
    const follower = this.isFollower;
    const { token } = watched;
    const isTold = partition.tell({ kind: "await-data", ...seen, follower, token, replyTo });
    if (isTold) return;
    // Its mailbox is full: it is looked at next time.
    watched.watched = undefined;
    this.#options.places.give(1);
    this.#due.add(watched);
  }

  /** It is worth no look until something happens. */
  settled(partition: SessionPartition): void {
    this.#due.delete(partition);
  }

  /** It is worth a look, after all others that are. */
  dueAgain(partition: SessionPartition): void {
    if (!this.#byToken.has(partition.token)) return;
    this.#due.delete(partition);
    this.#due.add(partition);
  }

  /** It must be looked at, and is told of nothing before. */
  unwatch(partition: SessionPartition): void {
    const { watched } = partition;
    if (watched === undefined) return;
    partition.watched = undefined;
    this.#options.places.give(1);
    const replyTo = this.#owner?.notices;
    if (replyTo !== undefined) watched.tell({ kind: "forget-data", replyTo });
  }

  /** Nobody uses it any more. */
  close(): void {
    this.#isClosed = true;
    this.#detach();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  readonly #ended = (): void => {
    this.#detach();
    this.#options.disconnected(this);
  };

  #detach(): void {
    if (this.#owner === undefined) return;
    for (const partition of this.#partitions.values()) {
      this.unwatch(partition);
      this.#due.add(partition);
    }
    this.#owner.usage.ended.delete(this.#ended);
    this.#owner = undefined;
  }

  #noticed(token: number, readable: boolean): void {
    const partition = this.#byToken.get(token);
    if (partition === undefined || partition.watched === undefined) return;
    this.#due.add(partition);
    if (!readable) return;
    partition.watched = undefined;
    this.#options.places.give(1);
    this.wake?.();
  }

  #ask(topicId: Uuid, topic: string, asked: FetchPartition): void {
    const key = this.#key(topicId, topic, asked.partition);
    let partition = this.#partitions.get(key);
    if (partition === undefined) {
      partition = {
        topicId,
        topic,
        partition: asked.partition,
        token: ++this.#lastToken,
        asked,
        toldHighWatermark: NONE,
        toldLastStableOffset: NONE,
        toldLogStartOffset: NONE,
        watched: undefined,
      };
      this.#partitions.set(key, partition);
      this.#byToken.set(partition.token, partition);
    }
    partition.asked = asked;
    this.#due.add(partition);
  }

  #forget(key: string): void {
    const partition = this.#partitions.get(key);
    if (partition === undefined) return;
    this.unwatch(partition);
    this.#partitions.delete(key);
    this.#byToken.delete(partition.token);
    this.#due.delete(partition);
  }

  #key(topicId: Uuid, topic: string, partition: number): string {
    return `${this.usesTopicIds ? topicId : topic}/${partition}`;
  }
}
