import { assertEquals, assertThrows } from "@std/assert";
import {
  type QuorumBoot,
  type QuorumRole,
  QuorumState,
} from "../../../actors/controller/quorum_state.ts";

const SELF = { id: 1, directoryId: "d".repeat(22) };
const OTHER = { id: 2, directoryId: "e".repeat(22) };

const NEW: QuorumBoot = { role: "unattached", epoch: 3, leaderId: -1, voted: undefined };

/** A state in a role, in epoch 3 or, where it was elected, 4. */
function inRole(role: QuorumRole): QuorumState {
  const state = new QuorumState(SELF, NEW);
  switch (role) {
    case "unattached":
      return state;
    case "follower":
      state.becomeFollower(3, OTHER.id);
      return state;
    case "prospective":
      state.becomeProspective();
      return state;
  }
  state.becomeProspective();
  state.becomeCandidate(false);
  if (role === "candidate") return state;
  state.becomeLeader();
  if (role === "resigned") state.becomeResigned();
  return state;
}

const ROLES: readonly QuorumRole[] = [
  "unattached",
  "prospective",
  "candidate",
  "leader",
  "follower",
  "resigned",
];

interface Transition {
  readonly name: string;
  readonly from: readonly QuorumRole[];
  readonly to: QuorumRole;
  run(state: QuorumState): void;
}

const TRANSITIONS: readonly Transition[] = [
  {
    name: "a higher epoch without a leader",
    from: ROLES,
    to: "unattached",
    run: (state) => state.becomeUnattached(state.epoch + 1),
  },
  {
    name: "a higher epoch with its leader",
    from: ROLES,
    to: "follower",
    run: (state) => state.becomeFollower(state.epoch + 2, OTHER.id),
  },
  {
    name: "the leader of its own epoch",
    from: ["unattached", "prospective", "candidate"],
    to: "follower",
    run: (state) => state.becomeFollower(state.epoch, OTHER.id),
  },
  {
    name: "an election that comes to nothing, where no leader is known",
    from: ["prospective"],
    to: "unattached",
    run: (state) => state.becomeUnattached(state.epoch),
  },
  {
    name: "a time-out",
    from: ["unattached", "follower", "candidate"],
    to: "prospective",
    run: (state) => state.becomeProspective(),
  },
  {
    name: "a majority of pre-votes",
    from: ["prospective"],
    to: "candidate",
    run: (state) => state.becomeCandidate(false),
  },
  {
    name: "being the only voter",
    from: ["unattached", "prospective", "candidate", "follower", "resigned"],
    to: "candidate",
    run: (state) => state.becomeCandidate(true),
  },
  {
    name: "a majority of votes",
    from: ["candidate"],
    to: "leader",
    run: (state) => state.becomeLeader(),
  },
  {
    name: "giving up the lead",
    from: ["leader"],
    to: "resigned",
    run: (state) => state.becomeResigned(),
  },
];

for (const { name, from, to, run } of TRANSITIONS) {
  Deno.test(`quorum state: ${name} leads to ${to}, from ${from.join(", ")} and nowhere else`, () => {
    for (const role of ROLES) {
      const state = inRole(role);
      const { epoch } = state;
      if (from.includes(role)) {
        run(state);
        assertEquals(state.role, to, role);
        assertEquals(state.epoch >= epoch, true, role);
      } else {
        assertThrows(() => run(state), Error, `from ${role}`);
      }
    }
  });
}

Deno.test("quorum state: an epoch that has passed is never entered again", () => {
  for (const role of ROLES) {
    assertThrows(() => inRole(role).becomeUnattached(1), Error, "Cannot become unattached");
    assertThrows(() => inRole(role).becomeFollower(1, OTHER.id), Error, "epoch 1 has passed");
  }
});

Deno.test("quorum state: a second leader of an epoch is fatal", () => {
  for (const role of ["follower", "leader", "resigned"] as const) {
    const state = inRole(role);
    assertThrows(() => state.becomeFollower(state.epoch, 3), Error, "says that it leads epoch");
  }
});

Deno.test("quorum state: nobody follows itself", () => {
  assertThrows(() => inRole("unattached").becomeFollower(9, SELF.id), Error, "nobody to follow");
});

Deno.test("quorum state: a candidate stands in a new epoch, with its own vote to persist", () => {
  const state = inRole("prospective");
  const before = state.changes;
  state.becomeCandidate(false);
  assertEquals(state.persisted, {
    leaderId: -1,
    leaderEpoch: 4,
    votedId: SELF.id,
    votedDirectoryId: SELF.directoryId,
  });
  assertEquals(state.changes > before, true);
});

Deno.test("quorum state: a leader persists that it leads, so that it never does so again", () => {
  const state = inRole("candidate");
  const before = state.changes;
  state.becomeLeader();
  assertEquals(state.persisted.leaderId, SELF.id);
  assertEquals(state.changes > before, true);
});

Deno.test("quorum state: a vote is given once in an epoch, and stays until the next one", () => {
  const state = inRole("unattached");
  state.vote(OTHER);
  assertThrows(() => state.vote(SELF), Error, "it has voted in this epoch");
  state.becomeFollower(3, 3);
  assertEquals(state.voted, OTHER);
  state.becomeUnattached(4);
  assertEquals(state.voted, undefined);
});

Deno.test("quorum state: only a node without a leader votes", () => {
  for (const role of ["candidate", "leader", "follower", "resigned"] as const) {
    assertThrows(() => inRole(role).vote(OTHER), Error, `from ${role}`);
  }
});

Deno.test("quorum state: to be prospective changes nothing that is persisted", () => {
  const state = inRole("follower");
  const { persisted, changes } = state;
  state.becomeProspective();
  assertEquals([state.persisted, state.changes], [persisted, changes]);
});
