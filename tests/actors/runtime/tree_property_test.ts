/** Random trees of actors that spawn, tell, watch, ask, stop and throw: what no order may break. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Actor, ActorContext, SpawnOptions } from "../../../actors/runtime/actor.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { ManualEnvironment } from "./manual_environment.ts";

/** What an actor does with a message; `who` picks among all that were ever spawned. */
type Step =
  | { readonly kind: "spawn"; readonly restarts: number; readonly fails: boolean }
  | { readonly kind: "tell"; readonly who: number; readonly steps: readonly Step[] }
  | { readonly kind: "watch" | "unwatch" | "ask" | "stopAny" | "stopChild"; readonly who: number }
  | { readonly kind: "timer" | "stop" | "throw" | "adapt" };

type Message =
  | { readonly kind: "do"; readonly steps: readonly Step[]; readonly from: string; seq: number }
  | { readonly kind: "question"; readonly replyTo: Ref<number>; readonly answer: boolean }
  | { readonly kind: "told"; readonly of: Puppet; readonly watch: number }
  | { readonly kind: "answered"; readonly ask: number }
  | { readonly kind: "tick"; readonly life: number };

interface Puppet {
  readonly name: string;
  readonly parent: Puppet | undefined;
  ref: Ref<Message>;
  life: number;
  made: boolean;
  /** True from the last `stopped` on, as far as nothing is made after. */
  ended: boolean;
  inCall: boolean;
}

class World {
  readonly environment: ManualEnvironment;
  readonly system: ActorSystem;
  readonly puppets: Puppet[] = [];
  readonly lastSeq = new Map<string, number>();
  readonly watches: { by: Puppet; life: number; of: Puppet; notices: number; off: boolean }[] = [];
  readonly asks: { by: Puppet; life: number; results: number }[] = [];
  #seq = 0;

  constructor(choose: ((below: number) => number) | undefined) {
    this.environment = new ManualEnvironment(choose === undefined ? {} : { choose });
    this.system = new ActorSystem({ environment: this.environment, node: 1 });
  }

  spawn(
    context: ActorContext<Message> | undefined,
    parent: Puppet | undefined,
    step: { readonly restarts: number; readonly fails: boolean },
  ): void {
    const name = `${this.puppets.length}`;
    const puppet: Puppet = {
      name,
      parent,
      ref: undefined as unknown as Ref<Message>,
      life: 0,
      made: false,
      ended: false,
      inCall: false,
    };
    const { restarts } = step;
    const options: SpawnOptions = restarts === 0
      ? {}
      : { supervision: { kind: "restart", limit: restarts, withinMs: 1e9 } };
    const behaviour = (own: ActorContext<Message>) => this.#make(own, puppet, step.fails);
    puppet.ref = (context ?? this.system).spawn(name, behaviour, options);
    this.puppets.push(puppet);
  }

  #make(context: ActorContext<Message>, puppet: Puppet, fails: boolean): Actor<Message> {
    assert(!puppet.inCall, "made within a call of its own");
    puppet.life++;
    puppet.ended = false;
    if (fails && puppet.life === 1) throw new Error("cannot be made");
    puppet.made = true;
    return {
      receive: (message) => {
        assert(puppet.made && !puppet.ended, "a message after the stop");
        assert(!puppet.inCall, "a message within a call");
        puppet.inCall = true;
        try {
          this.#receive(context, puppet, message);
        } finally {
          puppet.inCall = false;
        }
      },
      stopped: () => {
        assert(!puppet.inCall, "stopped within a call");
        assert(!puppet.ended, "stopped twice");
        puppet.ended = true;
        puppet.made = false;
        for (const child of this.puppets) {
          if (child.parent === puppet) assert(!child.made, "stopped before its child");
        }
      },
    };
  }

  #receive(context: ActorContext<Message>, puppet: Puppet, message: Message): void {
    switch (message.kind) {
      case "do": {
        const pair = `${message.from} > ${puppet.name}`;
        assert((this.lastSeq.get(pair) ?? -1) < message.seq, "out of order");
        this.lastSeq.set(pair, message.seq);
        for (const step of message.steps) this.#do(context, puppet, step);
        break;
      }
      case "question":
        if (message.answer) message.replyTo.tell(1);
        break;
      case "told": {
        const watch = this.watches[message.watch]!;
        assertEquals([watch.by, watch.life, watch.off], [puppet, puppet.life, false]);
        watch.notices++;
        break;
      }
      case "answered": {
        const ask = this.asks[message.ask]!;
        assertEquals([ask.by, ask.life], [puppet, puppet.life]);
        ask.results++;
        break;
      }
      case "tick":
        assertEquals(message.life, puppet.life);
    }
  }

  message(from: string, steps: readonly Step[]): Message {
    return { kind: "do", steps, from, seq: this.#seq++ };
  }

  pick(who: number): Puppet {
    return this.puppets[who % this.puppets.length]!;
  }

  #do(context: ActorContext<Message>, puppet: Puppet, step: Step): void {
    switch (step.kind) {
      case "spawn":
        return this.spawn(context, puppet, step);
      case "tell":
        return void this.pick(step.who).ref.tell(this.message(puppet.name, step.steps));
      case "adapt":
        return void context.adapt((message: Message) => message)
          .tell(this.message(puppet.name, []));
      case "watch":
      case "unwatch":
        return this.#watch(context, puppet, this.pick(step.who), step.kind === "watch");
      case "ask":
        return this.#ask(context, puppet, step.who);
      case "stopAny":
        return this.system.stop(this.pick(step.who).ref);
      case "stopChild": {
        const child = this.pick(step.who);
        if (child.parent === puppet && child.made) context.stopChild(child.ref);
        return;
      }
      case "timer":
        return context.startTimer("key", 5, { kind: "tick", life: puppet.life });
      case "stop":
        return context.stop();
      case "throw":
        throw new Error("random");
    }
  }

  #watch(context: ActorContext<Message>, by: Puppet, of: Puppet, on: boolean): void {
    for (const watch of this.watches) {
      if (watch.by === by && watch.of === of && watch.notices === 0) watch.off = true;
    }
    if (!on) return context.unwatch(of.ref);
    const index = this.watches.push({ by, life: by.life, of, notices: 0, off: by === of }) - 1;
    context.watch(of.ref, { kind: "told", of, watch: index });
  }

  #ask(context: ActorContext<Message>, by: Puppet, who: number): void {
    const ask = this.asks.push({ by, life: by.life, results: 0 }) - 1;
    context.ask<Message, number>(
      this.pick(who).ref,
      who % 3 === 0 ? 20 : 1e6,
      (replyTo) => ({ kind: "question", replyTo, answer: who % 2 === 0 }),
      () => ({ kind: "answered", ask }),
    );
  }

  check(): void {
    for (const { fields } of this.environment.lines) {
      assert(/random|cannot be made/.test(String(fields.error)), String(fields.error));
    }
    const lives = (puppet: Puppet) => puppet.ref.tell({ kind: "tick", life: puppet.life });
    const living = new Set(this.puppets.filter(lives));
    for (const puppet of this.puppets) {
      assertEquals(puppet.made, living.has(puppet), `${puppet.name} lives`);
      if (puppet.parent !== undefined && puppet.made) assert(puppet.parent.made, "an orphan");
    }
    for (const { by, life, of, notices, off } of this.watches) {
      if (off || !living.has(by) || by.life !== life) assert(notices <= 1);
      else assertEquals(notices, living.has(of) ? 0 : 1, `${by.name} watches ${of.name}`);
    }
    for (const { by, life, results } of this.asks) {
      if (living.has(by) && by.life === life) assertEquals(results, 1, `${by.name} asks`);
      else assert(results <= 1);
    }
  }
}

const who = fc.nat(30);
const { steps } = fc.letrec<{ step: Step; steps: Step[] }>((tie) => ({
  step: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 2, arbitrary: fc.constantFrom<Step>({ kind: "throw" }, { kind: "stop" }) },
    { weight: 3, arbitrary: fc.constantFrom<Step>({ kind: "timer" }, { kind: "adapt" }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("spawn" as const),
        restarts: fc.nat(2),
        fails: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom("watch", "watch", "unwatch", "ask", "ask", "stopAny", "stopChild"),
        who,
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("tell" as const),
        who,
        steps: tie("steps") as fc.Arbitrary<Step[]>,
      }),
    },
  ) as fc.Arbitrary<Step>,
  steps: fc.array(tie("step") as fc.Arbitrary<Step>, { maxLength: 6 }),
}));

const scenario = fc.record({
  /** Undefined: the real dispatcher; else the seed of an order. */
  order: fc.option(fc.integer({ min: 1, max: 2 ** 30 }), { nil: undefined }),
  tells: fc.array(fc.record({ who, steps, ms: fc.constantFrom(0, 0, 0, 7) }), {
    maxLength: 25,
    size: "max",
  }),
});

Deno.test("runtime: no order of spawns, tells, watches, asks, stops and throws breaks a promise", () => {
  fc.assert(
    fc.property(scenario, ({ order, tells }) => {
      const stream = new SeededStream(order ?? 0, 0, 0);
      const choose = (below: number) => stream.integer(below);
      const world = new World(order === undefined ? undefined : choose);
      for (let i = 0; i < 3; i++) world.spawn(undefined, undefined, { restarts: i, fails: false });
      for (const { who, steps, ms } of tells) {
        world.pick(who).ref.tell(world.message("outside", steps));
        if (ms > 0) world.environment.advance(ms);
      }
      world.environment.advance(1e7);
      world.check();
    }),
    { numRuns: 1500 },
  );
});
