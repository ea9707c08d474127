/**
 * The other brokers of the cluster, for an actor that asks them things: one connection to each,
 * made when it is first needed, and made anew where a broker has moved.
 *
 * @module
 */

import type { BufferPool } from "../../net/buffer_pool.ts";
import type { Api } from "../../net/schema.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ClusterImage } from "../controller/cluster_image.ts";
import type { ClientError } from "../link/errors.ts";
import type { Fellow } from "../link/fellow.ts";
import { Peer } from "../link/peer.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { RandomStream } from "../runtime/environment.ts";
import { endPointOf } from "./services.ts";

export interface FellowBrokersOptions {
  readonly image: ClusterImage;
  /** What this broker is to those that it connects to. */
  readonly fellow: Fellow;
  readonly buffers: BufferPool;
  /** By which brokers reach each other. */
  readonly listener: string;
  readonly random: RandomStream;
}

export class FellowBrokers<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: FellowBrokersOptions;
  readonly #peers = new Map<NodeId, Peer<Message>>();

  constructor(context: ActorContext<Message>, options: FellowBrokersOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Sends a request; false where the broker cannot be reached, and `done` is not called. */
  send<Request, Response>(
    nodeId: NodeId,
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => Message,
  ): boolean {
    const peer = this.#peerOf(nodeId);
    peer?.send(api, request, timeoutMs, done);
    return peer !== undefined;
  }

  /** To be called when the actor has stopped. */
  close(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #peerOf(nodeId: NodeId): Peer<Message> | undefined {
    const { image, fellow, buffers, listener, random } = this.#options;
    const endPoint = endPointOf(image, nodeId, listener);
    const known = this.#peers.get(nodeId);
    const isThere = known?.address.host === endPoint?.host &&
      known?.address.port === endPoint?.port;
    if (known !== undefined && isThere) return known;
    known?.close();
    this.#peers.delete(nodeId);
    if (endPoint === undefined) return undefined;
    const peer = new Peer<Message>(this.#context, {
      ...fellow,
      expectedNodeId: nodeId,
      random,
      pool: buffers,
      address: { host: endPoint.host, port: endPoint.port },
    });
    this.#peers.set(nodeId, peer);
    return peer;
  }
}
