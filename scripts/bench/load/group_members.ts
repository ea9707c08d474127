/**
 * Members of many groups over few connections: each joins its group alone, commits and gives signs
 * of life, in the words of the classic protocol.
 *
 * @module
 */

import { parseBootstrap } from "../../../actors/client/bootstrap.ts";
import { Cluster } from "../../../actors/client/cluster.ts";
import { adminSettings } from "../../../actors/client/configs.ts";
import { denoEnvironment } from "../../../actors/runtime/deno_environment.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { SYNC_GROUP } from "../../../net/messages/sync_group.ts";
import { type Api, make } from "../../../net/schema.ts";
import { sleep } from "../node_process.ts";

const TIMEOUT_MS = 30_000;
const RETRY_MS = 20;
const SESSION_MS = 45_000;

/** A group and its only member. */
export class BenchGroup {
  readonly id: string;
  coordinator = -1;
  memberId = "";
  generation = -1;

  constructor(id: string) {
    this.id = id;
  }
}

/** The clients of a cluster's groups. */
export class GroupMembers implements AsyncDisposable {
  readonly groups: readonly BenchGroup[];
  readonly #cluster: Cluster;
  readonly #topic: string;

  constructor(cluster: Cluster, topic: string, count: number) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.groups = Array.from({ length: count }, (_, index) => new BenchGroup(`group-${index}`));
  }

  static async connect(bootstrap: string, topic: string, count: number): Promise<GroupMembers> {
    const cluster = new Cluster({
      environment: denoEnvironment({ dataRoot: "." }),
      settings: adminSettings({ clientId: "bench-groups" }),
      bootstrap: parseBootstrap(bootstrap),
      allowAutoTopicCreation: false,
    });
    await cluster.connect();
    return new GroupMembers(cluster, topic, count);
  }

  /** Finds the coordinators of groups. */
  async find(groups: readonly BenchGroup[]): Promise<void> {
    const request = make(FIND_COORDINATOR.request, {
      keyType: 0,
      coordinatorKeys: groups.map(({ id }) => id),
    });
    const { coordinators } = await this.#ask(-1, FIND_COORDINATOR, request);
    for (const { key, nodeId, errorCode } of coordinators) {
      const group = groups.find(({ id }) => id === key)!;
      group.coordinator = errorCode === ErrorCode.NONE ? nodeId : -1;
    }
  }

  /** Makes a member of the group; its coordinator is known. */
  async join(group: BenchGroup): Promise<void> {
    for (;;) {
      const joined = await this.#ask(
        group.coordinator,
        JOIN_GROUP,
        make(JOIN_GROUP.request, {
          groupId: group.id,
          sessionTimeoutMs: SESSION_MS,
          rebalanceTimeoutMs: SESSION_MS,
          memberId: group.memberId,
          protocolType: "consumer",
          protocols: [{ name: "range", metadata: new Uint8Array(8) }],
        }),
      );
      if (joined.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) {
        // The groups' topic was just made. Every client asks again.
        await sleep(RETRY_MS);
        continue;
      }
      group.memberId = joined.memberId;
      if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) continue;
      mustBeNone(joined.errorCode, `join ${group.id}`);
      group.generation = joined.generationId;
      break;
    }
    const { generation: generationId, memberId } = group;
    const synced = await this.#ask(
      group.coordinator,
      SYNC_GROUP,
      make(SYNC_GROUP.request, {
        groupId: group.id,
        generationId,
        memberId,
        protocolType: "consumer",
        protocolName: "range",
        assignments: [{ memberId, assignment: new Uint8Array(8) }],
      }),
    );
    mustBeNone(synced.errorCode, `sync ${group.id}`);
  }

  /** Commits an offset of each of so many partitions. */
  async commit(group: BenchGroup, offset: number, partitions: number): Promise<void> {
    const { topics } = await this.#ask(
      group.coordinator,
      OFFSET_COMMIT,
      make(OFFSET_COMMIT.request, {
        groupId: group.id,
        generationIdOrMemberEpoch: group.generation,
        memberId: group.memberId,
        topics: [{
          name: this.#topic,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            committedOffset: offset,
            committedMetadata: "",
          })),
        }],
      }),
    );
    for (const { errorCode } of topics[0]!.partitions) mustBeNone(errorCode, `commit ${group.id}`);
  }

  async heartbeat({ id, coordinator, generation, memberId }: BenchGroup): Promise<void> {
    const request = { groupId: id, generationId: generation, memberId };
    const { errorCode } = await this.#ask(
      coordinator,
      HEARTBEAT,
      make(HEARTBEAT.request, request),
    );
    mustBeNone(errorCode, `heartbeat of ${id}`);
  }

  /** The offset of partition 0 that the group has committed, however long it takes to be told. */
  async committed(group: BenchGroup): Promise<number> {
    const request = make(OFFSET_FETCH.request, {
      groups: [{ groupId: group.id, topics: [{ name: this.#topic, partitionIndexes: [0] }] }],
      requireStable: true,
    });
    for (;;) {
      const answer = group.coordinator < 0
        ? undefined
        : await this.#ask(group.coordinator, OFFSET_FETCH, request).catch(() => undefined);
      const [found] = answer?.groups ?? [];
      const [partition] = found?.topics[0]?.partitions ?? [];
      if (found?.errorCode === ErrorCode.NONE && partition?.errorCode === ErrorCode.NONE) {
        return partition.committedOffset;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      await this.find([group]).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.close();
  }

  #ask<Request, Response>(
    node: number,
    api: Api<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const link = node < 0 ? this.#cluster.anyLink() : this.#cluster.link(node);
    if (link === undefined) return Promise.reject(new Error(`Node ${node} is not connected`));
    return new Promise((resolve, reject) => {
      link.send(api, request, TIMEOUT_MS, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
  }
}

function mustBeNone(code: number, action: string): void {
  if (code !== ErrorCode.NONE) throw new Error(`Cannot ${action}: ${errorName(code)}`);
}
