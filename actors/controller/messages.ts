/**
 * What the controller of a node can be told and asked. Each node has one: it holds the metadata log
 * as a voter or an observer of the quorum, and decides while it leads.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { ErrorCode } from "../../net/messages/errors.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import type { Ref } from "../runtime/ref.ts";
import type { MetadataRecord } from "./metadata_record.ts";

/** The answer to a request, given when all that it rests on is committed. */
export interface Committed<Response> {
  /** Undefined where there is an error. */
  readonly response: Response | undefined;
  /**
   * NOT_CONTROLLER where this node does not lead: nothing was done. REQUEST_TIMED_OUT where its
   * lead ended before the decision was committed: the outcome is unknown.
   */
  readonly error: ErrorCode;
  /** For people, where there is an error. */
  readonly errorMessage: string | null;
  /** Where the metadata log ended: whoever has applied it up to here sees what was decided. */
  readonly endOffset: Offset;
}

/** Has the active controller decide a request of one of the APIs in `decisions.ts`. */
export interface Decide<Request = unknown, Response = unknown> {
  readonly kind: "decide";
  readonly api: Api<Request, Response>;
  readonly request: Request;
  readonly replyTo: Ref<Committed<Response>>;
}

/** A question to the active controller: the one place where the types of its API are let go. */
export function decide<Request, Response>(
  api: Api<Request, Response>,
  request: Request,
  replyTo: Ref<Committed<Response>>,
): Decide {
  return { kind: "decide", api, request, replyTo: replyTo as Ref<Committed<unknown>> };
}

/** Records that are committed, in the order of the log. */
export interface MetadataCommitted {
  readonly kind: "metadata-committed";
  readonly records: readonly MetadataRecord[];
  /** The end of the last batch. */
  readonly endOffset: Offset;
  /**
   * Whether the records are a snapshot of everything below `endOffset`: they replace what was told
   * before.
   */
  readonly isSnapshot: boolean;
}

/** Sends everything committed from the beginning, and what follows as it is committed. */
export interface SubscribeMetadata {
  readonly kind: "subscribe";
  readonly subscriber: Ref<MetadataCommitted>;
}

/** Who leads the metadata quorum, as far as this node knows. */
export interface ControllerChanged {
  readonly kind: "controller-changed";
  /** -1 while nobody is known to. */
  readonly leaderId: NodeId;
  readonly epoch: Epoch;
  /** Where its native listener is; undefined for this node itself, and where nobody leads. */
  readonly address: SocketAddress | undefined;
}

/** Sends who leads now, and again with each change. */
export interface SubscribeController {
  readonly kind: "subscribe-controller";
  readonly subscriber: Ref<ControllerChanged>;
}

/**
 * A request of another node's quorum protocol: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch of the
 * metadata log, FetchSnapshot; or DescribeQuorum of anybody.
 */
export interface QuorumRequest<Request = unknown, Response = unknown> {
  readonly kind: "quorum-request";
  readonly api: Api<Request, Response>;
  readonly version: number;
  readonly request: Request;
  /** The response; a fetch that finds nothing new gets it later. Bytes in it are its own. */
  readonly replyTo: Ref<QuorumResponse<Response>>;
}

export interface QuorumResponse<Response = unknown> {
  readonly kind: "quorum-response";
  readonly response: Response;
}

/** A request of the quorum protocol: the one place where the types of its API are let go. */
export function quorumRequest<Request, Response>(
  api: Api<Request, Response>,
  version: number,
  request: Request,
  replyTo: Ref<QuorumResponse<Response>>,
): QuorumRequest {
  const untyped = replyTo as Ref<QuorumResponse>;
  return { kind: "quorum-request", api, version, request, replyTo: untyped };
}

/**
 * Closes the log, everything in it being durable; a leader resigns first, and stays until another
 * has been found, or a while.
 */
export interface CloseController {
  readonly kind: "close";
  /** False where nobody is there to follow: the whole cluster ends. */
  readonly handOver: boolean;
  readonly replyTo: Ref<ControllerClosed>;
}

export interface ControllerClosed {
  readonly kind: "controller-closed";
  /** Why the log could not be closed in order. */
  readonly failure: string | undefined;
}

export type ControllerRequest =
  | Decide
  | SubscribeMetadata
  | SubscribeController
  | QuorumRequest
  | CloseController;

/** A voter of the metadata quorum, as others reach it. */
export interface QuorumPeer {
  readonly id: NodeId;
  readonly address: SocketAddress;
}

/**
 * How a node's quorum protocol reaches the others. Requests to one peer go out in order; `done` is
 * called later, once: with the response, or undefined where there is none (lost, refused, late).
 */
export interface QuorumTransport {
  send<Request, Response>(
    to: QuorumPeer,
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (response: Response | undefined) => void,
  ): void;
}
