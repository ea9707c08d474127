/**
 * P17 to P20: the metadata quorum, and the one chain of committed metadata.
 *
 * What a leader of the quorum counts as committed becomes part of the chain; all nodes are held
 * against it as their high watermarks rise.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";
import type { ControllerView } from "../cluster_view.ts";
import { CommittedLog } from "./committed_log.ts";
import { Identities } from "./identities.ts";
import { LogTrack } from "./log_track.ts";
import type { MetadataRules } from "./metadata_rules.ts";
import type { ObservedBatch } from "./shadow_log.ts";
import type { Vacuity } from "./vacuity.ts";
import type { Verdicts } from "./verdicts.ts";

/** A controller on one node. */
export interface ControllerTrack {
  readonly nodeId: NodeId;
  readonly log: LogTrack;
  view: ControllerView | undefined;
  role: string;
  epoch: Epoch;
  votedId: NodeId;
  highWatermark: Offset;
  logStartOffset: Offset;
  /** For whom it voted in each epoch. */
  readonly votes: Map<Epoch, NodeId>;
}

export interface QuorumRulesOptions {
  readonly verdicts: Verdicts;
  readonly vacuity: Vacuity;
  readonly metadata: MetadataRules;
}

export class QuorumChecks {
  readonly chain = new CommittedLog();
  readonly #options: QuorumRulesOptions;
  readonly #identities: Identities;
  readonly #controllers = new Map<NodeId, ControllerTrack>();

  constructor(options: QuorumRulesOptions) {
    this.#options = options;
    this.#identities = new Identities("metadata", options.verdicts);
  }

  /** What is remembered of a node's controller. */
  controller(nodeId: NodeId): ControllerTrack {
    let track = this.#controllers.get(nodeId);
    if (track === undefined) {
      track = {
        nodeId,
        log: new LogTrack(`metadata at ${nodeId}`, this.#options.verdicts),
        view: undefined,
        role: "unattached",
        epoch: -1,
        votedId: -1,
        highWatermark: -1,
        logStartOffset: 0,
        votes: new Map(),
      };
      this.#controllers.set(nodeId, track);
    }
    return track;
  }

  /** Its disk was emptied: it is another voter, that has promised nothing. */
  wiped(nodeId: NodeId): void {
    const track = this.controller(nodeId);
    track.log.wiped();
    track.votes.clear();
    track.epoch = -1;
  }

  /**
   * Whether a voter may lose all it has promised and holds: all the others are in one epoch, whose
   * leader is one of them, and hold everything durably, so that no vote of it is asked for again
   * and no majority needs it.
   */
  mayForget(nodeId: NodeId, voters: readonly NodeId[]): boolean {
    const others = voters.filter((id) => id !== nodeId).map((id) => this.controller(id));
    if (others.length < 2) return false;
    const leader = others.find(({ view }) => view?.state.isActive === true)?.view?.state;
    if (leader === undefined || leader.highWatermark < leader.logEndOffset) return false;
    return others.every(({ view, log }) =>
      view?.state.epoch === leader.epoch && log.durableOffset >= leader.logEndOffset
    );
  }

  /** A controller's actor began. */
  started(view: ControllerView): void {
    const track = this.controller(view.nodeId);
    track.view = view;
    track.log.attach(view.log);
    track.role = "unattached";
    track.votedId = -1;
    track.highWatermark = -1;
    track.logStartOffset = -1;
  }

  /** Looks at a controller after an event of its node. */
  look(track: ControllerTrack): void {
    const { view } = track;
    if (view === undefined) return;
    const { state } = view;
    const endBefore = track.log.shadow.endOffset;
    this.#lookAtLog(track);
    this.#noteAdopted(track, view);
    if (state.epoch !== track.epoch) this.#checkEpoch(track, view);
    if (state.role !== track.role) this.#roleChanged(track, view);
    if (state.votedId !== track.votedId) this.#voted(track, view);
    if (state.highWatermark !== track.highWatermark) this.#advanced(track, view);
    if (state.logStartOffset !== track.logStartOffset) this.#checkSnapshot(track, view, endBefore);
  }

  /**
   * As `look`, when its actor ends: what it has written and committed in that event is so, and
   * others were told of it. What it meant to become does not count.
   */
  lookAtEnd(track: ControllerTrack): void {
    const { view } = track;
    if (view === undefined) return;
    this.#lookAtLog(track);
    if (view.state.highWatermark > track.highWatermark) this.#advanced(track, view);
  }

  #lookAtLog(track: ControllerTrack): void {
    const change = track.log.look();
    if (change === undefined) return;
    const { batches } = track.log.shadow;
    for (let i = batches.length - change.appended.length; i < batches.length; i++) {
      this.#identities.seen(`${track.nodeId}`, batches[i]!, batches[i - 1]);
    }
    if (change.removed.length > 0 && !change.reopened) this.#checkTruncation(track);
  }

  /** A snapshot may end where the log did whose records it replaces. */
  #noteAdopted({ log, logStartOffset }: ControllerTrack, { state }: ControllerView): void {
    const { snapshotId } = state;
    const { last } = log.shadow;
    if (snapshotId === undefined || last === undefined) return;
    if (state.logStartOffset === logStartOffset || state.logStartOffset < last.nextOffset) return;
    if (snapshotId.endOffset === last.nextOffset && snapshotId.epoch !== last.epoch) {
      log.startedAnew();
    }
  }

  #checkEpoch(track: ControllerTrack, { state }: ControllerView): void {
    this.#options.verdicts.hold("P17 quorum-election", state.epoch >= track.epoch, () => {
      return `the epoch of ${track.nodeId} falls from ${track.epoch} to ${state.epoch}`;
    });
    track.epoch = state.epoch;
    track.votedId = -1;
  }

  #roleChanged(track: ControllerTrack, { state }: ControllerView): void {
    track.role = state.role;
    if (state.role !== "leader") return;
    this.#identities.leads(track.nodeId, state.epoch, "P17 quorum-election");
    this.#options.vacuity.count("controller elections");
  }

  #voted(track: ControllerTrack, { state }: ControllerView): void {
    track.votedId = state.votedId;
    if (state.votedId < 0) return;
    const before = track.votes.get(state.epoch);
    track.votes.set(state.epoch, state.votedId);
    const once = before === undefined || before === state.votedId;
    this.#options.verdicts.hold("P17 quorum-election", once, () => {
      return `${track.nodeId} voted for ${before} and for ${state.votedId} in epoch ${state.epoch}`;
    });
  }

  #checkTruncation(track: ControllerTrack): void {
    const { shadow } = track.log;
    const kept = shadow.endOffset >= track.highWatermark;
    this.#options.verdicts.hold("P12 truncation", kept, () => {
      return `metadata at ${track.nodeId}: cut at ${shadow.endOffset}, below its own HW ` +
        `${track.highWatermark}`;
    });
  }

  #checkSnapshot(track: ControllerTrack, { state }: ControllerView, endBefore: Offset): void {
    const { logStartOffset, snapshotId } = state;
    // One that a node makes itself ends where its log has been.
    const isLoaded = track.logStartOffset >= 0 && logStartOffset > endBefore;
    track.logStartOffset = logStartOffset;
    if (logStartOffset === 0) return;
    const { verdicts, vacuity } = this.#options;
    const matches = snapshotId !== undefined && snapshotId.endOffset >= logStartOffset;
    verdicts.hold("P19 quorum-snapshot", matches, () => {
      return `metadata at ${track.nodeId} begin at ${logStartOffset}, its snapshot ends at ` +
        `${snapshotId?.endOffset ?? "no offset"}`;
    });
    const below = snapshotId === undefined || snapshotId.endOffset > this.chain.endOffset
      ? undefined
      : this.chain.lastBelow(snapshotId.endOffset);
    const epochs = below === undefined || below.epoch === snapshotId?.epoch;
    verdicts.hold("P19 quorum-snapshot", epochs, () => {
      return `the snapshot at ${track.nodeId} is of epoch ${snapshotId?.epoch}, the metadata ` +
        `before ${snapshotId?.endOffset} of ${below?.epoch}`;
    });
    if (!isLoaded) return;
    verdicts.hold("P19 quorum-snapshot", !state.isActive, () => {
      return `${track.nodeId} is the active controller and has loaded a snapshot`;
    });
    vacuity.count("snapshots loaded");
  }

  /** P18 and P20. */
  #advanced(track: ControllerTrack, view: ControllerView): void {
    const { verdicts, metadata } = this.#options;
    const { highWatermark, role, epoch } = view.state;
    const before = track.highWatermark;
    track.highWatermark = highWatermark;
    if (highWatermark < 0) return;
    verdicts.hold("P20 quorum-chain", highWatermark >= before, () => {
      return `the HW of ${track.nodeId} falls from ${before} to ${highWatermark} in epoch ${epoch}`;
    });
    if (role === "leader") this.#checkMajority(track, view);
    const { shadow } = track.log;
    const added = this.chain.extend(shadow, Math.min(highWatermark, shadow.endOffset));
    verdicts.hold("P20 quorum-chain", typeof added !== "string", () => {
      return `metadata at ${track.nodeId}, HW ${highWatermark}: ${added}`;
    });
    if (typeof added === "string") return;
    for (const batch of added) metadata.committed(batch, this.#records(view, batch));
  }

  #records(view: ControllerView, batch: ObservedBatch) {
    return view.records(batch);
  }

  #checkMajority(track: ControllerTrack, { state }: ControllerView): void {
    const { highWatermark, voters } = state;
    if (highWatermark <= this.chain.endOffset && highWatermark <= 0) return;
    const holders = voters.filter((id) => {
      const { log } = this.controller(id);
      return log.durableOffset >= highWatermark || log.shadow.startOffset >= highWatermark;
    });
    const holds = holders.length * 2 > voters.length;
    this.#options.verdicts.hold("P18 quorum-majority", holds, () => {
      return `${track.nodeId} leads epoch ${state.epoch} with HW ${highWatermark}, durable only ` +
        `at [${holders}] of the voters [${voters}]: ` +
        voters.map((id) => `${id} up to ${this.controller(id).log.durableOffset}`).join(", ");
    });
  }
}
