/** A membership without a coordinator: a test says what is answered, and what time it is. */

import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../../net/messages/errors.ts";
import { type Draft, make } from "../../../../../net/schema/make.ts";
import type { Api } from "../../../../../net/schema.ts";
import type {
  Effect,
  Membership,
  MembershipSettings,
} from "../../../../../actors/client/consumer/membership/membership.ts";
import { DisconnectedError } from "../../../../../actors/client/errors.ts";
import type { TopicPartition } from "../../../../../actors/client/topic_partition.ts";
import { SeededRandom } from "../../../../../actors/sim/random.ts";

type Ask = Extract<Effect, { kind: "ask" }>;

export const SETTINGS: MembershipSettings = {
  groupId: "g",
  groupInstanceId: null,
  rackId: null,
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 3_000,
  maxPollIntervalMs: 60_000,
  requestTimeoutMs: 5_000,
  retryBackoff: { initialMs: 100, maxMs: 1_000 },
  random: new SeededRandom(1).stream("test"),
};

export function places(...names: readonly string[]): TopicPartition[] {
  return names.map((name) => {
    const [topic, partition] = name.split("-");
    return { topic: topic!, partition: Number(partition) };
  });
}

/** Runs a membership. */
export class Run<M extends Membership> {
  readonly machine: M;
  now = 0;
  /** What was asked and not answered yet. */
  readonly asked: Ask[] = [];
  /** Kinds of effects that were not asks, with their partitions. */
  readonly done: string[] = [];
  step = 0;

  constructor(machine: M, topics: readonly string[] = ["t"]) {
    this.machine = machine;
    machine.subscribe(topics, 0);
    machine.polled(0, true);
    this.take();
  }

  /** Takes what is to be done. */
  take(): void {
    for (const effect of this.machine.takeEffects()) {
      if (effect.kind === "ask") {
        this.asked.push(effect);
        continue;
      }
      const names = "partitions" in effect
        ? effect.partitions.map(({ topic, partition }) => ` ${topic}-${partition}`).join("")
        : "";
      const kind = effect.kind === "revoke" && effect.isLost ? "lose" : effect.kind;
      const code = effect.kind === "fail" ? ` ${effect.error.errorName}` : "";
      this.done.push(`${kind}${names}${code}`);
      if ("id" in effect) this.step = effect.id;
    }
  }

  /** The request under way, which must be the only one, and of that API. */
  request<Request, Response>(api: Api<Request, Response>): Request {
    assertEquals(this.asked.map((ask) => ask.api.name), [api.name]);
    return this.asked[0]!.request as Request;
  }

  /** Answers the request under way. */
  answer<Request, Response>(api: Api<Request, Response>, draft: Draft<Response>): void {
    const ask = this.asked.shift();
    assert(ask !== undefined, `${api.name} was not asked`);
    assertEquals(ask.api.name, api.name);
    ask.done(make(api.response, draft), this.now);
    this.take();
  }

  refuse<Request, Response extends { readonly errorCode: number }>(
    api: Api<Request, Response>,
    error: keyof typeof ErrorCode,
  ): void {
    this.answer(api, { errorCode: ErrorCode[error] } as Draft<Response>);
  }

  /** The connection is lost before the answer came. */
  disconnect(): void {
    this.asked.shift()!.done(new DisconnectedError("Lost it"), this.now);
    this.take();
  }

  released(): void {
    this.machine.released(this.step, this.now);
    this.take();
  }

  accepted(): void {
    this.machine.accepted(this.step, this.now);
    this.take();
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.now += ms;
    if (this.machine.due <= this.now) this.machine.tick(this.now);
    this.take();
  }

  /** What was to be done since the last look. */
  effects(): string[] {
    return this.done.splice(0);
  }
}
