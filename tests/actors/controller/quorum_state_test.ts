import { assertEquals, assertThrows } from "@std/assert";
import { QuorumState } from "../../../actors/controller/quorum_state.ts";

const DIRECTORY = "d".repeat(22);

function persisted(leaderEpoch: number) {
  return { leaderId: 1, leaderEpoch, votedId: 1, votedDirectoryId: DIRECTORY };
}

Deno.test("quorum state: unattached to candidate: a new epoch, with its own vote to persist", () => {
  const state = new QuorumState(1, DIRECTORY, undefined, -1);
  assertEquals([state.role, state.epoch], ["unattached", 0]);
  assertEquals(state.becomeCandidate(), {
    leaderId: -1,
    leaderEpoch: 1,
    votedId: 1,
    votedDirectoryId: DIRECTORY,
  });
  assertEquals([state.role, state.epoch], ["candidate", 1]);
});

Deno.test("quorum state: candidate to leader: of the epoch it was elected in", () => {
  const state = new QuorumState(1, DIRECTORY, undefined, -1);
  state.becomeCandidate();
  state.becomeLeader();
  assertEquals([state.role, state.epoch], ["leader", 1]);
});

Deno.test("quorum state: no other transition is legal", () => {
  const state = new QuorumState(1, DIRECTORY, undefined, -1);
  assertThrows(() => state.becomeLeader(), Error, "Cannot leave role unattached");
  state.becomeCandidate();
  assertThrows(() => state.becomeCandidate(), Error, "Cannot leave role candidate");
  state.becomeLeader();
  assertThrows(() => state.becomeLeader(), Error, "Cannot leave role leader");
  assertThrows(() => state.becomeCandidate(), Error, "Cannot leave role leader");
});

Deno.test("quorum state: a node that led leads again only in a later epoch", () => {
  assertEquals(new QuorumState(1, DIRECTORY, persisted(5), 5).becomeCandidate().leaderEpoch, 6);
});

Deno.test("quorum state: the epoch of the log counts where the file is older or lost", () => {
  assertEquals(new QuorumState(1, DIRECTORY, persisted(5), 7).becomeCandidate().leaderEpoch, 8);
  assertEquals(new QuorumState(1, DIRECTORY, undefined, 7).becomeCandidate().leaderEpoch, 8);
  assertEquals(new QuorumState(1, DIRECTORY, persisted(9), 7).becomeCandidate().leaderEpoch, 10);
});
