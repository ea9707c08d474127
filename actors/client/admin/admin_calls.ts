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

import { type NodeId, NONE, type Uuid } from "../../../storage/bytes/ids.ts";
import { ErrorCode, isRetriable } from "../../../net/messages/errors.ts";
import type { Api } from "../../../net/schema.ts";
import { backoffMs } from "../../link/backoff.ts";
import type { NodeLink } from "../../link/node_link.ts";
import type { Cluster } from "../cluster.ts";
import { type CoordinatorKind, CoordinatorLink } from "../coordinator_link.ts";
import {
  BrokerNotAvailableError,
  ClientError,
  ClosedError,
  errorForCode,
  TimeoutError,
} from "../errors.ts";
import { losesCoordinator } from "../consumer/membership/membership.ts";
import { lookUpOffsets, type OffsetAnswer, type OffsetQuery } from "../offset_lookup.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** Items that go to the same broker; to any when its id is undefined. */
export interface BrokerGroup<T> {
  readonly node: NodeId | undefined;
  readonly items: readonly T[];
}

/** Something that the controller is to do to each of some named items. */
export interface ControllerChange<Item extends { readonly name: string }, Request, Response> {
  readonly api: Api<Request, Response>;
  readonly items: readonly Item[];
  readonly request: (items: readonly Item[]) => Request;
  readonly results: (response: Response) => readonly NamedResult[];
  /** The error of an item to which it was done before. */
  readonly doneBefore: ErrorCode;
}

/** Something that is asked of the leaders of partitions. */
export interface LeaderQuestion<Item extends TopicPartition, Request, Response, Result> {
  readonly api: Api<Request, Response>;
  readonly items: readonly Item[];
  readonly request: (items: readonly Item[]) => Request;
  readonly results: (
    response: Response,
  ) => readonly (TopicPartition & { readonly result: Result })[];
}

/** What is taken for the result of an item that a response leaves out. */
const UNANSWERED: ItemResult = { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR };

/** Errors of single items after which the controller is asked again. */
const PASSING: ReadonlySet<number> = new Set([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_CONTROLLER,
  ErrorCode.THROTTLING_QUOTA_EXCEEDED,
]);

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
    return this.#retried(api, request, () => this.#controllerLink());
  }

  /**
   * Has the controller change items, and again those whose error may pass, until the time is up.
   * Once a try may have succeeded without our hearing of it, an item that is as it was asked to be
   * has succeeded. Returns the last result of each item.
   */
  async change<Item extends { readonly name: string }, Request, Response>(
    change: ControllerChange<Item, Request, Response>,
  ): Promise<Map<Item, ItemResult>> {
    const { environment, settings } = this.#cluster;
    const random = environment.random.stream("client");
    const deadline = environment.clock.monotonic() + this.#timeoutMs;
    const results = new Map<Item, ItemResult>();
    let [left, mayBeDone] = [change.items, false];
    for (let failures = 1;; failures++) {
      const asked = this.#retried(change.api, change.request(left), () => this.#controllerLink(), {
        deadline,
        failed: () => mayBeDone = true,
      });
      const response = await asked.catch((error) => {
        // What a broker said before tells more.
        if (results.size === 0) throw error;
      });
      if (response === undefined) break;
      const answered = change.results(response);
      for (const item of left) {
        const result = answered.find(({ name }) => name === item.name) ?? UNANSWERED;
        const isDone = mayBeDone && result.errorCode === change.doneBefore;
        results.set(item, isDone ? { errorCode: ErrorCode.NONE } : result);
      }
      left = left.filter((item) => PASSING.has(results.get(item)!.errorCode));
      const pauseMs = backoffMs(settings.retryBackoff, failures, random);
      if (left.length === 0 || environment.clock.monotonic() + pauseMs >= deadline) break;
      mayBeDone = true;
      await this.#pause(pauseMs);
    }
    return results;
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

  /** Asks the coordinator, and again while what it says of the whole may pass. */
  async coordinator<Request, Response>(
    kind: CoordinatorKind,
    key: string,
    api: Api<Request, Response>,
    request: Request,
    resultOf: (response: Response) => ItemResult,
  ): Promise<Response> {
    const { environment, settings } = this.#cluster;
    const random = environment.random.stream("client");
    const deadline = environment.clock.monotonic() + this.#timeoutMs;
    const link = new CoordinatorLink(this.#cluster, kind, key);
    for (let failures = 1;; failures++) {
      const leftMs = Math.max(1, deadline - environment.clock.monotonic());
      const timeoutMs = Math.min(leftMs, settings.requestTimeoutMs);
      const result = await new Promise<Response | ClientError>((resolve) =>
        link.ask(api, request, timeoutMs, resolve)
      );
      const code = result instanceof ClientError ? result.code : resultOf(result).errorCode;
      if (losesCoordinator(code)) link.forget();
      const pauseMs = backoffMs(settings.retryBackoff, failures, random);
      const isLate = environment.clock.monotonic() + pauseMs >= deadline;
      if (!isRetriable(code) || isLate) {
        if (result instanceof ClientError) throw result;
        return result;
      }
      await this.#pause(pauseMs);
    }
  }

  /** Asks every broker, and again while what it says of the whole may pass. */
  everyBroker<Request, Response extends ItemResult>(
    api: Api<Request, Response>,
    request: Request,
    action: string,
  ): Promise<{ readonly node: NodeId; readonly response: Response }[]> {
    return Promise.all(
      Array.from(this.#cluster.metadata.brokers.keys(), async (node) => {
        const response = await this.until(
          () => this.broker(node, api, request),
          ({ errorCode }) => !isRetriable(errorCode),
        );
        check(response, action);
        return { node, response };
      }),
    );
  }

  /** Asks again until the answer will do or the time is up; returns the last one. */
  async until<Response>(
    ask: () => Promise<Response>,
    willDo: (response: Response) => boolean,
  ): Promise<Response> {
    const { environment, settings } = this.#cluster;
    const random = environment.random.stream("client");
    const deadline = environment.clock.monotonic() + this.#timeoutMs;
    for (let failures = 1;; failures++) {
      const response = await ask();
      const pauseMs = backoffMs(settings.retryBackoff, failures, random);
      const isLate = environment.clock.monotonic() + pauseMs >= deadline;
      if (willDo(response) || isLate) return response;
      await this.#pause(pauseMs);
    }
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

  /**
   * Asks the leaders of partitions, and the leaders there are then of those whose error may pass,
   * until the time is up. Returns the last result of each, in their order.
   */
  async leaders<Item extends TopicPartition, Request, Response, Result extends ItemResult>(
    { api, items, request, results }: LeaderQuestion<Item, Request, Response, Result>,
  ): Promise<Result[]> {
    const { environment, settings } = this.#cluster;
    const random = environment.random.stream("client");
    const deadline = environment.clock.monotonic() + this.#timeoutMs;
    const found = new Map<Item, Result | ClientError>();
    let left = items;
    for (let failures = 1;; failures++) {
      const groups = await this.byLeader(left);
      await Promise.all(groups.map(async ({ node, items }) => {
        const leftMs = Math.max(1, deadline - environment.clock.monotonic());
        const timeoutMs = Math.min(leftMs, settings.requestTimeoutMs);
        const link = this.#cluster.link(node ?? NONE);
        const response = await this.#once(api, request(items), timeoutMs, link);
        const answered = response instanceof ClientError ? [] : results(response);
        for (const item of items) {
          const own = answered.find(({ topic, partition }) =>
            topic === item.topic && partition === item.partition
          );
          const unanswered = response instanceof ClientError ? response : unansweredBy(api, item);
          found.set(item, own?.result ?? unanswered);
        }
      }));
      left = left.filter((item) => mayPass(found.get(item)!));
      const pauseMs = backoffMs(settings.retryBackoff, failures, random);
      if (left.length === 0 || environment.clock.monotonic() + pauseMs >= deadline) break;
      await this.#pause(pauseMs);
      this.#checkOpen(api as Api);
    }
    return items.map((item) => {
      const result = found.get(item)!;
      if (result instanceof ClientError) throw result;
      return result;
    });
  }

  #controllerLink(): NodeLink | undefined {
    return this.#cluster.link(this.#cluster.metadata.controllerId) ?? this.#cluster.anyLink();
  }

  async #retried<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    choose: () => NodeLink | undefined,
    { deadline: given, failed }: { readonly deadline?: number; readonly failed?: () => void } = {},
  ): Promise<Response> {
    const { environment, settings, metadata } = this.#cluster;
    const deadline = given ?? environment.clock.monotonic() + this.#timeoutMs;
    const random = environment.random.stream("client");
    let last: ClientError | undefined;
    for (let failures = 0;;) {
      const leftMs = deadline - environment.clock.monotonic();
      this.#checkOpen(api);
      if (leftMs <= 0) {
        throw last ?? new TimeoutError(`Cannot ask ${api.name}: not within ${this.#timeoutMs} ms`);
      }
      const timeoutMs = Math.min(leftMs, settings.requestTimeoutMs);
      const result = await this.#once(api, request, timeoutMs, choose());
      if (!(result instanceof ClientError)) return result;
      last = result;
      if (!result.retriable) throw result;
      failures++;
      failed?.();
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

  #checkOpen({ name }: Api): void {
    if (this.#cluster.isClosed) throw new ClosedError(`Cannot ask ${name}: the client is closed`);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#cluster.later(delayMs, resolve);
    });
  }
}

function mayPass(result: ItemResult | ClientError): boolean {
  return result instanceof ClientError ? result.retriable : isRetriable(result.errorCode);
}

function unansweredBy({ name }: { readonly name: string }, item: TopicPartition): ClientError {
  const action = `Cannot ask ${name} of ${item.topic}-${item.partition}`;
  return errorForCode(ErrorCode.UNKNOWN_SERVER_ERROR, action, "The broker left it out");
}

/** What a broker answers of one item. */
export interface ItemResult {
  readonly errorCode: number;
  readonly errorMessage?: string | null;
  /** Of a topic that was changed, where the answer tells it. */
  readonly topicId?: Uuid;
}

interface NamedResult extends ItemResult {
  readonly name: string | null;
}

/** @throws {ClientError} where the item failed */
export function check({ errorCode, errorMessage }: ItemResult, action: string): void {
  if (errorCode !== ErrorCode.NONE) throw errorForCode(errorCode, action, errorMessage);
}
