/**
 * The commits that a group's coordinator is still to be told of.
 *
 * Owns their order, and who waits for what comes of them. Does not own the telling of one
 * (group_offsets.ts).
 *
 * Invariants: one commit is under way at a time, so that a repeated one cannot overtake a later;
 * one that says the same of the same partitions as one that waits, but for the offsets, takes its
 * place, and both end as it does, for it is the later that lasts; whoever asked is told once, at
 * the latest when the time is up; no more than `COMMITS_MAX` are asked for at a time.
 *
 * @module
 */

import type { Environment, Timer } from "../../runtime/environment.ts";
import { type ClientError, ClosedError, TimeoutError } from "../errors.ts";
import type { OffsetToCommit } from "./group_offsets.ts";
import type { GroupMetadata } from "./membership/membership.ts";

/** Asked for and not ended yet. */
const COMMITS_MAX = 10_000;

/** What came of a commit, or why nothing did. */
export type CommitEnd = (error: ClientError | undefined) => void;

/** Somebody who asked for a commit. */
interface Asker {
  /** Later ones have larger numbers. */
  readonly number: number;
  readonly deadline: number;
  readonly done: CommitEnd;
}

/** A commit, or several in one. Times are monotonic. */
export interface Commit {
  readonly offsets: readonly OffsetToCommit[];
  /** Whether it is tried again until its deadline. */
  readonly mayRetry: boolean;
  /** In whose name. */
  identity: GroupMetadata;
  failures: number;
  /** Of the last who asked. */
  readonly deadline: number;
  /** What has been asked of the coordinator is not answered yet. */
  isAsked: boolean;
}

/** Somebody who waits for all that was asked for before. */
interface Successor {
  readonly lastNumber: number;
  left: number;
  readonly run: () => void;
}

interface QueuedCommit extends Commit {
  readonly askers: Asker[];
}

/** The queue. */
export class CommitQueue {
  readonly #environment: Environment;
  readonly #begin: (commit: Commit) => void;
  /** Those that were not begun, by what they say but for the offsets, in their order. */
  readonly #waiting = new Map<string, QueuedCommit>();
  #current: QueuedCommit | undefined;
  /** Asked for and not ended yet. */
  #asked = 0;
  #lastNumber = 0;
  readonly #successors = new Set<Successor>();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #isClosed = false;

  /** @param begin is to send the commit, and to call `end` some time */
  constructor(environment: Environment, begin: (commit: Commit) => void) {
    this.#environment = environment;
    this.#begin = begin;
  }

  /** The commit that is under way. */
  get current(): Commit | undefined {
    return this.#current;
  }

  /** Commits after what was asked for before. `done` is called later, once. */
  add(
    offsets: readonly OffsetToCommit[],
    { timeoutMs, mayRetry }: { readonly timeoutMs: number; readonly mayRetry: boolean },
    identity: GroupMetadata,
    done: CommitEnd,
  ): void {
    const error = this.#refusal();
    if (error !== undefined || offsets.length === 0) {
      return this.#environment.dispatcher.atEndOfTurn(() => done(error));
    }
    const deadline = this.#environment.clock.monotonic() + timeoutMs;
    const key = keyOf(offsets, identity);
    const older = this.#waiting.get(key);
    const askers = older?.askers ?? [];
    askers.push({ number: ++this.#lastNumber, deadline, done });
    // At the end where one behind it says something else of these partitions. Else it keeps its
    // place, or others would never have their turn.
    if (older !== undefined && this.#isOvertaken(key, offsets)) this.#waiting.delete(key);
    this.#waiting.set(key, {
      offsets,
      mayRetry: mayRetry || older?.mayRetry === true,
      identity,
      failures: 0,
      deadline: Math.max(deadline, older?.deadline ?? 0),
      isAsked: false,
      askers,
    });
    this.#asked++;
    this.#arm(deadline);
    this.#next();
  }

  /** What is under way has come to its end. */
  end(error: ClientError | undefined): void {
    const commit = this.#current;
    this.#current = undefined;
    this.#next();
    for (const asker of commit?.askers ?? []) this.#tell(asker, error);
  }

  /** Runs `run` once all that was asked for so far has ended; at once if that is so. */
  afterwards(run: () => void): void {
    if (this.#asked === 0) return run();
    this.#successors.add({ lastNumber: this.#lastNumber, left: this.#asked, run });
  }

  /** Ends it: who waits is told. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    const commits = this.#current === undefined ? [] : [this.#current];
    commits.push(...this.#waiting.values());
    this.#current = undefined;
    this.#waiting.clear();
    const error = closedError();
    for (const { askers } of commits) for (const asker of askers) this.#tell(asker, error);
  }

  /** Whether a commit behind the one of that key names a partition of these. */
  #isOvertaken(key: string, offsets: readonly OffsetToCommit[]): boolean {
    let isBehind = false;
    for (const [other, commit] of this.#waiting) {
      if (
        isBehind && commit.offsets.some((one) => offsets.some((own) => isSamePartition(one, own)))
      ) {
        return true;
      }
      isBehind ||= other === key;
    }
    return false;
  }

  #refusal(): ClientError | undefined {
    if (this.#isClosed) return closedError();
    if (this.#asked < COMMITS_MAX) return undefined;
    return new TimeoutError(`Cannot commit: ${COMMITS_MAX} commits wait for the coordinator`);
  }

  #next(): void {
    if (this.#current !== undefined || this.#isClosed) return;
    for (const [key, commit] of this.#waiting) {
      this.#waiting.delete(key);
      this.#current = commit;
      return this.#begin(commit);
    }
  }

  #tell({ number, done }: Asker, error: ClientError | undefined): void {
    this.#asked--;
    done(error);
    for (const successor of [...this.#successors]) {
      if (number > successor.lastNumber || --successor.left > 0) continue;
      this.#successors.delete(successor);
      successor.run();
    }
  }

  #arm(deadline: number): void {
    if (deadline >= this.#timerAt || this.#isClosed) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    const delayMs = Math.max(0, deadline - this.#environment.clock.monotonic());
    this.#timer = this.#environment.timers.schedule(delayMs, () => this.#expire());
  }

  /** Tells those whose time is up. What nobody waits for any more is not begun. */
  #expire(): void {
    const now = this.#environment.clock.monotonic();
    const late: Asker[] = [];
    let earliest = Infinity;
    const expire = ({ askers }: QueuedCommit) => {
      late.push(...askers.filter(({ deadline }) => deadline <= now));
      const left = askers.filter(({ deadline }) => deadline > now);
      askers.splice(0, askers.length, ...left);
      for (const { deadline } of left) earliest = Math.min(earliest, deadline);
      return left.length === 0;
    };
    for (const [key, commit] of this.#waiting) if (expire(commit)) this.#waiting.delete(key);
    const current = this.#current;
    // One whose answer is missing may take effect yet: what is later must not be earlier.
    if (current !== undefined && expire(current) && !current.isAsked) this.#current = undefined;
    this.#timerAt = Infinity;
    if (earliest < Infinity) this.#arm(earliest);
    this.#next();
    const error = new TimeoutError("Cannot commit: the coordinator has not answered in time");
    for (const asker of late) this.#tell(asker, error);
  }
}

/** The same for commits of which the later one says everything. */
function keyOf(
  offsets: readonly OffsetToCommit[],
  { generationId, memberId }: GroupMetadata,
): string {
  const places = offsets.map(({ topic, partition, metadata }) =>
    JSON.stringify([topic, partition, metadata ?? ""])
  );
  return `${generationId} ${memberId} ${places.sort().join()}`;
}

function closedError(): ClientError {
  return new ClosedError("Cannot commit: the consumer is closed");
}

function isSamePartition(one: OffsetToCommit, other: OffsetToCommit): boolean {
  return one.topic === other.topic && one.partition === other.partition;
}
