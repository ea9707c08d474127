/**
 * Replicas of the metadata log in a simulated world of their own: a network that loses, delays,
 * repeats and reorders, disks that are slow and forget what was not synced, processes that die in
 * the middle of what they do. One seed, one run.
 */

import { type NodeId, type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { BEGIN_QUORUM_EPOCH } from "../../../net/messages/begin_quorum_epoch.ts";
import { END_QUORUM_EPOCH } from "../../../net/messages/end_quorum_epoch.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FETCH_SNAPSHOT } from "../../../net/messages/fetch_snapshot.ts";
import { VOTE, type VoteRequest, type VoteResponse } from "../../../net/messages/vote.ts";
import type { Api } from "../../../net/schema.ts";
import type { QuorumPorts } from "../../../actors/controller/quorum_context.ts";
import { QuorumReplica } from "../../../actors/controller/quorum_replica.ts";
import { QuorumRules } from "../../../actors/controller/quorum_rules.ts";
import type { PersistedQuorumState } from "../../../actors/controller/quorum_state.ts";
import type { ReplicaKey } from "../../../actors/controller/voters.ts";
import { VoterSet } from "../../../actors/controller/voters.ts";
import { exponential, SeededRandom } from "../../../actors/sim/random.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { MemoryQuorumLog } from "./memory_quorum_log.ts";
import { type CheckedNode, QuorumChecker, QuorumViolation } from "./quorum_checker.ts";

export interface QuorumWorldOptions {
  readonly seed: number;
  readonly voters: number;
  readonly observers: number;
  /** Of 100 messages. */
  readonly losses: number;
  readonly duplicates: number;
  readonly delayMs: number;
  /** The mean time of a sync. */
  readonly syncMs: number;
  /** The mean time between two crashes; 0 is never. */
  readonly crashEveryMs: number;
  /** The mean time between two cuts of the network; 0 is never. */
  readonly cutEveryMs: number;
  /** Whether a minority of voters may lose their disks. */
  readonly wipes: boolean;
  /** Whether voters come and go. */
  readonly changes: boolean;
  readonly forMs: number;
  readonly Rules?: typeof QuorumRules;
}

const TIMEOUTS = {
  electionMs: 300,
  fetchMs: 600,
  backoffMaxMs: 300,
  requestMs: 400,
  retryMs: 20,
  fetchWaitMs: 100,
  fetchBytes: 200,
};

/** The process died in the middle of a call. */
class Crash extends Error {}

export class SimulatedReplica {
  directory = 0;
  log = new MemoryQuorumLog();
  durableState: PersistedQuorumState | undefined;
  /** Written and not synced. */
  stagedState: PersistedQuorumState | undefined;
  quorum: QuorumReplica | undefined;
  incarnation = 0;
  flushing = false;
  flushWanted = false;
  tickAt = Infinity;
  /** Calls of the ports until it dies. */
  crashIn = Infinity;

  constructor(readonly id: NodeId) {}

  get key(): ReplicaKey {
    return { id: this.id, directoryId: directoryOf(this.id, this.directory) };
  }
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class QuorumWorld {
  readonly checker = new QuorumChecker();
  readonly nodes: SimulatedReplica[] = [];
  readonly counts = { events: 0, crashes: 0, snapshotsLoaded: 0, wipes: 0, changes: 0, appends: 0 };
  readonly #options: QuorumWorldOptions;
  readonly #random: SeededRandom;
  readonly #network: RandomStream;
  readonly #faults: RandomStream;
  readonly #heap: Event[] = [];
  readonly #cut = new Set<string>();
  /** Replicas whose disk was lost, with what it held: what they said of it was true. */
  readonly #lost: CheckedNode[] = [];
  #now = 0;
  #order = 0;
  #isHealed = false;
  #texts = 0;

  constructor(options: QuorumWorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#network = this.#random.stream("network");
    this.#faults = this.#random.stream("faults");
    for (let id = 1; id <= options.voters + options.observers; id++) {
      const node = new SimulatedReplica(id);
      this.nodes.push(node);
      this.#at(this.#faults.integer(200), () => this.start(node));
    }
  }

  get now(): number {
    return this.#now;
  }

  /** Runs with faults, then without them until all is well. @throws {QuorumViolation} */
  run(): void {
    this.#every(40, () => this.#append());
    this.#every(400, () => this.#snapshot());
    if (this.#options.crashEveryMs > 0) {
      this.#every(this.#options.crashEveryMs, () => this.#maybeCrash());
    }
    if (this.#options.cutEveryMs > 0) this.#every(this.#options.cutEveryMs, () => this.#cutSome());
    if (this.#options.wipes) this.#every(2000, () => this.#maybeWipe());
    if (this.#options.changes) this.#every(500, () => this.#changeVoters());
    this.runFor(this.#options.forMs);
    this.#heal();
  }

  runFor(ms: number, until: () => boolean = () => false): boolean {
    const end = this.#now + ms;
    while (!until()) {
      const event = this.#pop(end);
      if (event === undefined) {
        this.#now = end;
        return until();
      }
      this.#now = event.at;
      this.counts.events++;
      event.run();
    }
    return true;
  }

  start(node: SimulatedReplica): void {
    if (node.quorum !== undefined) return;
    const { Rules = QuorumRules } = this.#options;
    const configured = this.nodes.slice(0, this.#options.voters);
    node.incarnation++;
    node.tickAt = Infinity;
    node.flushing = node.flushWanted = false;
    const stream = this.#random.stream(`node ${node.id}`);
    this.#in(node, () => {
      node.quorum = new QuorumReplica({
        clusterId: "cluster",
        self: node.key,
        address: addressOf(node.id),
        isController: true,
        voters: new VoterSet(configured.map(({ id }) => ({
          id,
          directoryId: ZERO_UUID,
          address: addressOf(id),
        }))),
        bootstrapServers: [],
        timeouts: TIMEOUTS,
        log: node.log,
        persisted: node.stagedState ?? node.durableState,
        rules: new Rules(),
        ports: this.#ports(node),
        random: (below) => stream.integer(Math.max(1, Math.floor(below))),
      });
      node.quorum.start(this.#now);
    });
  }

  /** Dies; with `power` what was not synced may be gone. It comes back by itself, by default. */
  crash(node: SimulatedReplica, power: boolean, comesBack = !this.#isHealed): void {
    if (node.quorum === undefined) return;
    this.counts.crashes++;
    this.counts.snapshotsLoaded += node.log.snapshotsLoaded;
    node.log.snapshotsLoaded = 0;
    node.quorum = undefined;
    node.incarnation++;
    node.crashIn = Infinity;
    if (power) {
      node.log = new MemoryQuorumLog(node.log.crash((below) => this.#faults.integer(below)));
      node.stagedState = undefined;
    }
    if (comesBack) this.#at(exponential(this.#faults, 400), () => this.start(node));
  }

  /** Nodes that lead, whether or not they know better. */
  leaders(): SimulatedReplica[] {
    return this.nodes.filter(({ quorum }) => quorum?.state.role === "leader");
  }

  /** From now on only nodes of these reach each other, and only others do. */
  cutOff(nodes: readonly SimulatedReplica[]): void {
    this.#cut.clear();
    this.#cutBetween(new Set(nodes.map(({ id }) => id)), false);
  }

  /** Has a live node do something. */
  at(node: SimulatedReplica, run: (quorum: QuorumReplica) => void): void {
    const { quorum } = node;
    if (quorum === undefined) throw new Error(`Node ${node.id} is down`);
    this.#in(node, () => run(quorum));
  }

  /** Runs something on a node, and then all that it wants done; the checker looks at it. */
  #in(node: SimulatedReplica, run: () => void): void {
    try {
      run();
      node.quorum?.persist();
    } catch (error) {
      if (error instanceof QuorumViolation) throw error;
      if (!(error instanceof Crash)) {
        throw new QuorumViolation(`node ${node.id} fails: ${(error as Error).message}`);
      }
      this.crash(node, true);
    }
    this.checker.look(node);
    this.#maybeFlush(node);
    this.#schedule(node);
  }

  #maybeFlush(node: SimulatedReplica): void {
    if (node.quorum === undefined || node.flushing || !node.flushWanted) return;
    node.flushWanted = false;
    node.flushing = true;
    const end = node.log.beginFlush();
    const { incarnation } = node;
    this.#at(exponential(this.#network, this.#options.syncMs), () => {
      if (incarnation !== node.incarnation) return;
      end();
      node.flushing = false;
      this.#in(node, () => node.quorum?.flushed(this.#now));
    });
  }

  #schedule(node: SimulatedReplica): void {
    const { quorum, incarnation } = node;
    if (quorum === undefined || quorum.deadline >= node.tickAt) return;
    const at = Math.max(this.#now, quorum.deadline);
    node.tickAt = at;
    this.#at(at - this.#now, () => {
      if (incarnation !== node.incarnation || node.tickAt !== at) return;
      node.tickAt = Infinity;
      this.#in(node, () => quorum.tick(this.#now));
    });
  }

  #ports(node: SimulatedReplica): QuorumPorts {
    const { incarnation } = node;
    const mayDie = () => {
      if (--node.crashIn <= 0) throw new Crash();
    };
    return {
      persist: (state, durable) => {
        mayDie();
        if (durable) node.durableState = state;
        node.stagedState = durable ? undefined : state;
      },
      send: (to, api, request, timeoutMs, done) => {
        mayDie();
        let isDone = false;
        const once = (response: unknown) => {
          if (isDone || node.incarnation !== incarnation) return;
          isDone = true;
          this.#in(node, () => done(this.#now, response as never));
        };
        this.#at(timeoutMs, () => once(undefined));
        this.#carry(node, to.id, () => this.#receive(node, to.id, api, request, once));
      },
      flush: () => void (node.flushWanted = true),
      committed: (offset) => this.checker.committing(node, offset, [...this.nodes, ...this.#lost]),
      truncated: () => {},
      snapshotLoaded: () => {},
      roleChanged: () => {},
      note: () => {},
    };
  }

  #receive(
    from: SimulatedReplica,
    id: NodeId,
    api: Api,
    request: unknown,
    answered: (response: unknown) => void,
  ): void {
    const node = this.nodes[id - 1]!;
    const { quorum } = node;
    if (quorum === undefined) return;
    const reply = (response: unknown) => this.#carry(node, from.id, () => answered(response));
    const now = this.#now;
    this.#in(node, () => {
      switch (api.key) {
        case VOTE.key: {
          const response = quorum.handleVote(now, request as VoteRequest);
          this.#noteVote(node, request as VoteRequest, response);
          return reply(response);
        }
        case BEGIN_QUORUM_EPOCH.key:
          return reply(quorum.handleBeginQuorumEpoch(now, request as never));
        case END_QUORUM_EPOCH.key:
          return reply(quorum.handleEndQuorumEpoch(now, request as never));
        case FETCH.key:
          return quorum.handleFetch(now, request as never, reply);
        case FETCH_SNAPSHOT.key:
          return reply(quorum.handleFetchSnapshot(now, request as never));
      }
    });
  }

  #noteVote(voter: SimulatedReplica, request: VoteRequest, response: VoteResponse): void {
    const asked = request.topics[0]!.partitions[0]!;
    if (asked.preVote || response.topics[0]?.partitions[0]?.voteGranted !== true) return;
    const { candidateId: id, candidateDirectoryId: directoryId, candidateEpoch } = asked;
    this.checker.voted(voter.key, candidateEpoch, { id, directoryId });
  }

  /** A message on its way: perhaps never, perhaps twice, in any order. */
  #carry(from: SimulatedReplica, to: NodeId, arrive: () => void): void {
    const { losses, duplicates, delayMs } = this.#options;
    if (!this.#isHealed && this.#network.chance(losses, 100)) return;
    const times = !this.#isHealed && this.#network.chance(duplicates, 100) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const delay = 1 + exponential(this.#network, this.#isHealed ? 2 : delayMs);
      this.#at(delay, () => {
        if (!this.#cut.has(`${from.id} ${to}`)) arrive();
      });
    }
  }

  #append(): void {
    const leaders = this.leaders();
    if (leaders.length === 0) return;
    this.append(leaders[this.#faults.integer(leaders.length)]!);
  }

  append(node: SimulatedReplica): void {
    const { quorum, log } = node;
    if (quorum === undefined) return;
    this.counts.appends++;
    this.#in(node, () => {
      quorum.persist();
      log.appendText(`text ${this.#texts++}`, quorum.state.epoch);
      quorum.appended(this.#now);
    });
  }

  #snapshot(): void {
    const node = this.#pick(this.nodes);
    const { quorum, log } = node;
    if (quorum === undefined || quorum.highWatermark < log.startOffset + 4) return;
    if (quorum.state.role === "leader" && quorum.highWatermark <= quorum.leading!.epochStart) {
      return;
    }
    log.makeSnapshot(quorum.highWatermark);
    this.checker.look(node);
  }

  #maybeCrash(): void {
    const node = this.#pick(this.nodes);
    if (this.#faults.chance(1, 2)) this.crash(node, this.#faults.chance(2, 3));
    else if (node.quorum !== undefined) node.crashIn = 1 + this.#faults.integer(6);
  }

  #cutSome(): void {
    this.#cut.clear();
    if (this.#faults.chance(1, 3)) return;
    const side = new Set(this.nodes.filter(() => this.#faults.chance(1, 2)).map(({ id }) => id));
    this.#cutBetween(side, this.#faults.chance(1, 3));
  }

  #cutBetween(side: ReadonlySet<NodeId>, isOneWay: boolean): void {
    for (const { id: one } of this.nodes) {
      for (const { id: other } of this.nodes) {
        if (side.has(one) === side.has(other) || (isOneWay && side.has(one))) continue;
        this.#cut.add(`${one} ${other}`);
      }
    }
  }

  /** A disk is lost: only where all know whose disk is whose, and a majority keeps its own. */
  #maybeWipe(): void {
    const minority = Math.ceil(this.#options.voters / 2) - 1;
    if (this.counts.wipes >= minority) return;
    const areBound = this.nodes.every(({ log }) => {
      const { records, snapshot } = log.durable;
      const sets = [...snapshot?.records ?? [], ...records].flatMap(({ voters }) => voters ?? []);
      return this.nodes.slice(0, this.#options.voters).every(({ key }) =>
        sets.some(({ id, directoryId }) => id === key.id && directoryId === key.directoryId)
      );
    });
    if (!areBound) return;
    this.wipe(this.nodes[this.#faults.integer(this.#options.voters)]!);
  }

  wipe(node: SimulatedReplica): void {
    this.counts.wipes++;
    this.crash(node, true);
    this.#lost.push({ key: node.key, quorum: undefined, log: node.log, durableState: undefined });
    node.directory++;
    node.log = new MemoryQuorumLog();
    node.durableState = node.stagedState = undefined;
  }

  /** Somebody adds a voter or takes one away. */
  #changeVoters(): void {
    const [leader] = this.leaders();
    const quorum = leader?.quorum;
    if (leader === undefined || quorum === undefined) return;
    const node = this.#pick(this.nodes);
    const { now } = this;
    const done = (error: ErrorCode) => {
      if (error === ErrorCode.NONE) this.counts.changes++;
    };
    this.#in(leader, () => {
      if (quorum.voters.has(node.key)) quorum.removeVoter(now, node.key, 2000, done);
      else {
        const voter = { ...node.key, address: addressOf(node.id) };
        quorum.addVoter(now, voter, 2000, done);
      }
    });
  }

  /** No more faults: one leader, and everybody gets what it commits. */
  #heal(): void {
    this.#isHealed = true;
    this.#cut.clear();
    for (const node of this.nodes) {
      node.crashIn = Infinity;
      this.start(node);
    }
    const has = (text: string) => ({ log, quorum }: SimulatedReplica) =>
      quorum !== undefined &&
      this.checker.committed.findIndex(({ body }) => body === text) < quorum.highWatermark &&
      log.endOffset >= quorum.highWatermark;
    const isWell = () => {
      const text = `text ${this.#texts - 1}`;
      return this.checker.committed.some(({ body }) => body === text) &&
        this.nodes.every(has(text));
    };
    for (let tries = 0; tries < 40; tries++) {
      const [leader] = this.leaders().sort((a, b) => b.quorum!.state.epoch - a.quorum!.state.epoch);
      if (leader !== undefined) this.append(leader);
      if (this.runFor(1000, () => leader !== undefined && isWell())) {
        for (const { log } of this.nodes) this.counts.snapshotsLoaded += log.snapshotsLoaded;
        return;
      }
    }
    const nodes = this.nodes.map(({ id, quorum, log }) =>
      `${id}: ${quorum?.state.role} of epoch ${quorum?.state.epoch}, ${log.endOffset} records, ` +
      `${quorum?.highWatermark} committed, voters ${quorum?.voters.ids}`
    );
    throw new QuorumViolation(`liveness: not well 40 s after all was healed\n${nodes.join("\n")}`);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#faults.integer(items.length)]!;
  }

  #every(meanMs: number, run: () => void): void {
    this.#at(1 + exponential(this.#faults, meanMs), () => {
      if (this.#isHealed) return;
      run();
      this.#every(meanMs, run);
    });
  }

  #at(delayMs: number, run: () => void): void {
    const event = { at: this.#now + delayMs, order: this.#order++, run };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(until: number): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > until) return undefined;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function directoryOf(id: NodeId, generation: number): Uuid {
  return `${id}x${generation}`.padEnd(22, "A");
}

export function addressOf(id: NodeId) {
  return { host: `node-${id}`, port: 9192 };
}
