/** Members of a group of the classic protocol, who say little. */

import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { HEARTBEAT } from "../../../../net/messages/heartbeat.ts";
import {
  JOIN_GROUP,
  type JoinGroupRequest,
  type JoinGroupResponse,
} from "../../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../../net/messages/leave_group.ts";
import { OFFSET_COMMIT } from "../../../../net/messages/offset_commit.ts";
import { SYNC_GROUP } from "../../../../net/messages/sync_group.ts";
import type { Draft } from "../../../../net/schema/make.ts";
import { type Awaited, GroupStage } from "./group_stage.ts";

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (value: Uint8Array) => new TextDecoder().decode(value);

/** What members say, in short. */
export class Members extends GroupStage {
  join(
    memberId: string,
    draft: Draft<JoinGroupRequest> = {},
    version = 9,
  ): Awaited<JoinGroupResponse> {
    return this.ask("join-group", JOIN_GROUP, {
      groupId: "g",
      memberId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: bytes(memberId) }],
      ...draft,
    }, version);
  }

  /** An id that was given out. */
  newId(): string {
    const { errorCode, memberId } = this.join("").value;
    assertEquals(errorCode, ErrorCode.MEMBER_ID_REQUIRED);
    return memberId;
  }

  sync(memberId: string, generationId: number, assignments: Readonly<Record<string, string>> = {}) {
    return this.ask("sync-group", SYNC_GROUP, {
      groupId: "g",
      memberId,
      generationId,
      assignments: Object.entries(assignments).map(([id, assignment]) => ({
        memberId: id,
        assignment: bytes(assignment),
      })),
    });
  }

  beat(memberId: string, generationId: number): number {
    const draft = { groupId: "g", memberId, generationId };
    return this.ask("heartbeat", HEARTBEAT, draft).value.errorCode;
  }

  leave(memberId: string): number {
    const request = { groupId: "g", members: [{ memberId }] };
    return this.ask("leave-group", LEAVE_GROUP, request).value.members[0]!.errorCode;
  }

  commitOf(memberId: string, generationId: number): number {
    const { topics } = this.ask("offset-commit", OFFSET_COMMIT, {
      groupId: "g",
      memberId,
      generationIdOrMemberEpoch: generationId,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    }).value;
    return topics[0]!.partitions[0]!.errorCode;
  }

  get state(): string | undefined {
    return this.machine.classic.get("g")?.state;
  }

  /** So many members of a stable group: their ids, the leader first. */
  stable(count: number): string[] {
    const ids = Array.from({ length: count }, () => this.newId());
    const joins = ids.map((id) => this.join(id));
    this.pass(1);
    const { generationId, leader } = joins[0]!.value;
    assertEquals(leader, ids[0]);
    const assignment = Object.fromEntries(ids.map((id) => [id, `of ${id}`]));
    const syncs = ids.map((id) => this.sync(id, generationId, id === leader ? assignment : {}));
    assertEquals(syncs.map(({ value }) => text(value.assignment)), ids.map((id) => `of ${id}`));
    assertEquals(this.state, "Stable");
    return ids;
  }
}
