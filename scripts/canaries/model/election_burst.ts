/**
 * Three replicas and their controller, led step by step through what a breadth-first walk would
 * reach late: elections in bursts, of which each replica hears when the script says so.
 *
 * @module
 */

import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { IsrAnswer } from "../../../actors/partition/messages.ts";
import { Replica } from "../../../actors/partition/replica.ts";
import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";
import {
  brokenInvariant,
  brokenStep,
  type Invariant,
  nowCommitted,
  type ReplicaView,
  type StepInvariant,
} from "./replication_invariants.ts";
import type { ModelOptions } from "./replication_model.ts";
import {
  Actor,
  ALL,
  answerOf,
  type FetchResponse,
  type Input,
  isAccepted,
  timeless,
  type TimelessReplica,
} from "./timeless_replica.ts";

type Word = Input & { readonly kind: "assign" };

/** A fetch that was answered, and whose answer is under way. */
export interface Answered {
  readonly by: NodeId;
  readonly epoch: Epoch;
  readonly offset: Offset;
  readonly response: FetchResponse;
}

/** What a script did, and whether that broke anything. */
export interface BurstResult {
  readonly steps: number;
  /**
   * The first invariant that was broken; CONVERGENCE where the replicas do not come to have the
   * same records, all committed, once everybody has heard everything.
   */
  readonly broken: Invariant | StepInvariant | "CONVERGENCE" | undefined;
  /** After how many steps. */
  readonly at: number;
}

/** Plays a script to its end, and has the replicas settle. */
export function playBurst(
  script: (burst: ElectionBurst) => void,
  options: ModelOptions = {},
): BurstResult {
  const burst = new ElectionBurst(options);
  script(burst);
  burst.settle();
  const { broken, steps } = burst;
  return { steps, broken: broken?.invariant, at: broken?.step ?? steps };
}

const SETTLE_ROUNDS = 20;

export class ElectionBurst {
  readonly nodes: Actor[];
  readonly #Timeless: TimelessReplica;
  readonly #rules: ControllerRules;
  readonly #words: Word[] = [];
  #isr: readonly NodeId[] = ALL;
  #leader: NodeId = -1;
  #partitionEpoch = -1;
  #committed: readonly Epoch[] = [];
  #views: readonly ReplicaView[];
  steps = 0;
  /** The first invariant that was broken, and after how many steps. */
  broken: { readonly invariant: BurstResult["broken"]; readonly step: number } | undefined;

  constructor(options: ModelOptions = {}) {
    this.#Timeless = timeless(options.Replica ?? Replica);
    this.#rules = options.rules ?? new ControllerRules();
    this.nodes = ALL.map((id) => new Actor(this.#Timeless, id));
    this.#views = this.#look();
  }

  /** The controller elects one, if it is in sync; nobody has heard of it. */
  elect(leader: NodeId): void {
    if (!this.#isr.includes(leader)) return;
    this.#leader = leader;
    this.#say();
  }

  /** The controller takes one out of the ISR, unless it is the last; nobody has heard of it. */
  fence(id: NodeId): void {
    if (this.#isr.length < 2) return;
    this.#isr = this.#isr.filter((member) => member !== id);
    if (this.#leader === id) this.#leader = -1;
    this.#say();
  }

  /** These hear of a leader epoch, the latest unless it is said. */
  hear(ids: readonly NodeId[], epoch: Epoch = this.#words.length - 1): void {
    for (const id of ids) this.#tell(id, this.#words[epoch]!);
  }

  /** The controller takes a follower out of the ISR, whose broker is well; its leader hears so. */
  remove(id: NodeId): void {
    this.#isr = this.#isr.filter((member) => member !== id);
    this.#partitionEpoch++;
    const word = this.#words[this.#words.length - 1]!;
    this.#tell(this.#leader, { ...word, partitionEpoch: this.#partitionEpoch, isr: this.#isr });
  }

  /** A replica is made anew, and has lost its records. */
  lose(id: NodeId): void {
    this.nodes[id] = new Actor(this.#Timeless, id);
    const views = [...this.#views];
    views[id] = this.#look()[id]!;
    this.#views = views;
    this.#check();
  }

  write(id: NodeId): void {
    this.#tell(id, { kind: "write" });
  }

  /** One asks its leader for the next record and takes what it answers; its kind is returned. */
  fetch(id: NodeId): string {
    const answered = this.ask(id);
    this.take(id, answered);
    return answered.response.verdict.kind;
  }

  /** One asks its leader for the next record; the answer is under way. */
  ask(id: NodeId): Answered {
    const { replica, log } = this.nodes[id]!;
    const { leader: by, leaderEpoch: epoch, lastFetchedEpoch: last } = replica;
    const offset = log.logEndOffset;
    const response = this.#tell(by, { kind: "fetch", from: id, epoch, offset, last });
    return { by, epoch, offset, response: response as FetchResponse };
  }

  take(id: NodeId, { epoch, offset, response }: Answered): void {
    this.#tell(id, { kind: "take", epoch, offset, response });
  }

  /** A leader proposes to take one out of the ISR. */
  shrink(id: NodeId, member: NodeId): void {
    this.#tell(id, { kind: "shrink", member });
  }

  /** The controller acts on what a leader has proposed, which hears so at once. */
  alter(id: NodeId): void {
    const answer = this.decide(id);
    if (answer !== undefined) this.answer(id, answer);
  }

  /** A leader hears what became of a proposal. */
  answer(id: NodeId, answer: IsrAnswer): void {
    this.#tell(id, { kind: "answer", answer });
  }

  /** The controller acts on what a leader has proposed; its answer is under way. */
  decide(id: NodeId): IsrAnswer | undefined {
    const { pending, replica } = this.nodes[id]!;
    if (pending === undefined) return undefined;
    const isr = pending.newIsr.map(({ brokerId }) => brokerId);
    const { leaderEpoch } = replica;
    const accepts = isAccepted(this.#rules, {
      leader: this.#leader,
      leaderEpoch: this.#words.length - 1,
      partitionEpoch: this.#partitionEpoch,
    }, { id, leaderEpoch, partitionEpoch: pending.partitionEpoch });
    if (accepts) {
      this.#partitionEpoch++;
      this.#isr = isr;
    }
    const error = accepts ? ErrorCode.NONE : ErrorCode.FENCED_LEADER_EPOCH;
    return answerOf(error, { id, leaderEpoch }, this.#partitionEpoch, isr);
  }

  /** Everybody hears everything and fetches to the end; then all must have the same, committed. */
  settle(): void {
    const leader = this.#leader;
    if (leader < 0) return;
    const followers = ALL.filter((id) => id !== leader);
    this.hear(ALL);
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      for (const id of followers) this.fetch(id);
      this.alter(leader);
    }
    const led = this.#views[leader]!;
    const isSettled = led.highWatermark === led.records.length &&
      this.#views.every(({ records }) => records.join() === led.records.join());
    if (!isSettled) this.broken ??= { invariant: "CONVERGENCE", step: this.steps };
  }

  #say(): void {
    const leaderEpoch = this.#words.length;
    this.#partitionEpoch = leaderEpoch * 100;
    this.#words.push({
      kind: "assign",
      leader: this.#leader,
      leaderEpoch,
      partitionEpoch: this.#partitionEpoch,
      isr: this.#isr,
    });
    this.#check();
  }

  #tell(id: NodeId, input: Input): FetchResponse | undefined {
    const response = this.nodes[id]!.tell(input);
    this.#check();
    return response;
  }

  #look(): readonly ReplicaView[] {
    return this.nodes.map(({ id, replica, log }) => ({
      id,
      role: replica.role,
      leaderEpoch: replica.leaderEpoch,
      partitionEpoch: replica.partitionEpoch,
      isr: replica.isr,
      highWatermark: replica.highWatermark,
      records: log.records.map(({ epoch }) => epoch),
    }));
  }

  #check(): void {
    this.steps++;
    const before = this.#views;
    const views = this.#look();
    this.#views = views;
    this.#committed = nowCommitted(views, this.#committed);
    const leaderEpoch = this.#words.length - 1;
    const controller = { leader: this.#leader, leaderEpoch, isr: this.#isr };
    const steps = views.map((view, id) => brokenStep(before[id]!, view));
    const invariant = steps.find((step) => step !== undefined) ??
      brokenInvariant(views, controller, this.#committed);
    if (invariant !== undefined) this.broken ??= { invariant, step: this.steps };
  }
}
