/**
 * What members of a group may do, judged by what each told of itself (guarantees P36 and P37).
 *
 * - Every record was processed at least once.
 * - No partition had two owners: from being assigned it to giving it up, losing it or ending.
 *   Whoever was stopped for longer than its session counts as an owner until it was stopped: it
 *   cannot know.
 * - Committed offsets do not go back: not as they are seen, nor below what was acknowledged before.
 *
 * @module
 */

import type { MemberEvent } from "./member_events.ts";

/** A member's life, as whoever ran it knows. */
export interface MemberLife {
  readonly name: string;
  readonly events: readonly MemberEvent[];
  /** When its process had ended; Infinity where it has not. */
  readonly endedAt: number;
  /** When it was stopped for longer than a session. */
  readonly stoppedAt: readonly number[];
}

/** A committed offset as the coordinator told it. */
export interface SeenOffset {
  /** Before it was asked. */
  readonly askedAt: number;
  readonly partition: number;
  /** -1 for none. */
  readonly offset: number;
}

export interface GroupHistory {
  readonly members: readonly MemberLife[];
  /** Where each partition ends. */
  readonly ends: readonly number[];
  /** In the order of asking. */
  readonly seen: readonly SeenOffset[];
}

interface Owned {
  readonly member: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** The promises that were broken, each in a sentence. */
export function judgeGroup(history: GroupHistory): string[] {
  return [...unprocessed(history), ...sharedOwnership(history), ...wentBack(history)];
}

/** How often a partition was given to a member, and taken from one that lives on, since then. */
export function movesSince(
  members: readonly MemberLife[],
  at: number,
): { readonly assigned: number; readonly revoked: number } {
  const count = (kinds: readonly string[]) =>
    members.flatMap(({ events }) => events).reduce(
      (sum, event) =>
        event.at >= at && "partitions" in event && kinds.includes(event.kind)
          ? sum + event.partitions.length
          : sum,
      0,
    );
  return { assigned: count(["assigned"]), revoked: count(["revoked", "lost"]) };
}

/** What each member that runs owns now. */
export function ownedNow(members: readonly MemberLife[]): Map<string, number[]> {
  const owned = new Map<string, number[]>();
  for (const { member, partition, to } of members.flatMap(ownership)) {
    if (to === Infinity) owned.set(member, [...owned.get(member) ?? [], partition]);
  }
  return owned;
}

function* unprocessed({ members, ends }: GroupHistory): Generator<string> {
  const ranges = members.flatMap(({ events }) =>
    events.filter((event) => event.kind === "processed")
  ).sort((a, b) => a.from - b.from);
  for (const [partition, end] of ends.entries()) {
    let reached = 0;
    for (const range of ranges) {
      if (range.partition !== partition || range.from > reached) continue;
      reached = Math.max(reached, range.to);
    }
    if (reached < end) yield `partition ${partition}: nobody processed offset ${reached} of ${end}`;
  }
}

function* sharedOwnership({ members }: GroupHistory): Generator<string> {
  const owned = members.flatMap(ownership);
  for (const [index, one] of owned.entries()) {
    for (const other of owned.slice(index + 1)) {
      if (one.partition !== other.partition || one.member === other.member) continue;
      const overlapMs = Math.min(one.to, other.to) - Math.max(one.from, other.from);
      if (overlapMs <= 0) continue;
      yield `partition ${one.partition}: ${one.member} and ${other.member} owned it together for ` +
        `${overlapMs} ms`;
    }
  }
}

function ownership({ name: member, events, endedAt, stoppedAt }: MemberLife): Owned[] {
  const owned: Owned[] = [];
  const since = new Map<number, number>();
  const end = (partition: number, at: number) => {
    const from = since.get(partition);
    if (from === undefined) return;
    since.delete(partition);
    const stop = stoppedAt.find((stopped) => stopped >= from && stopped < at) ?? Infinity;
    owned.push({ member, partition, from, to: Math.min(at, stop) });
  };
  for (const event of events) {
    if (event.kind === "assigned") {
      for (const partition of event.partitions) since.set(partition, event.at);
    } else if (event.kind === "revoked" || event.kind === "lost") {
      for (const partition of event.partitions) end(partition, event.at);
    } else if (event.kind === "left") {
      for (const partition of [...since.keys()]) end(partition, event.at);
    }
  }
  for (const partition of [...since.keys()]) end(partition, endedAt);
  return owned;
}

function* wentBack({ members, ends, seen }: GroupHistory): Generator<string> {
  const acknowledged = members.flatMap(({ events }) =>
    events.filter((event) => event.kind === "committed")
  ).sort((a, b) => a.at - b.at);
  for (const partition of ends.keys()) {
    const commits = acknowledged.filter((event) => event.partition === partition);
    let [next, least] = [0, -1];
    for (const { askedAt, partition: of, offset } of seen) {
      if (of !== partition) continue;
      // Of what came in the same millisecond nobody knows which was first.
      for (; next < commits.length && commits[next]!.at < askedAt; next++) {
        least = Math.max(least, commits[next]!.offset);
      }
      if (offset < least) {
        yield `partition ${partition}: its committed offset was ${offset} after it had been ${least}`;
      }
      least = Math.max(least, offset);
    }
  }
}
