/** The rules of the metadata quorum (guarantees.md, section 5), one by one. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  beginRequest,
  endRequest,
  fetchResponse,
  snapshotRequest,
  snapshotResponse,
} from "../../../actors/controller/quorum_messages.ts";
import { VoterSet } from "../../../actors/controller/voters.ts";
import { MemoryQuorumLog } from "./memory_quorum_log.ts";
import { addressOf, keyOf, QuorumHarness, TIMEOUTS, voteAnswer } from "./quorum_harness.ts";

/** A log whose records have these epochs, all durable. */
function logOf(...epochs: number[]): MemoryQuorumLog {
  const log = new MemoryQuorumLog();
  epochs.forEach((epoch, index) => log.appendText(`${index}`, epoch));
  log.syncAll();
  return log;
}

/** A follower of node 2 in epoch 5. */
function following(log = logOf()): QuorumHarness {
  const persisted = {
    leaderId: 2,
    leaderEpoch: 5,
    votedId: -1,
    votedDirectoryId: "A".repeat(22),
  };
  return new QuorumHarness({ log, persisted }).start();
}

Deno.test("quorum: the only voter leads when its start returns, with no timer and nothing to send", () => {
  const harness = new QuorumHarness({ voters: [1] }).start();
  assertEquals([harness.role, harness.replica.state.epoch], ["leader", 1]);
  assertEquals([harness.replica.deadline, harness.sent.length], [Infinity, 0]);
  assertEquals(harness.log.endOffset, 3);
  assertEquals(harness.replica.highWatermark, -1);
  harness.flush();
  assertEquals(harness.replica.highWatermark, 3);
});

Deno.test("quorum: what the epoch depends on is written down before its first record", () => {
  const { done, persisted } = new QuorumHarness({ voters: [1] }).start();
  assert(done.indexOf("persist") < done.indexOf("flush"), done.join());
  assertEquals([persisted?.leaderId, persisted?.leaderEpoch, persisted?.votedId], [1, 1, 1]);
});

Deno.test("quorum: a candidate writes its vote down before it asks for another", () => {
  const harness = new QuorumHarness().start();
  harness.pass(1);
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(true, 0));
  assertEquals(harness.role, "candidate");
  const { done } = harness;
  assertEquals(done.slice(done.lastIndexOf("persist"), done.lastIndexOf("persist") + 2), [
    "persist",
    "send Vote to 2",
  ]);
  assertEquals(harness.persisted, {
    leaderId: -1,
    leaderEpoch: 1,
    votedId: 1,
    votedDirectoryId: keyOf(1).directoryId,
  });
});

Deno.test("quorum: a vote that is given is written down before it is told", () => {
  const harness = new QuorumHarness().start();
  assertEquals(harness.vote(3, 1, { epoch: 0, offset: 0 }).voteGranted, true);
  assertEquals(harness.persisted, {
    leaderId: -1,
    leaderEpoch: 1,
    votedId: 3,
    votedDirectoryId: keyOf(3).directoryId,
  });
  assertEquals(harness.vote(2, 1, { epoch: 0, offset: 9 }).voteGranted, false);
  assertEquals(harness.vote(3, 1, { epoch: 0, offset: 0 }).voteGranted, true);
});

Deno.test("quorum: a pre-vote changes nothing, however often it is asked for", () => {
  const harness = new QuorumHarness().start();
  for (const id of [2, 3, 2]) {
    assertEquals(harness.vote(id, 0, { epoch: 0, offset: 0 }, true).voteGranted, true);
  }
  assertEquals(harness.persisted, undefined);
});

Deno.test("quorum: a candidate whose log is of its own epoch or a later one contradicts itself", () => {
  const harness = new QuorumHarness().start();
  assertEquals(harness.vote(3, 4, { epoch: 4, offset: 9 }).errorCode, ErrorCode.INVALID_REQUEST);
  assertEquals(harness.vote(3, 4, { epoch: 4, offset: 9 }, true).errorCode, ErrorCode.NONE);
  assertEquals(
    harness.vote(3, 4, { epoch: 5, offset: 9 }, true).errorCode,
    ErrorCode.INVALID_REQUEST,
  );
});

Deno.test("quorum: an epoch that has passed is answered with the present one and its leader", () => {
  const harness = following();
  const answer = harness.vote(3, 4, { epoch: 1, offset: 9 });
  assertEquals(answer.errorCode, ErrorCode.FENCED_LEADER_EPOCH);
  assertEquals([answer.leaderEpoch, answer.leaderId, answer.voteGranted], [5, 2, false]);
});

Deno.test("quorum: a higher epoch ends every role, without a leader or with it", () => {
  const leader = new QuorumHarness().elect();
  const { epoch } = leader.replica.state;
  leader.vote(3, epoch + 1, { epoch: 0, offset: 0 });
  assertEquals([leader.role, leader.replica.state.epoch], ["unattached", epoch + 1]);
  const begin = beginRequest("cluster", keyOf(1), 3, epoch + 2, addressOf(3));
  leader.replica.handleBeginQuorumEpoch(leader.now, begin);
  assertEquals([leader.role, leader.replica.state.leaderId], ["follower", 3]);
});

Deno.test("quorum: a second leader of one epoch ends the node", () => {
  const harness = following();
  const begin = beginRequest("cluster", keyOf(1), 3, 5, addressOf(3));
  assertThrows(() => harness.replica.handleBeginQuorumEpoch(0, begin), Error, "which node 2 leads");
});

Deno.test("quorum: requests of another cluster, or for another disk of this node, are refused", () => {
  const harness = new QuorumHarness().start();
  const begin = beginRequest("another", keyOf(1), 3, 9, undefined);
  const { errorCode } = harness.replica.handleBeginQuorumEpoch(0, begin);
  assertEquals([errorCode, harness.replica.state.epoch], [ErrorCode.INCONSISTENT_CLUSTER_ID, 0]);
  const wiped = { id: 1, directoryId: keyOf(9).directoryId };
  const answer = harness.replica.handleBeginQuorumEpoch(
    0,
    beginRequest("cluster", wiped, 3, 9, undefined),
  );
  assertEquals(answer.topics[0]?.partitions[0]?.errorCode, ErrorCode.INVALID_VOTER_KEY);
});

Deno.test("quorum: a follower that hears nothing asks before it stands, and goes back when it would lose", () => {
  const harness = following();
  harness.pass(TIMEOUTS.fetchMs);
  assertEquals([harness.role, harness.replica.state.epoch], ["prospective", 5]);
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(false, 5, 2));
  assertEquals([harness.role, harness.replica.state.leaderId], ["follower", 2]);
  // It has not heard of the leader since: it would vote for another.
  assertEquals(harness.vote(3, 5, { epoch: 5, offset: 1 }, true).voteGranted, true);
});

Deno.test("quorum: a follower whose leader answers gives no pre-vote", () => {
  const harness = following();
  harness.answerFetch({ highWatermark: 0 });
  assertEquals(harness.vote(3, 5, { epoch: 5, offset: 1 }, true).voteGranted, false);
});

Deno.test("quorum: a prospective candidate that loses and knows no leader waits for its next time", () => {
  const harness = new QuorumHarness().start();
  harness.pass(1);
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(false, 0));
  assertEquals([harness.role, harness.replica.state.epoch], ["unattached", 0]);
  harness.pass(2 * TIMEOUTS.electionMs);
  assertEquals(harness.role, "prospective");
});

Deno.test("quorum: a candidate that loses asks again after a while, in the next epoch", () => {
  const harness = new QuorumHarness().start();
  harness.pass(1);
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(true, 0));
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(false, 1));
  assertEquals([harness.role, harness.replica.state.epoch], ["candidate", 1]);
  harness.pass(TIMEOUTS.retryMs);
  assertEquals(harness.role, "prospective");
  for (const { answer } of harness.take("Vote")) answer(voteAnswer(true, 1));
  assertEquals([harness.role, harness.replica.state.epoch], ["candidate", 2]);
});

Deno.test("quorum: an answer to an election that is over counts for nothing", () => {
  const harness = new QuorumHarness().start();
  harness.pass(1);
  const late = harness.take("Vote");
  harness.replica.learn(3, 2, []);
  for (const { answer } of late) answer(voteAnswer(true, 0));
  assertEquals([harness.role, harness.replica.state.epoch], ["follower", 3]);
});

Deno.test("quorum: a leader opens its epoch with a record and tells the voters of it, again and again", () => {
  const harness = new QuorumHarness().elect();
  assertEquals(harness.log.at(0)?.body.includes("leader-change"), true);
  assertEquals(harness.take("BeginQuorumEpoch").map(({ to }) => to), [2, 3]);
  harness.pass(TIMEOUTS.fetchMs / 4);
  harness.fetch(2, 0, 0, { maxWaitMs: 0 });
  harness.pass(TIMEOUTS.fetchMs / 4);
  assertEquals(harness.take("BeginQuorumEpoch").map(({ to }) => to), [3]);
});

Deno.test("quorum: a leader that hears from no majority gives up, and says so", () => {
  const harness = new QuorumHarness().elect();
  const { epoch } = harness.replica.state;
  harness.pass(2000);
  harness.fetch(2, 0, 0, { maxWaitMs: 0 });
  harness.pass(2999);
  assertEquals(harness.role, "leader");
  harness.pass(1);
  assertEquals([harness.role, harness.replica.state.epoch], ["resigned", epoch]);
  const [to2, to3] = harness.take("EndQuorumEpoch");
  assertEquals([to2?.to, to3?.to], [2, 3]);
  const { preferredCandidates } = to2!.request.topics[0].partitions[0];
  assertEquals(preferredCandidates[0].candidateId, 2);
  harness.pass(2 * TIMEOUTS.electionMs);
  assertEquals(harness.replica.state.epoch, epoch + 1);
});

Deno.test("quorum: a node that led before it ended begins as one that leads no more", () => {
  const persisted = {
    leaderId: 1,
    leaderEpoch: 5,
    votedId: 1,
    votedDirectoryId: keyOf(1).directoryId,
  };
  const harness = new QuorumHarness({ persisted, log: logOf(5) }).start();
  assertEquals([harness.role, harness.replica.state.epoch], ["resigned", 5]);
  assertEquals(
    harness.fetch(2, 1, 5).response?.responses[0]?.partitions[0]?.errorCode,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
  );
  assertEquals(harness.take("EndQuorumEpoch").length, 2);
});

Deno.test("quorum: the first successor of a leader that resigns stands at once, the others give it time", () => {
  const delays = [[1, 3], [3, 1], [3, 2]].map((ids) => {
    const harness = following();
    harness.answerFetch({ highWatermark: 0 });
    const successors = ids.map(keyOf);
    harness.replica.handleEndQuorumEpoch(0, endRequest("cluster", 2, 5, successors, undefined));
    // It has lost its leader: another may have its pre-vote.
    assertEquals(harness.vote(3, 5, { epoch: 5, offset: 1 }, true).voteGranted, true);
    return harness.replica.deadline;
  });
  assertEquals(delays, [0, 4 * TIMEOUTS.retryMs, 8 * TIMEOUTS.retryMs]);
});

Deno.test("quorum: a fetch of another epoch, or from who does not lead, is answered with who does", () => {
  const leader = new QuorumHarness().elect();
  const { epoch } = leader.replica.state;
  const error = (harness: QuorumHarness, of: number) => {
    const partition = harness.fetch(2, 0, 0, { epoch: of }).response?.responses[0]?.partitions[0];
    return [partition?.errorCode, partition?.currentLeader.leaderId];
  };
  assertEquals(error(leader, epoch - 1), [ErrorCode.FENCED_LEADER_EPOCH, 1]);
  assertEquals(error(leader, epoch + 1), [ErrorCode.UNKNOWN_LEADER_EPOCH, 1]);
  assertEquals(leader.role, "leader");
  assertEquals(error(following(), 5), [ErrorCode.NOT_LEADER_OR_FOLLOWER, 2]);
});

Deno.test("quorum: a leader commits what a majority has fetched beyond, itself as far as it is synced", () => {
  const harness = new QuorumHarness().elect();
  const { replica, log } = harness;
  const { epoch } = replica.state;
  const end = log.endOffset;
  harness.fetch(2, end, epoch);
  assertEquals(replica.highWatermark, -1);
  harness.flush();
  assertEquals(replica.highWatermark, end);
  log.appendText("next", epoch);
  replica.appended(harness.now);
  harness.flush();
  assertEquals(replica.highWatermark, end);
  harness.fetch(3, end + 1, epoch);
  assertEquals(replica.highWatermark, end + 1);
});

Deno.test("quorum: a fetch that diverges says nothing of what a replica has", () => {
  const harness = new QuorumHarness({ log: logOf(1, 1) }).elect();
  harness.flush();
  const { response } = harness.fetch(2, harness.log.endOffset, 0);
  const { divergingEpoch } = response!.responses[0]!.partitions[0]!;
  assertEquals(divergingEpoch.epoch >= 0, true);
  assertEquals(harness.replica.highWatermark, -1);
});

Deno.test("quorum: a fetch that finds nothing new waits, for a record, the next commit or its time", () => {
  const harness = new QuorumHarness().elect().serve();
  const { replica, log } = harness;
  const { epoch } = replica.state;
  const end = log.endOffset;
  const timed = harness.fetch(2, end, epoch);
  assertEquals(timed.response, undefined);
  harness.pass(499);
  assertEquals(timed.response, undefined);
  harness.pass(1);
  assertEquals(timed.response?.responses[0]?.partitions[0]?.records?.length, 0);
  const waiting = harness.fetch(2, end, epoch);
  log.appendText("next", epoch);
  replica.appended(harness.now);
  assert((waiting.response?.responses[0]?.partitions[0]?.records?.length ?? 0) > 0);
  const behind = harness.fetch(2, end + 1, epoch);
  assertEquals(behind.response, undefined);
  harness.flush();
  assertEquals(behind.response?.responses[0]?.partitions[0]?.highWatermark, end + 1);
});

Deno.test("quorum: a fetch that waits fails when the lead is lost", () => {
  const harness = new QuorumHarness().elect().serve();
  const { epoch } = harness.replica.state;
  const waiting = harness.fetch(2, harness.log.endOffset, epoch);
  harness.replica.learn(epoch + 1, 3, []);
  const { errorCode, currentLeader } = waiting.response!.responses[0]!.partitions[0]!;
  assertEquals([errorCode, currentLeader], [ErrorCode.NOT_LEADER_OR_FOLLOWER, {
    leaderId: 3,
    leaderEpoch: epoch + 1,
  }]);
});

Deno.test("quorum: a follower fetches on when what it got is durable, and not before", () => {
  const leader = logOf(5, 5);
  const harness = following();
  harness.answerFetch({ records: leader.read(0, 1000), highWatermark: 2 });
  assertEquals([harness.log.endOffset, harness.replica.highWatermark], [2, 2]);
  assertEquals(harness.take("Fetch"), []);
  harness.flush();
  const [next] = harness.take("Fetch");
  assertEquals(next?.request.topics[0].partitions[0].fetchOffset, 2);
});

Deno.test("quorum: a response of another epoch or position is dropped", () => {
  const leader = logOf(5, 5);
  const harness = following();
  const [late] = harness.take("Fetch");
  harness.replica.learn(6, 3, [{ id: 3, address: addressOf(3) }]);
  const hint = { leaderId: 2, epoch: 5, endpoints: [] };
  late!.answer(fetchResponse({ records: leader.read(0, 1000), highWatermark: 2 }, hint));
  assertEquals([harness.log.endOffset, harness.replica.highWatermark], [0, -1]);
});

Deno.test("quorum: a log that diverges is cut at the largest common epoch, in rounds", () => {
  const harness = following(logOf(1, 1, 3, 3, 4));
  harness.answerFetch({ diverging: { epoch: 3, offset: 3 }, highWatermark: 0 });
  assertEquals([harness.log.endOffset, harness.log.lastEpoch], [3, 3]);
  assert(harness.done.includes("truncated 3"));
  harness.flush();
  harness.answerFetch({ diverging: { epoch: 2, offset: 9 }, highWatermark: 0 });
  assertEquals([harness.log.endOffset, harness.log.lastEpoch], [2, 1]);
});

Deno.test("quorum: a leader that wants what is committed cut ends the node", () => {
  const harness = following(logOf(1, 1, 3, 3, 4));
  harness.answerFetch({ highWatermark: 4 });
  assertEquals(harness.replica.highWatermark, 4);
  assertThrows(
    () => harness.answerFetch({ diverging: { epoch: 1, offset: 2 }, highWatermark: 4 }),
    Error,
    "below 4, up to where all is committed",
  );
});

Deno.test("quorum: a snapshot is fetched in parts, and the log begins anew behind it", () => {
  const leader = logOf(1, 1, 3, 3);
  leader.makeSnapshot(4);
  const id = leader.snapshotId!;
  const { size, bytes } = leader.readSnapshot(id, 0, 1000)!;
  const harness = following();
  harness.answerFetch({ snapshot: id });
  const hint = { leaderId: 2, epoch: 5, endpoints: [] };
  for (const [position, part] of [[0, bytes.slice(0, 40)], [40, bytes.slice(40)]] as const) {
    const [asked] = harness.take("FetchSnapshot");
    assertEquals(asked?.request.topics[0].partitions[0].position, position);
    asked!.answer(
      snapshotResponse({ errorCode: 0, snapshotId: id, size, position, bytes: part }, hint),
    );
  }
  assertEquals([harness.log.startOffset, harness.log.endOffset], [4, 4]);
  assertEquals(harness.done.slice(-3), ["snapshot 4", "committed 4", "send Fetch to 2"]);
});

Deno.test("quorum: a snapshot that is gone is not asked for again", () => {
  const harness = following();
  const snapshotId = { endOffset: 4, epoch: 3 };
  harness.answerFetch({ snapshot: snapshotId });
  const [asked] = harness.take("FetchSnapshot");
  const errorCode = ErrorCode.SNAPSHOT_NOT_FOUND;
  asked!.answer(
    snapshotResponse({ errorCode, snapshotId }, { leaderId: 2, epoch: 5, endpoints: [] }),
  );
  harness.pass(TIMEOUTS.retryMs);
  assertEquals([harness.take("FetchSnapshot").length, harness.take("Fetch").length], [0, 1]);
});

Deno.test("quorum: parts of a snapshot are given by the leader only, and within its size", () => {
  const harness = new QuorumHarness({ log: logOf(1, 1) }).elect();
  harness.flush();
  const { epoch } = harness.replica.state;
  harness.fetch(2, harness.log.endOffset, epoch);
  harness.log.makeSnapshot(2);
  const ask = (endOffset: number, position: number, of = epoch) => {
    const request = snapshotRequest({
      clusterId: "cluster",
      self: keyOf(2),
      epoch: of,
      snapshotId: { endOffset, epoch: 1 },
      position,
      maxBytes: 10,
    });
    return harness.replica.handleFetchSnapshot(harness.now, request).topics[0]?.partitions[0]
      ?.errorCode;
  };
  assertEquals(ask(2, 0), ErrorCode.NONE);
  assertEquals(ask(3, 0), ErrorCode.SNAPSHOT_NOT_FOUND);
  assertEquals(ask(2, 1e6), ErrorCode.POSITION_OUT_OF_RANGE);
  assertEquals(ask(2, -1), ErrorCode.POSITION_OUT_OF_RANGE);
  assertEquals(ask(2, 0, epoch - 1), ErrorCode.FENCED_LEADER_EPOCH);
});

/** A leader of node 1 alone, with all that it wrote committed. */
function alone(): QuorumHarness {
  const harness = new QuorumHarness({ voters: [1] }).start();
  harness.flush();
  return harness;
}

function add(harness: QuorumHarness, id: number, timeoutMs = 1000): { error: number | undefined } {
  const result: { error: number | undefined } = { error: undefined };
  const voter = { ...keyOf(id), address: addressOf(id) };
  harness.replica.addVoter(harness.now, voter, timeoutMs, (error) => result.error = error);
  return result;
}

Deno.test("quorum: a voter is added when it has caught up, and counts from its record on", () => {
  const harness = alone();
  const { replica, log } = harness;
  const result = add(harness, 2);
  assertEquals(replica.voters.ids, [1]);
  harness.fetch(2, 0, 0, { maxWaitMs: 0 });
  assertEquals(replica.voters.ids, [1]);
  const end = log.endOffset;
  harness.fetch(2, end, 1, { maxWaitMs: 0 });
  assertEquals([replica.voters.ids, log.endOffset], [[1, 2], end + 1]);
  harness.flush();
  assertEquals([replica.highWatermark, result.error], [end, undefined]);
  harness.fetch(2, end + 1, 1, { maxWaitMs: 0 });
  assertEquals([replica.highWatermark, result.error], [end + 1, ErrorCode.NONE]);
});

Deno.test("quorum: one voter at a time: the next change waits for the one before", () => {
  const harness = alone();
  const end = harness.log.endOffset;
  harness.fetch(2, end, 1, { maxWaitMs: 0 });
  const first = add(harness, 2);
  assertEquals(add(harness, 3).error, ErrorCode.REQUEST_TIMED_OUT);
  harness.flush();
  harness.fetch(2, end + 1, 1, { maxWaitMs: 0 });
  assertEquals(first.error, ErrorCode.NONE);
  assertEquals(add(harness, 2).error, ErrorCode.DUPLICATE_VOTER);
});

Deno.test("quorum: a voter that does not catch up in time is not added", () => {
  const harness = alone();
  const result = add(harness, 2, 300);
  harness.pass(300);
  assertEquals([result.error, harness.replica.voters.ids], [ErrorCode.REQUEST_TIMED_OUT, [1]]);
});

Deno.test("quorum: a change of the voters is undone with its record", () => {
  const harness = following(logOf(5));
  const { replica } = harness;
  const leader = logOf(5);
  const voters = new VoterSet([{ ...keyOf(2), address: addressOf(2) }]);
  leader.appendAsLeader([{ kind: "voters", voters }], 5);
  harness.answerFetch({ records: leader.read(1, 1000), highWatermark: 0 });
  assertEquals(replica.voters.ids, [2]);
  harness.flush();
  replica.learn(6, 3, [{ id: 3, address: addressOf(3) }]);
  harness.answerFetch({ diverging: { epoch: 5, offset: 1 }, highWatermark: 0 }, 3, 6);
  assertEquals([harness.log.endOffset, replica.voters.ids], [1, [1, 2, 3]]);
});
