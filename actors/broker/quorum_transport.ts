/**
 * How a node's quorum protocol reaches the other voters: one connection for control to each, so
 * that no vote waits behind a replica's fetch.
 *
 * Owns the connections. Does not own what is said, nor when it is said again.
 *
 * Invariants: requests to one peer leave in order; each ends once; a response is wholly its
 * receiver's.
 *
 * @module
 */

import type { BufferPool } from "../../net/buffer_pool.ts";
import { FETCH, type FetchResponse } from "../../net/messages/fetch.ts";
import { FETCH_SNAPSHOT, type FetchSnapshotResponse } from "../../net/messages/fetch_snapshot.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";
import { formatAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { QuorumPeer, QuorumTransport } from "../controller/messages.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClientError } from "../link/errors.ts";
import { asFellow } from "../link/fellow.ts";
import { NodeConnection } from "../link/node_connection.ts";
import type { Environment, RandomStream } from "../runtime/environment.ts";

export interface QuorumTransportOptions {
  readonly environment: Environment;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly pool: BufferPool;
  readonly config: BrokerConfig;
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
}

export class NodeQuorumTransport implements QuorumTransport {
  readonly #options: QuorumTransportOptions;
  readonly #random: RandomStream;
  /** By the peer's id, or its address where that is not known. */
  readonly #connections = new Map<NodeId | string, NodeConnection>();
  #closed = false;

  constructor(options: QuorumTransportOptions) {
    this.#options = options;
    this.#random = options.environment.random.stream("quorum transport");
  }

  send<Request, Response>(
    to: QuorumPeer,
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (response: Response | undefined) => void,
  ): void {
    if (this.#closed) {
      return this.#options.environment.dispatcher.atEndOfTurn(() => done(undefined));
    }
    this.#connectionTo(to).sendHolding(api, request, timeoutMs, (result) => {
      if (!("hold" in result)) {
        this.#failed(to, api, result);
        return done(undefined);
      }
      const response = withOwnRecords(api, result.response);
      result.hold.release();
      done(response);
    });
  }

  /** Ends all connections; what is unanswered is not answered any more. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  #connectionTo(peer: QuorumPeer): NodeConnection {
    const { host, port } = peer.address;
    const key = peer.id >= 0 ? peer.id : formatAddress(peer.address);
    const known = this.#connections.get(key);
    if (known?.address.host === host && known.address.port === port) return known;
    known?.close();
    const connection = this.#open(peer);
    this.#connections.set(key, connection);
    return connection;
  }

  #open({ id, address }: QuorumPeer): NodeConnection {
    const { environment, nodeId, clusterId, pool, config, versionLimits } = this.#options;
    return new NodeConnection({
      ...asFellow({
        nodeId,
        clusterId,
        purpose: "quorum",
        secret: config.nativeSharedSecret,
        requestTimeoutMs: config.controllerQuorumRequestTimeoutMs,
        retryBackoffMs: config.controllerQuorumRetryBackoffMs,
        retryBackoffMaxMs: config.controllerQuorumRetryBackoffMs,
        versionLimits,
      }),
      environment,
      random: this.#random,
      pool,
      address,
      ...(id >= 0 ? { expectedNodeId: id } : {}),
      ready: () => {},
      lost: (error) => this.#lost(id, formatAddress(address), error),
      mayConnect: () => {},
    });
  }

  /** What cannot even be encoded is a mistake of this program; what is not served, of versions. */
  #failed({ id }: QuorumPeer, { name }: Api, { code, message }: ClientError): void {
    if (code !== ErrorCode.INVALID_REQUEST && code !== ErrorCode.UNSUPPORTED_VERSION) return;
    const level = code === ErrorCode.INVALID_REQUEST ? "error" : "warn";
    const { logger } = this.#options.environment;
    logger.log(level, "voter not asked", { id, api: name, reason: message });
  }

  /** A node that is away comes back; one that refuses is a matter for people. */
  #lost(id: NodeId, address: string, error: ClientError): void {
    const { code, message } = error;
    const away = code === ErrorCode.NETWORK_EXCEPTION || code === ErrorCode.REQUEST_TIMED_OUT;
    const { logger } = this.#options.environment;
    logger.log(away ? "debug" : "warn", "voter not reached", { id, address, reason: message });
  }
}

/** The response with a copy of what lies in its frame. */
function withOwnRecords<Response>(api: Api<unknown, Response>, response: Response): Response {
  if (api.key === FETCH.key) {
    const { responses, ...rest } = response as FetchResponse;
    const own = responses.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((partition) => ({
        ...partition,
        records: partition.records?.slice() ?? null,
      })),
    }));
    return { ...rest, responses: own } as Response;
  }
  if (api.key === FETCH_SNAPSHOT.key) {
    const { topics, ...rest } = response as FetchSnapshotResponse;
    const own = topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((partition) => ({
        ...partition,
        unalignedRecords: partition.unalignedRecords.slice(),
      })),
    }));
    return { ...rest, topics: own } as Response;
  }
  return response;
}
