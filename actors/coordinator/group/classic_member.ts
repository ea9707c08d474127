/**
 * A member of a group of the classic protocol, as the coordinator knows it while it leads.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  JoinGroupRequestProtocol,
  JoinGroupResponse,
} from "../../../net/messages/join_group.ts";
import type { SyncGroupResponse } from "../../../net/messages/sync_group.ts";
import type { MemberMetadata } from "../../../net/messages/records/group_metadata_value.ts";

/** Takes the response to a request that waits. */
export type Respond<Response> = (response: Response) => void;

export const NO_BYTES = new Uint8Array(0);

/** What a member is added with. */
export interface NewMember {
  readonly memberId: string;
  /** Of a static member, else null. */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly JoinGroupRequestProtocol[];
  readonly assignment?: Uint8Array;
}

export class ClassicMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly protocolType: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly JoinGroupRequestProtocol[];
  assignment: Uint8Array;
  /** Its first JoinGroup waits: it has no id yet to send heartbeats with. */
  isNew = false;
  awaitingJoin: Respond<JoinGroupResponse> | undefined;
  awaitingSync: Respond<SyncGroupResponse> | undefined;

  constructor(member: NewMember) {
    this.memberId = member.memberId;
    this.groupInstanceId = member.groupInstanceId;
    this.clientId = member.clientId;
    this.clientHost = member.clientHost;
    this.rebalanceTimeoutMs = member.rebalanceTimeoutMs;
    this.sessionTimeoutMs = member.sessionTimeoutMs;
    this.protocolType = member.protocolType;
    this.protocols = member.protocols;
    this.assignment = member.assignment ?? NO_BYTES;
  }

  /** A member as a record says. */
  static of(metadata: MemberMetadata, protocolType: string, protocol: string | null) {
    const { rebalanceTimeout, sessionTimeout } = metadata;
    return new ClassicMember({
      ...metadata,
      rebalanceTimeoutMs: rebalanceTimeout === -1 ? sessionTimeout : rebalanceTimeout,
      sessionTimeoutMs: sessionTimeout,
      protocolType,
      protocols: protocol === null ? [] : [{ name: protocol, metadata: metadata.subscription }],
    });
  }

  get isStatic(): boolean {
    return this.groupInstanceId !== null;
  }

  /** Whether its silence is none: it waits for a response, and is known to. */
  get isExcused(): boolean {
    if (this.isNew) return false;
    return this.awaitingJoin !== undefined || this.awaitingSync !== undefined;
  }

  /** What it said of itself for a protocol. */
  metadata(protocol: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;
  }

  /** Whether it speaks the same protocols, and says the same for each. */
  matches(protocols: readonly JoinGroupRequestProtocol[]): boolean {
    return protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const own = this.protocols[index];
        return own !== undefined && own.name === name && sameBytes(own.metadata, metadata);
      });
  }

  /** The protocol that it likes best of some. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find(({ name }) => candidates.has(name))?.name;
  }

  /** Answers a SyncGroup that waits; whether one did. */
  answerSync(error: ErrorCode, protocolType: string | null, protocolName: string | null): boolean {
    const respond = this.awaitingSync;
    if (respond === undefined) return false;
    this.awaitingSync = undefined;
    const assignment = error === ErrorCode.NONE ? this.assignment : NO_BYTES;
    respond({ throttleTimeMs: 0, errorCode: error, protocolType, protocolName, assignment });
    return true;
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** A response to JoinGroup that is an error. */
export function failedJoin(errorCode: ErrorCode, memberId: string): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** A response to SyncGroup that is an error. */
export function failedSync(errorCode: ErrorCode): SyncGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    protocolType: null,
    protocolName: null,
    assignment: NO_BYTES,
  };
}
