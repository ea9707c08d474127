/** One replica of the metadata log by itself, with everything that it asks for written down. */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import type { FetchResponse } from "../../../net/messages/fetch.ts";
import type { Api } from "../../../net/schema.ts";
import {
  fetchRequest,
  fetchResponse,
  voteRequest,
} from "../../../actors/controller/quorum_messages.ts";
import type { FetchAnswer } from "../../../actors/controller/quorum_messages.ts";
import { QuorumReplica } from "../../../actors/controller/quorum_replica.ts";
import { QuorumRules } from "../../../actors/controller/quorum_rules.ts";
import type { PersistedQuorumState } from "../../../actors/controller/quorum_state.ts";
import { type ReplicaKey, VoterSet } from "../../../actors/controller/voters.ts";
import { MemoryQuorumLog } from "./memory_quorum_log.ts";

export const TIMEOUTS = {
  electionMs: 1000,
  fetchMs: 2000,
  backoffMaxMs: 1000,
  requestMs: 2000,
  retryMs: 20,
  fetchWaitMs: 500,
  fetchBytes: 1000,
};

export interface Sent {
  readonly to: number;
  readonly api: string;
  // deno-lint-ignore no-explicit-any -- requests of many APIs, for tests to look at
  readonly request: any;
  answer(response: unknown): void;
}

export interface HarnessOptions {
  /** Configured; 1 is this node. */
  readonly voters?: readonly number[];
  readonly persisted?: PersistedQuorumState;
  readonly log?: MemoryQuorumLog;
}

export function keyOf(id: number): ReplicaKey {
  return { id, directoryId: `${id}`.padEnd(22, "A") };
}

export class QuorumHarness {
  readonly log: MemoryQuorumLog;
  readonly replica: QuorumReplica;
  readonly sent: Sent[] = [];
  /** What was done, in order. */
  readonly done: string[] = [];
  persisted: PersistedQuorumState | undefined;
  now = 0;

  constructor({ voters = [1, 2, 3], persisted, log }: HarnessOptions = {}) {
    this.log = log ?? new MemoryQuorumLog();
    this.replica = new QuorumReplica({
      clusterId: "cluster",
      self: keyOf(1),
      address: addressOf(1),
      isController: true,
      voters: new VoterSet(
        voters.map((id) => ({ id, directoryId: ZERO_UUID, address: addressOf(id) })),
      ),
      bootstrapServers: [],
      timeouts: TIMEOUTS,
      log: this.log,
      persisted,
      rules: new QuorumRules(),
      random: (below) => Math.floor(below / 2),
      ports: {
        persist: (state) => {
          this.persisted = state;
          this.done.push("persist");
        },
        send: (to, api: Api, request, _timeoutMs, done) => {
          this.done.push(`send ${api.name} to ${to.id}`);
          const answer = (response: unknown) => done(this.now, response as never);
          this.sent.push({ to: to.id, api: api.name, request, answer });
        },
        flush: () => void this.done.push("flush"),
        committed: (offset) => void this.done.push(`committed ${offset}`),
        truncated: (offset) => void this.done.push(`truncated ${offset}`),
        snapshotLoaded: ({ endOffset }) => void this.done.push(`snapshot ${endOffset}`),
        roleChanged: () => void this.done.push(`role ${this.replica.state.role}`),
        note: () => {},
      },
    });
  }

  get role(): string {
    return this.replica.state.role;
  }

  start(): this {
    this.replica.start(this.now);
    return this;
  }

  /** Time goes on, with a tick wherever one is due. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.replica.deadline <= end) {
      this.now = Math.max(this.now, this.replica.deadline);
      this.replica.tick(this.now);
    }
    this.now = end;
  }

  /** What is in the log is durable. */
  flush(): void {
    this.log.syncAll();
    this.replica.flushed(this.now);
  }

  /** What was sent since, by API. */
  take(api: string): Sent[] {
    const found = this.sent.filter((sent) => sent.api === api);
    for (const sent of found) this.sent.splice(this.sent.indexOf(sent), 1);
    return found;
  }

  /** Elects it, by the votes of all. */
  elect(): this {
    this.start();
    for (let round = 0; this.role !== "leader"; round++) {
      if (round > 20) throw new Error(`It is ${this.role} still`);
      this.pass(1);
      for (const { request, answer } of this.take("Vote")) {
        answer(voteAnswer(true, request.topics[0].partitions[0].candidateEpoch));
      }
    }
    this.take("Fetch");
    return this;
  }

  /** The other voters have everything, and their directories are noted. */
  serve(): this {
    for (let end = -1; end < this.log.endOffset;) {
      this.flush();
      end = this.log.endOffset;
      for (const id of [2, 3]) this.fetch(id, end, this.log.lastEpoch, { maxWaitMs: 0 });
    }
    return this;
  }

  /** Another node fetches; what it is answered, once it is. */
  fetch(id: number, fetchOffset: number, lastFetchedEpoch: number, changes: {
    readonly epoch?: number;
    readonly maxWaitMs?: number;
  } = {}): { readonly response: FetchResponse | undefined } {
    const result: { response: FetchResponse | undefined } = { response: undefined };
    const request = fetchRequest({
      clusterId: "cluster",
      self: keyOf(id),
      epoch: changes.epoch ?? this.replica.state.epoch,
      fetchOffset,
      lastFetchedEpoch,
      maxWaitMs: changes.maxWaitMs ?? 500,
      maxBytes: 1000,
    });
    this.replica.handleFetch(this.now, request, (response) => result.response = response);
    return result;
  }

  /** Another node asks for its vote. */
  vote(id: number, epoch: number, last: { epoch: number; offset: number }, preVote = false) {
    const request = voteRequest({
      clusterId: "cluster",
      voter: keyOf(1),
      candidate: keyOf(id),
      epoch,
      lastEpoch: last.epoch,
      lastOffset: last.offset,
      preVote,
    });
    return this.replica.handleVote(this.now, request).topics[0]!.partitions[0]!;
  }

  /** Answers its fetch as the leader of its epoch, or of another. */
  answerFetch(answer: FetchAnswer, leaderId = 2, epoch = this.replica.state.epoch): void {
    const fetch = this.take("Fetch").at(-1);
    if (fetch === undefined) throw new Error("It does not fetch");
    const endpoints = [{ id: leaderId, address: addressOf(leaderId) }];
    fetch.answer(fetchResponse(answer, { leaderId, epoch, endpoints }));
  }
}

export function voteAnswer(voteGranted: boolean, leaderEpoch: number, leaderId = -1) {
  return {
    errorCode: 0,
    topics: [{
      topicName: "__cluster_metadata",
      partitions: [{ partitionIndex: 0, errorCode: 0, leaderId, leaderEpoch, voteGranted }],
    }],
    nodeEndpoints: [],
  };
}

export function addressOf(id: number) {
  return { host: `node-${id}`, port: 9192 };
}
