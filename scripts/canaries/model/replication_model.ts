/**
 * All that can happen to three replicas of a partition and its controller within small bounds: a
 * breadth-first walk over states, in which every step of a replica is taken by the real protocol.
 *
 * The actions are those of the TLA+ specification Kip320, with AlterPartition as a message whose
 * answer may be lost: the controller elects or fences; its words reach each replica when they will,
 * or never; leaders write; followers fetch a record at a time. A record is its epoch and offset.
 *
 * A replica's state is looked up by what has been told to it: what it does in a situation is
 * computed once, by replaying that, and remembered.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import { Replica } from "../../../actors/partition/replica.ts";
import type { Epoch, NodeId } from "../../../storage/bytes/ids.ts";
import {
  brokenInvariant,
  type ControllerView,
  type Invariant,
  nowCommitted,
  type ReplicaView,
} from "./replication_invariants.ts";
import {
  Actor,
  ALL,
  answerOf,
  type FetchResponse,
  type Input,
  inputKey,
  isAccepted,
  renamedId,
  renamedInput,
  type ReplicaClass,
  timeless,
  type TimelessReplica,
} from "./timeless_replica.ts";

/** What a controller may do by itself. */
interface Decision {
  readonly to: number;
  readonly step: Step;
}

/** A fetch of one replica of another, both being in one state each. */
interface Fetched {
  readonly follower: number;
  readonly leader: number;
  readonly step: Step;
}

/** What the invariants look at, of a replica in one state. */
interface Situation extends ReplicaView {
  readonly path: readonly Input[];
  readonly leader: NodeId;
  readonly lastEpoch: Epoch;
  readonly proposed: readonly NodeId[] | undefined;
  readonly proposedAt: number;
  readonly moves: Map<string | number, Move>;
  /** What comes of a fetch, by the situation of the leader. */
  readonly fetches: Map<number, Fetched>;
  /** What it has in common with those that differ only in who is who. */
  readonly shape: number;
  /** The same with other names, by renaming. */
  readonly renamed: (number | undefined)[];
}

interface Move {
  readonly to: number;
  readonly response: FetchResponse | undefined;
}

interface Controller extends ControllerView {
  readonly partitionEpoch: number;
  /** Every word that it has given with a new leader epoch. */
  readonly words: readonly (Input & { readonly kind: "assign" })[];
  /** Records that leaders have written. */
  readonly writes: number;
}

/** How far the walk goes. */
export interface Bounds {
  readonly logSize: number;
  /** Records that are written in all. */
  readonly recordsMax: number;
  readonly leaderEpochMax: Epoch;
  /** Changes of the ISR that leaders get through within one leader epoch. */
  readonly isrChangesMax: number;
  readonly statesMax: number;
  /**
   * Whether an AlterPartition is a message, whose answer may be lost; else the controller acts on
   * it in the step that it is made in, as in the TLA+ specification.
   */
  readonly proposalsTakeTime: boolean;
}

export interface ModelOptions {
  readonly Replica?: ReplicaClass;
  /** What the controller goes by when it is asked for another ISR. */
  readonly rules?: ControllerRules;
}

export interface Walk {
  readonly states: number;
  readonly depth: number;
  readonly situations: number;
  /** Whether everything within the bounds was seen. */
  readonly exhausted: boolean;
  readonly broken: Invariant | undefined;
  /** What led to it. */
  readonly steps: readonly string[];
}

/** A state of the whole: of replicas 0, 1 and 2, of the controller, and what is committed. */
type World = readonly [zero: number, one: number, two: number, controller: number, commit: number];

/** What a step was, for whoever reads of it. */
type Step = readonly [text: string, ...ids: number[]];

/** Every renaming of the replicas: the new names of 0, 1 and 2. */
const RENAMINGS: readonly (readonly NodeId[])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

const NUMBERS = 7;
const EPOCHS_OF_CHANGES = 100;

export class ReplicationModel {
  readonly #Class: TimelessReplica;
  readonly #rules: ControllerRules;
  readonly #bounds: Bounds;
  readonly #situations: Situation[] = [];
  readonly #situationIds = new Map<string, number>();
  readonly #controllers: Controller[] = [];
  readonly #controllerIds = new Map<string, number>();
  readonly #commits: (readonly Epoch[])[] = [];
  readonly #commitIds = new Map<string, number>();
  readonly #decisions: Decision[][] = [];
  readonly #writes: number[] = [];
  readonly #controllersRenamed: (number | undefined)[][] = [];
  readonly #shapes: string[] = [];
  readonly #shapeIds = new Map<string, number>();
  readonly #steps: Step[] = [];
  readonly #stepIds = new Map<string, number>();
  /** Of each state its world, its parent and the step that led to it. */
  #worlds = new Int32Array(NUMBERS * 1024);
  /** States by what they are: a hash table of their numbers and 1. */
  #seen = new Int32Array(4096);
  #count = 0;
  #broken: { readonly invariant: Invariant; readonly state: number } | undefined;

  constructor(bounds: Bounds, options: ModelOptions = {}) {
    this.#bounds = bounds;
    this.#Class = timeless(options.Replica ?? Replica);
    this.#rules = options.rules ?? new ControllerRules();
  }

  walk(): Walk {
    const [zero, one, two] = ALL.map((id) => this.#situation(new Actor(this.#Class, id), []));
    const [leader, leaderEpoch, partitionEpoch] = [-1, -1, -1];
    const first = { leader, leaderEpoch, partitionEpoch, isr: ALL, words: [], writes: 0 };
    this.#add(-1, [zero!, one!, two!, this.#controller(first), this.#commit([])], ["begin"]);
    let depth = 0;
    let levelEnd = 1;
    let next = 0;
    for (; next < this.#count && this.#broken === undefined; next++) {
      if (next === levelEnd) {
        depth++;
        levelEnd = this.#count;
      }
      if (this.#count > this.#bounds.statesMax) break;
      this.#expand(next);
    }
    const steps = this.#broken === undefined ? [] : this.#stepsTo(this.#broken.state);
    return {
      states: this.#count,
      depth: this.#broken === undefined ? depth : steps.length,
      situations: this.#situations.length,
      exhausted: this.#broken === undefined && next === this.#count,
      broken: this.#broken?.invariant,
      steps,
    };
  }

  #stepsTo(state: number): string[] {
    const steps: string[] = [];
    for (let at = state; at > 0; at = this.#worlds[at * NUMBERS + 5]!) {
      steps.push(this.#steps[this.#worlds[at * NUMBERS + 6]!]!.join(" "));
    }
    return steps.reverse();
  }

  #world(state: number): World {
    const at = state * NUMBERS;
    return this.#worlds.subarray(at, at + 5) as unknown as World;
  }

  #expand(state: number): void {
    const world = [...this.#world(state)] as unknown as World;
    const controller = this.#controllers[world[3]]!;
    this.#decide(state, world);
    for (const id of ALL) {
      const node = this.#situations[world[id]!]!;
      for (const word of controller.words) {
        if (word.leaderEpoch <= node.leaderEpoch) continue;
        this.#tell(state, world, id, word, ["hears of epoch", id, word.leaderEpoch]);
      }
      if (node.role === "leader") this.#lead(state, world, controller, node);
      if (node.role === "follower" && node.leader >= 0) this.#fetch(state, world, node);
    }
  }

  /** The controller elects a member of the ISR, or takes one out of it. */
  #decide(state: number, world: World): void {
    const decisions = this.#decisions[world[3]] ??= this.#decisionsOf(this.#controllers[world[3]]!);
    for (const { to, step } of decisions) this.#add(state, replaced(world, 3, to), step);
  }

  #decisionsOf({ leader, leaderEpoch: before, isr, words, writes }: Controller): Decision[] {
    const leaderEpoch = before + 1;
    if (leaderEpoch > this.#bounds.leaderEpochMax) return [];
    const partitionEpoch = leaderEpoch * EPOCHS_OF_CHANGES;
    const decisions: Decision[] = [];
    const decide = (leader: NodeId, isr: readonly NodeId[], step: Step) => {
      const word = { leader, leaderEpoch, partitionEpoch, isr };
      const next = { ...word, writes, words: [...words, { kind: "assign", ...word } as const] };
      decisions.push({ to: this.#controller(next), step });
    };
    // All replicas are alike in the beginning.
    for (const id of leaderEpoch === 0 ? [0] : isr) {
      decide(id, isr, ["elect", id, leaderEpoch]);
      if (leader < 0 || isr.length === 1) continue;
      const left = isr.filter((member) => member !== id);
      decide(leader === id ? -1 : leader, left, ["fence", id, leaderEpoch]);
    }
    return decisions;
  }

  #lead(state: number, world: World, controller: Controller, node: Situation): void {
    const { id, isr, records } = node;
    const { logSize, recordsMax } = this.#bounds;
    if (records.length < logSize && controller.writes < recordsMax) {
      const counted = this.#writes[world[3]] ??= this.#controller({
        ...controller,
        writes: controller.writes + 1,
      });
      const after = replaced(world, 3, counted);
      this.#tell(state, after, id, { kind: "write" }, ["writes", id, records.length]);
    }
    if (node.proposed !== undefined) {
      if (this.#bounds.proposalsTakeTime) this.#alter(state, world, controller, node);
      return;
    }
    for (const member of isr) {
      if (member === id) continue;
      this.#tell(state, world, id, { kind: "shrink", member }, ["wants out", id, member]);
    }
  }

  /** The controller answers an AlterPartition, heard or unheard; or its word is heard. */
  #alter(state: number, world: World, controller: Controller, node: Situation): void {
    const { id } = node;
    const isr = node.proposed as readonly NodeId[];
    const applied = this.#applied(world, node);
    if (applied !== undefined) {
      this.#add(state, applied, ["gets the ISR", id, ...isr]);
      const unheard = replaced(applied, id, world[id]!);
      this.#add(state, unheard, ["gets, unheard, the ISR", id, ...isr]);
    } else {
      const { INVALID_UPDATE_VERSION } = ErrorCode;
      const answer = answerOf(INVALID_UPDATE_VERSION, node, node.partitionEpoch, isr);
      this.#tell(state, world, id, { kind: "answer", answer }, ["is refused its ISR", id]);
    }
    const isCurrent = controller.leader === id && controller.leaderEpoch === node.leaderEpoch;
    if (isCurrent && controller.partitionEpoch > node.partitionEpoch) {
      const { leader, leaderEpoch, partitionEpoch } = controller;
      const word = { leader, leaderEpoch, partitionEpoch, isr: controller.isr };
      this.#tell(state, world, id, { kind: "assign", ...word }, ["hears its ISR", id]);
    }
  }

  /** What comes of a proposal where the controller accepts it, and its leader hears so. */
  #applied(world: World, node: Situation): World | undefined {
    const controller = this.#controllers[world[3]]!;
    const { id, proposed: isr, proposedAt, leaderEpoch } = node;
    if (isr === undefined) return undefined;
    const proposal = { id, leaderEpoch, partitionEpoch: proposedAt };
    if (!isAccepted(this.#rules, controller, proposal)) return undefined;
    if (controller.partitionEpoch % EPOCHS_OF_CHANGES >= this.#bounds.isrChangesMax) {
      return undefined;
    }
    const partitionEpoch = controller.partitionEpoch + 1;
    const changed = this.#controller({ ...controller, isr, partitionEpoch });
    const answer = answerOf(ErrorCode.NONE, node, partitionEpoch, isr);
    const heard = this.#move(world[id]!, { kind: "answer", answer }).to;
    return replaced(replaced(world, 3, changed), id, heard);
  }

  /** A fetch and its answer, as one step. */
  #fetch(state: number, world: World, node: Situation): void {
    const { id, leader } = node;
    let fetched = node.fetches.get(world[leader]!);
    if (fetched === undefined) {
      const { leaderEpoch: epoch, lastEpoch: last } = node;
      const offset = node.records.length;
      const asked = this.#move(world[leader]!, { kind: "fetch", from: id, epoch, offset, last });
      const response = asked.response as FetchResponse;
      const follower = this.#move(world[id]!, { kind: "take", epoch, offset, response }).to;
      fetched = { follower, leader: asked.to, step: [response.verdict.kind, id, leader, offset] };
      node.fetches.set(world[leader]!, fetched);
    }
    const after = replaced(replaced(world, leader, fetched.leader), id, fetched.follower);
    this.#add(state, after, fetched.step);
  }

  #tell(state: number, world: World, id: NodeId, input: Input, step: Step): void {
    this.#add(state, replaced(world, id, this.#move(world[id]!, input).to), step);
  }

  /** Adds a state unless it has been seen; what became committed by the step is noted. */
  #add(parent: number, reached: World, step: Step): void {
    const world = this.#canonical(
      this.#bounds.proposalsTakeTime ? reached : this.#settled(reached),
    );
    const [zero, one, two, controller] = world;
    const nodes = [this.#situations[zero]!, this.#situations[one]!, this.#situations[two]!];
    const committed = this.#commit(nowCommitted(nodes, this.#commits[world[4]]!), world[4]);
    const slot = this.#slot(zero, one, two, controller, committed);
    if (slot < 0) return;
    const state = this.#count++;
    const stepId = this.#step(step);
    const numbers = [zero, one, two, controller, committed, parent, stepId];
    if (this.#worlds.length < this.#count * NUMBERS) this.#growWorlds();
    this.#worlds.set(numbers, state * NUMBERS);
    this.#seen[slot] = state + 1;
    if (this.#seen.length < this.#count * 2) this.#growSeen();
    const invariant = brokenInvariant(
      nodes,
      this.#controllers[controller]!,
      this.#commits[committed]!,
    );
    if (invariant !== undefined) this.#broken ??= { invariant, state };
  }

  /** Has the controller act at once on what has been proposed. */
  #settled(world: World): World {
    for (const id of ALL) {
      const node = this.#situations[world[id]!]!;
      if (node.proposed === undefined) continue;
      const applied = this.#applied(world, node);
      if (applied !== undefined) return applied;
    }
    return world;
  }

  /** The same world with the replicas renamed so that their shapes rise: one for up to six. */
  #canonical(world: World): World {
    const zero = this.#situations[world[0]]!.shape;
    const one = this.#situations[world[1]]!.shape;
    const two = this.#situations[world[2]]!.shape;
    const names = [
      Number(one < zero) + Number(two < zero),
      Number(zero <= one) + Number(two < one),
      Number(zero <= two) + Number(one <= two),
    ];
    const index = names[0]! * 2 + Number(names[1]! > names[2]!);
    if (index === 0) return world;
    const next = [...world];
    for (const id of [0, 1, 2]) next[names[id]!] = this.#renamed(world[id]!, index);
    next[3] = this.#renamedController(world[3], index);
    return next as unknown as World;
  }

  #renamed(from: number, index: number): number {
    const situation = this.#situations[from]!;
    return situation.renamed[index] ??= this.#replay(
      RENAMINGS[index]![situation.id]!,
      situation.path.map((input) => renamedInput(input, RENAMINGS[index]!)),
    );
  }

  #renamedController(from: number, index: number): number {
    const names = RENAMINGS[index]!;
    const known = this.#controllersRenamed[from] ??= [];
    if (known[index] !== undefined) return known[index];
    const { leader, isr, words, ...rest } = this.#controllers[from]!;
    return known[index] = this.#controller({
      ...rest,
      leader: renamedId(leader, names),
      isr: isr.map((id) => names[id]!).sort(),
      words: words.map((word) => renamedInput(word, names) as typeof word),
    });
  }

  #replay(id: NodeId, path: readonly Input[]): number {
    const actor = new Actor(this.#Class, id);
    for (const input of path) actor.tell(input);
    return this.#situation(actor, path);
  }

  #step(step: Step): number {
    const key = step.join();
    let id = this.#stepIds.get(key);
    if (id === undefined) this.#stepIds.set(key, id = this.#steps.push(step) - 1);
    return id;
  }

  /** Where a state belongs in the table; -1 where it is there. */
  #slot(zero: number, one: number, two: number, controller: number, commit: number): number {
    const worlds = this.#worlds;
    const mask = this.#seen.length - 1;
    let hash = Math.imul(zero, 0x9e3779b1) ^ Math.imul(one + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ Math.imul(two + 1, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13), 0x297a2d39) ^
      Math.imul(controller * 64 + commit, 0x27d4eb2f);
    for (let slot = (hash ^ (hash >>> 16)) & mask;; slot = (slot + 1) & mask) {
      const state = this.#seen[slot]! - 1;
      if (state < 0) return slot;
      const at = state * NUMBERS;
      if (
        worlds[at] === zero && worlds[at + 1] === one && worlds[at + 2] === two &&
        worlds[at + 3] === controller && worlds[at + 4] === commit
      ) return -1;
    }
  }

  #growWorlds(): void {
    const larger = new Int32Array(this.#worlds.length * 2);
    larger.set(this.#worlds);
    this.#worlds = larger;
  }

  #growSeen(): void {
    this.#seen = new Int32Array(this.#seen.length * 4);
    for (let state = 0; state < this.#count; state++) {
      const [zero, one, two, controller, commit] = this.#world(state);
      this.#seen[this.#slot(zero, one, two, controller, commit)] = state + 1;
    }
  }

  #move(from: number, input: Input): Move {
    const situation = this.#situations[from]!;
    const text = inputKey(input);
    const known = situation.moves.get(text);
    if (known !== undefined) return known;
    const actor = new Actor(this.#Class, situation.id);
    for (const past of situation.path) actor.tell(past);
    const response = actor.tell(input);
    const move = { to: this.#situation(actor, [...situation.path, input]), response };
    situation.moves.set(text, move);
    return move;
  }

  #situation(actor: Actor, path: readonly Input[]): number {
    const { key, replica, log, pending } = actor;
    const known = this.#situationIds.get(key);
    if (known !== undefined) return known;
    this.#situationIds.set(key, this.#situations.length);
    return this.#situations.push({
      id: actor.id,
      path,
      role: replica.role,
      leader: replica.leader,
      leaderEpoch: replica.leaderEpoch,
      partitionEpoch: replica.partitionEpoch,
      isr: replica.isr.toSorted(),
      highWatermark: replica.highWatermark,
      records: log.records.map(({ epoch }) => epoch),
      lastEpoch: replica.lastFetchedEpoch,
      proposed: pending?.newIsr.map(({ brokerId }) => brokerId).sort(),
      proposedAt: pending?.partitionEpoch ?? -1,
      moves: new Map(),
      fetches: new Map(),
      shape: this.#shape(actor),
      renamed: [],
    }) - 1;
  }

  #shape({ id, replica, log }: Actor): number {
    const { role, leader, leaderEpoch, partitionEpoch, highWatermark, isr } = replica;
    const ends = [...replica.followers.values()].map(({ logEndOffset }) => logEndOffset).sort();
    const records = log.records.map(({ epoch }) => epoch);
    const shape = [role, leader === id, leaderEpoch, partitionEpoch, highWatermark, isr.length]
      .join() + records.join() + isr.includes(id) + ends.join();
    return intern(this.#shapes, this.#shapeIds, shape);
  }

  #controller(controller: Controller): number {
    return intern(this.#controllers, this.#controllerIds, controller);
  }

  #commit(epochs: readonly Epoch[], before?: number): number {
    if (before !== undefined && epochs === this.#commits[before]) return before;
    return intern(this.#commits, this.#commitIds, epochs);
  }
}

function replaced(world: World, at: number, value: number): World {
  const next = [...world];
  next[at] = value;
  return next as unknown as World;
}

function intern<Value>(values: Value[], ids: Map<string, number>, value: Value): number {
  const key = JSON.stringify(value);
  const known = ids.get(key);
  if (known !== undefined) return known;
  ids.set(key, values.length);
  return values.push(value) - 1;
}
