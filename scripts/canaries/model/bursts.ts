/**
 * Scripts for three replicas and their controller (election_burst.ts): bursts of elections that a
 * breadth-first walk reaches late, and chance seldom. The protocol as it is meant breaks nothing in
 * any of them.
 *
 * @module
 */

import type { ElectionBurst } from "./election_burst.ts";

/** What happens, in order. */
export type BurstScript = (burst: ElectionBurst) => void;

export const BURSTS = {
  "a follower asks one that led an epoch earlier where their logs part": (run) => {
    run.elect(0);
    run.hear([0]);
    run.write(0);
    run.elect(1);
    run.hear([1]);
    run.elect(0);
    run.hear([0, 2]);
    run.fetch(2);
    run.fetch(2);
    run.elect(1);
    run.hear([2]);
    // Replica 1 leads in an epoch that is over, and has not heard of the record.
    run.fetch(2);
    run.hear([1], 2);
    run.fetch(1);
    run.fetch(1);
  },

  "a follower has the mark, and not what was committed before the epoch": (run) => {
    run.elect(0);
    run.hear([0, 1]);
    run.shrink(0, 2);
    run.alter(0);
    run.write(0);
    run.fetch(1);
    // Its next fetch commits the record, but it does not hear so.
    run.ask(1);
    run.elect(1);
    run.hear([1, 2]);
    run.ask(2);
    run.alter(1);
    run.fence(1);
    run.fence(0);
    run.elect(2);
    run.hear([2]);
  },

  "a follower fails and loses its records, and its broker is well": (run) => {
    run.elect(0);
    run.hear([0, 1, 2]);
    run.write(0);
    for (const id of [1, 2, 1, 2]) run.fetch(id);
    run.remove(2);
    run.lose(2);
    run.alter(0);
    run.hear([2]);
  },

  "an answer of one leader comes after another's": (run) => {
    run.elect(0);
    run.hear([0, 1]);
    run.write(0);
    const late = run.ask(1);
    run.elect(2);
    run.hear([2, 1]);
    run.write(2);
    run.write(2);
    run.fetch(1);
    run.take(1, late);
    run.fetch(1);
    run.hear([0]);
    for (let fetch = 0; fetch < 3; fetch++) run.fetch(0);
    run.fetch(0);
  },

  "an answer to a proposal comes after newer metadata": (run) => {
    run.elect(0);
    run.hear([0, 1]);
    run.shrink(0, 2);
    const late = run.decide(0);
    run.elect(0);
    run.hear([0]);
    if (late !== undefined) run.answer(0, late);
  },

  "a leader epoch gets no record, and a follower has one of the epoch before": (run) => {
    run.elect(0);
    run.hear([0]);
    run.elect(1);
    run.hear([1]);
    run.write(1);
    run.elect(0);
    run.hear([0, 1]);
    run.fetch(1);
    run.fetch(1);
  },
} satisfies Readonly<Record<string, BurstScript>>;

/** The name of such a script. */
export type BurstName = keyof typeof BURSTS;
