/**
 * What a simulated world is like when nothing is broken: how long things take, and how freely the
 * order of things is drawn. Faults are faults.ts's.
 *
 * Options are drawn from the seed, printed, and may be given instead, so that a run can be replayed
 * after the drawing has changed. All are whole numbers.
 *
 * @module
 */

import type { RandomStream } from "../runtime/environment.ts";
import { between, pick } from "./random.ts";

/** What a simulated world is like. */
export interface WorldOptions {
  /** What a packet takes on a link at least, in microseconds. */
  readonly linkMinUs: number;
  /** What it takes beyond that on average. */
  readonly linkMeanUs: number;
  /** Kibibytes per millisecond on each link; 0 for no limit. */
  readonly linkKibPerMs: number;
  /** Reads of 256 that give only a part of what came. */
  readonly partialReadsOf256: number;
  /** Reads of 256 that give one byte. */
  readonly singleByteReadsOf256: number;
  /** Messages of 256 that are drawn among all that wait; else senders and actors take turns. */
  readonly drawnMessagesOf256: number;
  /** Turns of 256 that end although messages are ready, looked at after each message. */
  readonly earlyTurnEndsOf256: number;
  /**
   * Steps of 256 that are events of their own, the ends of turns and the handing over of bytes to
   * the system; the others belong to the event that they follow.
   */
  readonly splitStepsOf256: number;
  /** What handling a message takes, in microseconds. */
  readonly messageUs: number;
  /** What a cold read takes on average, in microseconds. */
  readonly diskReadMeanUs: number;
  /** What a sync takes at least, in microseconds. */
  readonly diskSyncMinUs: number;
  /** What it takes beyond that on average. */
  readonly diskSyncMeanUs: number;
  /** The most that a node's clock may be fast or slow, in millionths. */
  readonly driftPpmMax: number;
  /** The most that a node's wall clock is off at its start, in milliseconds. */
  readonly wallOffsetMsMax: number;
  /** Whether nodes take turns in a drawn order when things happen to them at the same time. */
  readonly permuteNodes: boolean;
}

/** A world in which everything is quick and regular, for tests that are about something else. */
export const CALM_WORLD: WorldOptions = {
  linkMinUs: 100,
  linkMeanUs: 0,
  linkKibPerMs: 0,
  partialReadsOf256: 0,
  singleByteReadsOf256: 0,
  drawnMessagesOf256: 0,
  earlyTurnEndsOf256: 0,
  splitStepsOf256: 256,
  messageUs: 1,
  diskReadMeanUs: 100,
  diskSyncMinUs: 1000,
  diskSyncMeanUs: 0,
  driftPpmMax: 0,
  wallOffsetMsMax: 0,
  permuteNodes: false,
};

/** The world that a seed stands for. */
export function drawWorld(stream: RandomStream): WorldOptions {
  return {
    linkMinUs: pick(stream, [0, 50, 500, 5000]),
    linkMeanUs: pick(stream, [50, 500, 2000, 20_000]),
    linkKibPerMs: pick(stream, [0, 0, 100, 1000]),
    partialReadsOf256: pick(stream, [0, 0, 8, 32]),
    singleByteReadsOf256: pick(stream, [0, 0, 0, 8]),
    drawnMessagesOf256: pick(stream, [0, 64, 256, 256]),
    earlyTurnEndsOf256: pick(stream, [0, 4, 64]),
    splitStepsOf256: pick(stream, [0, 0, 0, 0, 0, 0, 0, 8, 32, 128]),
    messageUs: pick(stream, [0, 1, 5, 20]),
    diskReadMeanUs: pick(stream, [50, 500, 5000]),
    diskSyncMinUs: between(stream, 0, 3000),
    diskSyncMeanUs: pick(stream, [100, 2000, 20_000]),
    driftPpmMax: pick(stream, [0, 50, 1000]),
    wallOffsetMsMax: pick(stream, [0, 50, 5000]),
    permuteNodes: stream.chance(1, 2),
  };
}
