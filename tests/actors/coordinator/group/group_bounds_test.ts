/**
 * What clients can make of a group coordinator: no more than there is room for, and no end of it.
 */

import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitResponse,
} from "../../../../net/messages/offset_commit.ts";
import { JOIN_GROUP, type JoinGroupResponse } from "../../../../net/messages/join_group.ts";
import { make } from "../../../../net/schema/make.ts";
import { Members } from "./classic_members.ts";
import { GroupStage } from "./group_stage.ts";

function commit(
  stage: GroupStage,
  groupId: string,
  partitions: number,
  { retentionTimeMs = -1, from = 0 } = {},
) {
  return stage.ask("offset-commit", OFFSET_COMMIT, {
    groupId,
    retentionTimeMs,
    topics: [{
      name: "t",
      partitions: Array.from({ length: partitions }, (_, index) => ({
        partitionIndex: from + index,
        committedOffset: index,
      })),
    }],
  }, 4);
}

const errorsOf = ({ topics }: OffsetCommitResponse) =>
  new Set(topics[0]!.partitions.map(({ errorCode }) => errorCode));

Deno.test("bounds: a commit that is to be kept for ever is kept as long as can be written", () => {
  const stage = new GroupStage();
  const committed = commit(stage, "g", 1, { retentionTimeMs: Number.MAX_SAFE_INTEGER });
  assertEquals(errorsOf(committed.value), new Set([0]));
  const expire = Number.MAX_SAFE_INTEGER;
  assertEquals(stage.folded().offsets.get("g", "t", 0)?.expireTimestamp, expire);
});

Deno.test("bounds: a commit over the largest batch is refused as a whole, before it is built", () => {
  const stage = new GroupStage();
  // 330 MB of records from a request of 200 KB.
  const committed = commit(stage, "g".repeat(32_767), 10_000);
  assertEquals(errorsOf(committed.value), new Set([ErrorCode.UNKNOWN_SERVER_ERROR]));
  assertEquals(stage.log.length, 0);
  assertEquals([...stage.machine.offsets.groups()], []);
  assertEquals(errorsOf(commit(stage, "g", 10).value), new Set([0]));
});

Deno.test("bounds: what is written together fits into the largest batch", () => {
  const stage = new GroupStage();
  stage.batchBytesMax = 5000;
  stage.commitsAtOnce = false;
  for (let group = 0; group < 10; group++) commit(stage, `g${group}`, 10);
  while (!stage.isIdle) assert(stage.commitOne() <= 5000);
  assertEquals(stage.log.length, 100);
});

/** Has a group whose offsets take more than a batch deleted. */
function deleteLarge(groupId: string, batchBytesMax: number) {
  const stage = new GroupStage();
  for (let times = 0; times < 3; times++) commit(stage, groupId, 100, { from: 100 * times });
  stage.batchBytesMax = batchBytesMax;
  const { errorCode } =
    stage.send<{ errorCode: number }>((replyTo) => ({ kind: "delete-group", groupId, replyTo }))
      .value;
  const left = [...stage.folded().offsets.ofGroup(groupId).values()]
    .reduce((sum, partitions) => sum + partitions.size, 0);
  return { errorCode, left };
}

for (const letter of ["g", "\u{65e5}"]) {
  const groupId = letter.repeat(1000);
  for (const batchBytesMax of [200_000, 100_000, 40_000, 10_000]) {
    Deno.test(`bounds: a group with more offsets than a batch of ${batchBytesMax} takes is deleted (${letter})`, () => {
      assertEquals(deleteLarge(groupId, batchBytesMax), { errorCode: ErrorCode.NONE, left: 0 });
    });
  }
}

Deno.test("bounds: who deletes a group is told where its tombstones are too large to be written", () => {
  const { errorCode, left } = deleteLarge("g".repeat(1000), 1000);
  assertEquals(errorCode, ErrorCode.UNKNOWN_SERVER_ERROR);
  assertEquals(left, 300);
});

Deno.test("bounds: a member's id is one that can be told and written, however its client is called", () => {
  const stage = new Members();
  const request = make(JOIN_GROUP.request, {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    protocolType: "consumer",
    protocols: [{ name: "range" }],
  });
  const client = { clientId: "𝕏".repeat(8190), clientHost: "/host", version: 3 };
  const joined = stage.send<JoinGroupResponse>((replyTo) => ({
    kind: "join-group",
    request,
    client,
    replyTo,
  }));
  stage.pass(1);
  const { memberId } = joined.value;
  assert(memberId.isWellFormed());
  assertEquals(stage.sync(memberId, 1, { [memberId]: "all" }).value.errorCode, 0);
  assertEquals(stage.state, "Stable");
});

Deno.test("bounds: groups that nobody comes to are forgotten when the ids given out are", () => {
  const stage = new Members();
  for (let group = 0; group < 100; group++) {
    assertEquals(
      stage.join("", { groupId: `g${group}` }).value.errorCode,
      ErrorCode.MEMBER_ID_REQUIRED,
    );
    stage.join("", { groupId: `other ${group}`, protocols: [] });
  }
  assertEquals([...stage.machine.classic.all].length, 100);
  stage.pass(10_000);
  assertEquals([...stage.machine.classic.all].length, 0);
  assertEquals(stage.log.length, 0);
});

Deno.test("bounds: a group that has been is not forgotten with an id that was given out", () => {
  const stage = new Members();
  const [a] = stage.stable(1) as [string];
  stage.leave(a);
  stage.newId();
  stage.pass(10_000);
  assertEquals(stage.state, "Empty");
  assertEquals(stage.machine.classic.get("g")?.generationId, 2);
});
