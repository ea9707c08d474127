/**
 * Asks brokers on behalf of the admin client: any, the controller, one by its id, or the leaders of
 * partitions; and again while an error may pass.
 *
 * Only requests that may be repeated are: an operation whose outcome is unknown, because its
 * connection broke, is repeated too, as all of Kafka's admin operations are idempotent or say that
 * they were done.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Api } from "../../net/schema.ts";
import { backoffMs } from "../link/backoff.ts";
import type { NodeLink } from "../link/node_link.ts";
import type { Cluster } from "./cluster.ts";
import { BrokerNotAvailableError, ClientError, errorForCode, TimeoutError } from "./errors.ts";
import { lookUpOffsets, type OffsetAnswer, type OffsetQuery } from "./offset_lookup.ts";

/** Items that go to the same broker; to any when its id is undefined. */
export interface BrokerGroup<T> {
  readonly node: NodeId | undefined;
  readonly items: readonly T[];
}

/** The asking. */
export class AdminCalls {
  readonly #cluster: Cluster;
  readonly #timeoutMs: number;

  constructor(cluster: Cluster, timeoutMs: number) {
    this.#cluster = cluster;
    this.#timeoutMs = timeoutMs;
  }

  /** Asks any broker. */
  any<Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> {
    return this.#retried(api, request, () => this.#cluster.anyLink());
  }

  /** Asks the broker that stands for the controller. */
  controller<Request, Response>(api: Api<Request, Response>, request: Request): Promise<Response> {
    return this.#retried(api, request, () => {
      const { controllerId } = this.#cluster.metadata;
      return this.#cluster.link(controllerId) ?? this.#cluster.anyLink();
    });
  }

  /** Asks a broker by its id, or any. */
  broker<Request, Response>(
    node: NodeId | undefined,
    api: Api<Request, Response>,
    request: Request,
  ): Promise<Response> {
    if (node === undefined) return this.any(api, request);
    if (!this.#cluster.metadata.brokers.has(node)) {
      return Promise.reject(
        new BrokerNotAvailableError(`Cannot ask broker ${node}: it is unknown`),
      );
    }
    return this.#retried(api, request, () => this.#cluster.link(node));
  }

  /** Offsets of partitions, from their leaders. */
  offsets(
    queries: readonly OffsetQuery[],
    view: "committed" | "uncommitted" | "log-end",
  ): Promise<OffsetAnswer[]> {
    const options = {
      cluster: this.#cluster,
      isReadCommitted: view === "committed",
      toLogEnd: view === "log-end",
      timeoutMs: this.#timeoutMs,
    };
    return new Promise((resolve, reject) => {
      lookUpOffsets(queries, options, (result) => {
        if (result instanceof Error) reject(result);
        else resolve([...result]);
      });
    });
  }

  /** Puts items together that go to the same broker. */
  byBroker<T>(items: readonly T[], nodeOf: (item: T) => NodeId | undefined): BrokerGroup<T>[] {
    return Array.from(Map.groupBy(items, nodeOf), ([node, items]) => ({ node, items }));
  }

  /** Puts partitions together that have the same leader. */
  async byLeader<T extends { readonly topic: string; readonly partition: number }>(
    items: readonly T[],
  ): Promise<BrokerGroup<T>[]> {
    const { metadata } = this.#cluster;
    // The lookup waits until every partition has a leader, and knows the errors if one has none.
    await this.offsets(
      items.map(({ topic, partition }) => ({ topic, partition, timestamp: -2 })),
      "uncommitted",
    );
    return this.byBroker(
      items,
      ({ topic, partition }) => metadata.topic(topic)?.partitions[partition]?.leader ?? NONE,
    );
  }

  async #retried<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    choose: () => NodeLink | undefined,
  ): Promise<Response> {
    const { environment, settings, metadata } = this.#cluster;
    const deadline = environment.clock.monotonic() + this.#timeoutMs;
    const random = environment.random.stream("client");
    let last: ClientError | undefined;
    for (let failures = 0;;) {
      const leftMs = deadline - environment.clock.monotonic();
      if (leftMs <= 0) {
        throw last ?? new TimeoutError(`Cannot ask ${api.name}: not within ${this.#timeoutMs} ms`);
      }
      const timeoutMs = Math.min(leftMs, settings.requestTimeoutMs);
      const result = await this.#once(api, request, timeoutMs, choose());
      if (!(result instanceof ClientError)) return result;
      last = result;
      if (!result.retriable) throw result;
      failures++;
      metadata.requestUpdate();
      await this.#pause(backoffMs(settings.retryBackoff, failures, random));
    }
  }

  #once<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    link: NodeLink | undefined,
  ): Promise<Response | ClientError> {
    if (link === undefined) {
      return Promise.resolve(new TimeoutError(`Cannot ask ${api.name}: no broker is connected`));
    }
    return new Promise((resolve) => link.send(api, request, timeoutMs, resolve));
  }

  #pause(delayMs: number): Promise<void> {
    const { timers } = this.#cluster.environment;
    return new Promise((resolve) => {
      timers.schedule(delayMs, resolve);
    });
  }
}

/** What a broker answers of one item. */
export interface ItemResult {
  readonly errorCode: number;
  readonly errorMessage?: string | null;
}

/** @throws {ClientError} where the item failed */
export function check({ errorCode, errorMessage }: ItemResult, action: string): void {
  if (errorCode !== ErrorCode.NONE) throw errorForCode(errorCode, action, errorMessage);
}
