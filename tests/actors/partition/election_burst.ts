/**
 * Three replicas and their controller, led step by step through what a breadth-first walk would
 * reach late: elections in bursts, of which each replica hears when the script says so.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { IsrAnswer } from "../../../actors/partition/messages.ts";
import type { Replica } from "../../../actors/partition/replica.ts";
import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";
import { brokenInvariant, type Invariant, nowCommitted } from "./replication_invariants.ts";
import {
  Actor,
  ALL,
  answerOf,
  type FetchResponse,
  type Input,
  timeless,
} from "./timeless_replica.ts";

type Word = Input & { readonly kind: "assign" };

/** A fetch that was answered, and whose answer is under way. */
export interface Answered {
  readonly by: NodeId;
  readonly epoch: Epoch;
  readonly offset: Offset;
  readonly response: FetchResponse;
}

export class ElectionBurst {
  readonly nodes: readonly Actor[];
  readonly #words: Word[] = [];
  #isr: readonly NodeId[] = ALL;
  #leader: NodeId = -1;
  #partitionEpoch = -1;
  #committed: readonly Epoch[] = [];
  #steps = 0;
  /** The first invariant that was broken, and after how many steps. */
  broken: { readonly invariant: Invariant; readonly step: number } | undefined;

  constructor(Class: typeof Replica) {
    const Timeless = timeless(Class);
    this.nodes = ALL.map((id) => new Actor(Timeless, id));
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
    const accepts = this.#leader === id && pending.partitionEpoch === this.#partitionEpoch;
    if (accepts) {
      this.#partitionEpoch++;
      this.#isr = isr;
    }
    const error = accepts ? ErrorCode.NONE : ErrorCode.FENCED_LEADER_EPOCH;
    const { leaderEpoch } = replica;
    return answerOf(error, { id, leaderEpoch }, this.#partitionEpoch, isr);
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

  #check(): void {
    this.#steps++;
    const views = this.nodes.map(({ id, replica, log }) => ({
      id,
      role: replica.role,
      leaderEpoch: replica.leaderEpoch,
      isr: replica.isr,
      highWatermark: replica.highWatermark,
      records: log.records.map(({ epoch }) => epoch),
    }));
    this.#committed = nowCommitted(views, this.#committed);
    const leaderEpoch = this.#words.length - 1;
    const controller = { leader: this.#leader, leaderEpoch, isr: this.#isr };
    const invariant = brokenInvariant(views, controller, this.#committed);
    if (invariant !== undefined) this.broken ??= { invariant, step: this.#steps };
  }
}
