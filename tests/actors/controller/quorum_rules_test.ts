import { assertEquals } from "@std/assert";
import { QuorumRules } from "../../../actors/controller/quorum_rules.ts";
import type { QuorumRole } from "../../../actors/controller/quorum_state.ts";
import { MemoryQuorumLog } from "./memory_quorum_log.ts";

const RULES = new QuorumRules();
const SELF = { id: 1, directoryId: `1${"A".repeat(21)}` };
const OTHER = { id: 2, directoryId: `2${"A".repeat(21)}` };
const ROLES: readonly QuorumRole[] = [
  "unattached",
  "prospective",
  "candidate",
  "leader",
  "follower",
  "resigned",
];

/** A log whose records have these epochs. */
function logOf(...epochs: number[]): MemoryQuorumLog {
  const log = new MemoryQuorumLog();
  epochs.forEach((epoch, index) => log.appendText(`${index}`, epoch));
  return log;
}

for (
  const [candidate, own, isOk] of [
    [[3, 5], [3, 5], true],
    [[3, 6], [3, 5], true],
    [[3, 4], [3, 5], false],
    [[4, 1], [3, 5], true],
    [[2, 9], [3, 5], false],
    [[0, 0], [0, 0], true],
  ] as const
) {
  Deno.test(`quorum rules: a log that ends at ${candidate} ${isOk ? "has" : "lacks"} what one has that ends at ${own}, epoch first`, () => {
    const [[epoch, offset], [ownEpoch, ownOffset]] = [candidate, own];
    assertEquals(RULES.logOk({ epoch, offset }, { epoch: ownEpoch, offset: ownOffset }), isOk);
  });
}

Deno.test("quorum rules: a pre-vote is given by who has no leader, or has not heard of it, to a log that has all", () => {
  for (const role of ROLES) {
    for (const hasFetched of [false, true]) {
      for (const logOk of [false, true]) {
        const facts = { role, hasFetched, logOk, leaderId: -1, voted: undefined, candidate: OTHER };
        const expected = logOk && role !== "leader" && !(role === "follower" && hasFetched);
        assertEquals(RULES.grantsPreVote(facts), expected, JSON.stringify(facts));
      }
    }
  }
});

Deno.test("quorum rules: a vote is given once, by who knows no leader, to a log that has all", () => {
  for (const role of ROLES) {
    for (const leaderId of [-1, 3]) {
      for (const voted of [undefined, OTHER, { ...OTHER, directoryId: SELF.directoryId }, SELF]) {
        for (const logOk of [false, true]) {
          const facts = { role, leaderId, voted, logOk, hasFetched: false, candidate: OTHER };
          const expected = (role === "unattached" || role === "prospective") &&
            (voted === undefined ? leaderId === -1 && logOk : voted === OTHER);
          assertEquals(RULES.grantsVote(facts), expected, JSON.stringify(facts));
        }
      }
    }
  }
});

Deno.test("quorum rules: what a node begins as", () => {
  const state = { leaderId: -1, leaderEpoch: 5, votedId: -1, votedDirectoryId: "A".repeat(22) };
  const boot = (changes: Partial<typeof state>, lastLogEpoch = 5) => {
    const { role, epoch } = RULES.boot(SELF, { ...state, ...changes }, lastLogEpoch);
    return [role, epoch];
  };
  assertEquals(RULES.boot(SELF, undefined, 0).role, "unattached");
  assertEquals(boot({}), ["unattached", 5]);
  assertEquals(boot({ leaderId: 1 }, 7), ["unattached", 7]);
  assertEquals(boot({ leaderId: 1 }), ["resigned", 5]);
  assertEquals(boot({ leaderId: 2 }), ["follower", 5]);
  assertEquals(boot({ votedId: 1, votedDirectoryId: SELF.directoryId }), ["candidate", 5]);
  assertEquals(boot({ votedId: 2, votedDirectoryId: OTHER.directoryId }), ["unattached", 5]);
  const voted = RULES.boot(SELF, { ...state, votedId: 2, votedDirectoryId: OTHER.directoryId }, 5);
  assertEquals(voted.voted, OTHER);
  // A vote for this node before its disk was wiped is a vote for somebody else.
  assertEquals(boot({ votedId: 1, votedDirectoryId: OTHER.directoryId }), ["unattached", 5]);
});

for (
  const [ends, start, current, expected] of [
    [[7], 3, -1, 7],
    [[7, 5], 3, -1, 5],
    [[7, 5, 4], 3, -1, 5],
    [[4, 7, 5], 3, -1, 5],
    [[9, 7, 5, 4], 3, -1, 5],
    [[9, 8, 7, 5, 4], 3, -1, 7],
    [[9, 8, -1], 3, -1, 8],
    [[9, -1, -1], 3, -1, -1],
    [[9, 5, 4], 5, -1, -1],
    [[9, 6, 4], 5, -1, 6],
    [[9, 6, 4], 5, 8, 8],
    [[], 5, 8, 8],
  ] as const
) {
  Deno.test(`quorum rules: with voters at ${ends}, an epoch from ${start} and ${current} before, ${expected} is committed`, () => {
    assertEquals(RULES.highWatermark(ends, start, current), expected);
  });
}

Deno.test("quorum rules: a leader's own log counts as far as it is durable, and a follower fetches when it is", () => {
  const log = logOf(1, 1);
  assertEquals([RULES.ownEndOffset(log), RULES.mayFetch(log)], [0, false]);
  log.syncAll();
  assertEquals([RULES.ownEndOffset(log), RULES.mayFetch(log)], [2, true]);
});

Deno.test("quorum rules: a fetch is valid from where the leader's log has the same epoch before it", () => {
  const log = logOf(1, 1, 3, 3, 6);
  const verdicts: string[] = [];
  for (const epoch of [0, 1, 2, 3, 4, 6, 7]) {
    for (let offset = 0; offset <= 6; offset++) {
      const verdict = RULES.validateFetch(log, offset, epoch);
      if (verdict.kind === "valid") verdicts.push(`${offset}@${epoch}`);
    }
  }
  // Nothing is before 0, whatever its epoch is said to be.
  assertEquals(verdicts.filter((verdict) => !verdict.startsWith("0@")), [
    "1@1",
    "2@1",
    "1@3",
    "2@3",
    "3@3",
    "4@3",
    "1@6",
    "2@6",
    "3@6",
    "4@6",
    "5@6",
  ]);
  const diverging = (offset: number, epoch: number) => {
    const verdict = RULES.validateFetch(log, offset, epoch);
    return verdict.kind === "diverging" ? [verdict.end.offset, verdict.end.epoch] : verdict.kind;
  };
  assertEquals(diverging(3, 1), [2, 1]);
  assertEquals(diverging(3, 2), [2, 1]);
  assertEquals(diverging(5, 5), [4, 3]);
  assertEquals(diverging(6, 6), [5, 6]);
  assertEquals(diverging(9, 9), [5, 6]);
});

Deno.test("quorum rules: who lacks what only the snapshot has gets the snapshot", () => {
  const log = logOf(1, 1, 3, 3, 6);
  log.syncAll();
  log.makeSnapshot(4);
  const verdict = (offset: number, epoch: number) => RULES.validateFetch(log, offset, epoch).kind;
  assertEquals(verdict(0, 0), "snapshot");
  assertEquals(verdict(3, 3), "snapshot");
  assertEquals(verdict(4, 3), "valid");
  assertEquals(verdict(4, 2), "snapshot");
  assertEquals(verdict(4, 6), "snapshot");
  assertEquals(verdict(5, 1), "snapshot");
  assertEquals(verdict(5, 3), "diverging");
  assertEquals(verdict(5, 6), "valid");
});

Deno.test("quorum rules: a follower cuts its log where the largest common epoch ends in both", () => {
  const log = logOf(1, 1, 3, 3, 5);
  const cut = (offset: number, epoch: number) => RULES.truncationOffset(log, { offset, epoch });
  assertEquals(cut(3, 3), 3);
  assertEquals(cut(9, 3), 4);
  assertEquals(cut(1, 1), 1);
  // It has no such epoch: the end of the one before, and asks again.
  assertEquals(cut(9, 4), 4);
  assertEquals(cut(9, 2), 2);
  assertEquals(cut(0, 0), 0);
});

Deno.test("quorum rules: voters change one at a time, by a leader that has committed in its epoch", () => {
  assertEquals(RULES.mayChangeVoters(6, 5, 3), true);
  assertEquals(RULES.mayChangeVoters(5, 5, 3), false);
  assertEquals(RULES.mayChangeVoters(7, 5, 7), false);
  assertEquals(RULES.mayChangeVoters(8, 5, 7), true);
});
