/**
 * Groups of the classic protocol held to their rules whatever members ask, in whichever order, and
 * whatever becomes of the log: every request is answered, once; a generation is led by a member of
 * it and assigned to its members; what fails leaves nothing behind; and a coordinator that is
 * loaded from the log knows the groups that the one before knew.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ClassicGroup } from "../../../../actors/coordinator/group/classic_group.ts";
import { ClassicGroup as Classic } from "../../../../actors/coordinator/group/classic_group.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { HEARTBEAT } from "../../../../net/messages/heartbeat.ts";
import type { JoinGroupResponse } from "../../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../../net/messages/leave_group.ts";
import { OFFSET_COMMIT } from "../../../../net/messages/offset_commit.ts";
import { SYNC_GROUP, type SyncGroupResponse } from "../../../../net/messages/sync_group.ts";
import { bytes, Members, text } from "./classic_members.ts";
import type { Awaited } from "./group_stage.ts";

type Op =
  | {
    readonly kind: "join";
    readonly client: number;
    /** Which protocols it speaks, and what it says of itself. */
    readonly speaks: number;
    /** It has lost its id, as after a restart. */
    readonly isAnew: boolean;
    readonly version: number;
  }
  | { readonly kind: "sync" | "beat" | "commit"; readonly client: number; readonly late: number }
  | { readonly kind: "leave"; readonly clients: readonly number[] }
  /** It does what a member should do next, unless it waits. */
  | { readonly kind: "go on"; readonly client: number }
  /** All go on, with time for it. */
  | { readonly kind: "round" }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "delete" }
  | { readonly kind: "log commits" | "log fails" | "reload" };

const client = fc.integer({ min: 0, max: 4 });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({ kind: fc.constant("go on" as const), client }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("join" as const),
      client,
      speaks: fc.integer({ min: 1, max: 7 }),
      isAnew: fc.boolean(),
      version: fc.constantFrom(3, 5, 9),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("sync" as const, "sync" as const, "beat" as const, "commit" as const),
      client,
      late: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("leave" as const),
      clients: fc.uniqueArray(client, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 8, arbitrary: fc.constant({ kind: "round" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.constantFrom(1, 2, 3, 4, 5, 11, 70, 301),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "delete" as const }) },
  { weight: 16, arbitrary: fc.constant({ kind: "log commits" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "log fails" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reload" as const }) },
);

/** A member as it sees itself. The first two are static. */
class Client {
  readonly instanceId: string | null;
  memberId = "";
  generationId = -1;
  phase: "out" | "joined" | "stable" = "out";
  /** Answers that it waits for. */
  waits = 0;
  leader = "";
  members: readonly string[] = [];

  constructor(index: number) {
    this.instanceId = index < 2 ? `i${index}` : null;
  }
}

class Play {
  readonly stage = new Members({
    "group.max.size": "4",
    "group.initial.rebalance.delay.ms": "3000",
  });
  readonly clients = Array.from({ length: 5 }, (_, index) => new Client(index));
  /** What is not looked at yet. */
  #answers: { readonly awaited: Awaited<unknown>; readonly come: () => void }[] = [];
  /** What a leader gave, by generation: a group that is deleted begins anew. */
  readonly #given = new Map<string, string>();
  #times = 0;

  constructor() {
    this.stage.commitsAtOnce = false;
  }

  run(step: Op): void {
    switch (step.kind) {
      case "join":
        this.#join(step);
        break;
      case "sync":
        this.#sync(this.clients[step.client]!, step.late);
        break;
      case "beat":
        this.#beat(this.clients[step.client]!, step.late);
        break;
      case "go on":
        this.#goOn(step.client);
        break;
      case "commit":
        this.#commit(this.clients[step.client]!, step.late);
        break;
      case "leave":
        this.#wait(this.stage.ask("leave-group", LEAVE_GROUP, {
          groupId: "g",
          members: step.clients.map((index) => {
            const { memberId, instanceId } = this.clients[index]!;
            return { memberId, groupInstanceId: instanceId };
          }),
        }));
        break;
      case "round":
        for (let index = 0; index < this.clients.length; index++) this.#goOn(index);
        this.stage.pass(4000);
        this.stage.commit();
        break;
      case "pass":
        for (let second = 0; second < step.seconds; second++) this.stage.pass(1000);
        break;
      case "delete":
        this.#wait(this.stage.send((replyTo) => ({ kind: "delete-group", groupId: "g", replyTo })));
        break;
      case "log commits":
        this.stage.commit();
        break;
      case "log fails":
        this.stage.fail();
        break;
      case "reload":
        this.stage.reload();
        break;
    }
    this.#receive();
  }

  #goOn(index: number): void {
    const client = this.clients[index]!;
    if (client.waits > 0) return;
    const join = { kind: "join", client: index, speaks: 7, isAnew: false, version: 9 } as const;
    if (client.phase === "out") this.#join(join);
    else if (client.phase === "joined") this.#sync(client, 0);
    else this.#beat(client, 0);
  }

  #beat(client: Client, late: number): void {
    const { memberId, generationId, instanceId: groupInstanceId } = client;
    const beaten = this.stage.ask<unknown, { errorCode: number }>("heartbeat", HEARTBEAT, {
      groupId: "g",
      memberId,
      groupInstanceId,
      generationId: generationId - late,
    } as never);
    this.#wait(beaten, ({ errorCode }) => refused(client, errorCode));
  }

  #wait<Response>(awaited: Awaited<Response>, come: (response: Response) => void = () => {}): void {
    this.#answers.push({
      awaited,
      come: () => {
        if (awaited.response !== undefined) come(awaited.response);
      },
    });
  }

  #receive(): void {
    const come = this.#answers.filter(({ awaited }) => awaited.isSettled);
    this.#answers = this.#answers.filter(({ awaited }) => !awaited.isSettled);
    for (const answer of come) answer.come();
  }

  #join({ client: index, speaks, isAnew, version }: Extract<Op, { kind: "join" }>): void {
    const client = this.clients[index]!;
    if (isAnew) client.memberId = "";
    const names = ["p0", "p1", "p2"].filter((_, bit) => (speaks & 1 << bit) !== 0);
    const joined = this.stage.join(client.memberId, {
      groupInstanceId: client.instanceId,
      rebalanceTimeoutMs: 20_000 + 10_000 * index,
      protocols: names.map((name) => ({ name, metadata: bytes(`${speaks}`) })),
    }, version);
    client.waits++;
    this.#wait<JoinGroupResponse>(joined, (response) => {
      client.waits--;
      this.#joined(client, response);
    });
  }

  #joined(client: Client, response: JoinGroupResponse): void {
    const { errorCode, memberId, generationId, leader, members } = response;
    if (errorCode === ErrorCode.MEMBER_ID_REQUIRED) client.memberId = memberId;
    refused(client, errorCode);
    if (errorCode !== ErrorCode.NONE) return;
    client.phase = "joined";
    client.memberId = memberId;
    client.generationId = generationId;
    client.leader = leader;
    client.members = members.map((member) => member.memberId);
    if (leader === memberId) {
      assert(client.members.includes(memberId), "the leader leads others only");
    } else assertEquals(members, []);
  }

  #sync(client: Client, late: number): void {
    const { memberId, instanceId: groupInstanceId, generationId, leader, members } = client;
    // Each time it gives something else.
    const time = ++this.#times;
    const synced = this.stage.ask<unknown, SyncGroupResponse>("sync-group", SYNC_GROUP, {
      groupId: "g",
      memberId,
      groupInstanceId,
      generationId: generationId - late,
      assignments: leader === memberId
        ? members.map((id) => ({ memberId: id, assignment: bytes(`${time} to ${id}`) }))
        : [],
    } as never);
    client.waits++;
    this.#wait(synced, ({ errorCode, assignment }) => {
      client.waits--;
      refused(client, errorCode);
      if (errorCode !== ErrorCode.NONE) return;
      client.phase = "stable";
      const given = text(assignment);
      if (given === "") return;
      // All of a generation have it from one and the same word of the leader.
      const [said] = given.split(" ");
      const led = `${generationId} by ${leader}`;
      const known = this.#given.get(led);
      assert(known === undefined || known === said, `${led} is given twice`);
      this.#given.set(led, said!);
    });
  }

  #commit(client: Client, late: number): void {
    const { memberId, instanceId, generationId } = client;
    this.#wait(this.stage.ask("offset-commit", OFFSET_COMMIT, {
      groupId: "g",
      memberId,
      groupInstanceId: instanceId,
      generationIdOrMemberEpoch: generationId - late,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: ++this.#times }] }],
    }));
  }

  get group(): ClassicGroup | undefined {
    return this.stage.machine.classic.get("g");
  }

  check(): void {
    const { group } = this;
    if (group === undefined) return;
    const { members, leader, state } = group;
    if (leader !== null) assert(members.has(leader), "the leader is no member");
    assertEquals(leader === null, members.size === 0);
    if (state === "Empty") assertEquals(members.size, 0);
    if (state === "Stable" || state === "CompletingRebalance") assert(members.size > 0);
    for (const { groupInstanceId, memberId, awaitingJoin, awaitingSync } of members.values()) {
      if (groupInstanceId !== null) assertEquals(group.staticMemberId(groupInstanceId), memberId);
      assert(awaitingJoin === undefined || awaitingSync === undefined);
      if (state === "PreparingRebalance") assertEquals(awaitingSync, undefined);
      assert(!group.pendingJoin.has(memberId), "who has joined is awaited");
    }
    for (const name of ["p0", "p1", "p2"]) {
      if (members.size === 0) break;
      const isCommon = members.values().every(({ protocols }) =>
        protocols.some((protocol) => protocol.name === name)
      );
      const protocol = { name, metadata: bytes("") };
      assertEquals(group.supports("consumer", [protocol]), isCommon);
    }
    for (const memberId of group.pendingSync) assert(members.has(memberId) || state === "Stable");
  }

  /** All do as they should, and the log takes it: those for whom there is room are members. */
  settle(): void {
    this.stage.commit();
    for (let round = 0; round < 120; round++) this.run({ kind: "round" });
    const { group } = this;
    assertEquals(group?.state, "Stable");
    const stable = this.clients.filter(({ phase }) => phase === "stable");
    assertEquals(stable.length, 4);
    for (const { memberId, generationId } of stable) {
      assert(group!.members.has(memberId));
      assertEquals(generationId, group!.generationId);
    }
  }

  /** All who wait are answered when the coordinator goes. */
  end(): void {
    this.stage.fail();
    this.stage.machine.unloaded();
    this.#receive();
    assertEquals(this.#answers.length, 0);
  }
}

/** What a member makes of an error. */
function refused(client: Client, errorCode: number): void {
  if (errorCode === ErrorCode.NONE) return;
  client.phase = "out";
  const isUnknown = errorCode === ErrorCode.UNKNOWN_MEMBER_ID ||
    errorCode === ErrorCode.ILLEGAL_GENERATION || errorCode === ErrorCode.FENCED_INSTANCE_ID;
  if (isUnknown) client.memberId = "";
}

/** A group as plain data, as far as it is kept. */
function shapeOf(group: ClassicGroup | undefined): unknown {
  if (group === undefined) return undefined;
  const { members, ...value } = group.toValue();
  const sorted = members.toSorted((a, b) => a.memberId < b.memberId ? -1 : 1);
  const { currentStateTimestamp: _, ...kept } = value;
  return {
    ...kept,
    state: group.state,
    members: sorted.map(({ assignment, subscription, ...member }) => ({
      ...member,
      assignment: text(assignment),
      subscription: text(subscription),
    })),
  };
}

const steps = fc.array(op, { minLength: 10, maxLength: 100, size: "max" });

Deno.test("classic: whatever members ask, each is answered once, and one leads", () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const play = new Play();
      for (const step of steps) {
        play.run(step);
        play.check();
      }
      play.end();
    }),
    { numRuns: 300 },
  );
});

Deno.test("classic: the log says what a stable group knows, whatever fails", () => {
  let stable = 0;
  fc.assert(
    fc.property(steps, (steps) => {
      const play = new Play();
      for (const step of steps) {
        play.run(step);
        if (play.group?.state !== "Stable" || !play.stage.isIdle) continue;
        stable++;
        const value = [...play.stage.folded().metadata.all].find(([groupId]) => groupId === "g");
        const loaded = value === undefined ? undefined : Classic.of("g", value[1]);
        assertEquals(shapeOf(play.group), shapeOf(loaded));
      }
    }),
    { numRuns: 300 },
  );
  assert(stable > 100, `a group was stable ${stable} times`);
});

Deno.test("classic: whatever was, a group is stable when its members do as they should", () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const play = new Play();
      for (const step of steps) play.run(step);
      play.settle();
    }),
    { numRuns: 60 },
  );
});
