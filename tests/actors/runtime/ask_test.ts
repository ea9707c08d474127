/** Section 6 of docs/semantics.md. */
import { assertEquals } from "@std/assert";
import type { ActorContext, AskResult } from "../../../actors/runtime/actor.ts";
import type { Address, Ref } from "../../../actors/runtime/ref.ts";
import { RuntimeRef, type Target } from "../../../actors/runtime/signal.ts";
import { type Act, fail, restarting, Stage } from "./puppet.ts";

type Question = (replyTo: Ref<string>, context: ActorContext<Act>) => void;

/** Asks; the one asked runs `question`, and the result is noted. */
function ask(
  stage: Stage,
  context: ActorContext<Act>,
  other: Ref<Act>,
  question: Question,
  timeoutMs = 100,
): void {
  context.ask<Act, string>(
    other,
    timeoutMs,
    (replyTo) => (otherContext) => question(replyTo, otherContext),
    (result: AskResult<string>) =>
      stage.note(result.kind === "reply" ? `reply ${result.reply}` : result.kind),
  );
}

function pair(): { stage: Stage; asker: Ref<Act>; asked: Ref<Act> } {
  const stage = new Stage();
  return { stage, asked: stage.puppet("asked", restarting(1)), asker: stage.puppet("asker") };
}

Deno.test("runtime 6.1: an ask is answered once, whatever comes after the answer", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) =>
    ask(stage, context, asked, (replyTo) => {
      replyTo.tell("yes");
    }));
  assertEquals(stage.taken(), ["reply yes"]);
  stage.system.stop(asked);
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["asked stopped"]);
});

Deno.test("runtime 6.2: an ask without an answer times out, at its time and once", () => {
  const { stage, asker, asked } = pair();
  let late!: Ref<string>;
  stage.act(asker, (context) => ask(stage, context, asked, (replyTo) => void (late = replyTo)));
  stage.environment.advance(99);
  assertEquals(stage.taken(), []);
  stage.environment.advance(1);
  assertEquals(stage.taken(), ["timed-out"]);
  assertEquals(late.tell("late"), false);
  stage.system.stop(asked);
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["asked stopped"]);
});

Deno.test("runtime 6.2: an ask may wait for ever", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) => ask(stage, context, asked, () => {}, Infinity));
  stage.environment.advance(1e9);
  assertEquals(stage.taken(), []);
  assertEquals(stage.environment.world.timers, 0);
});

Deno.test("runtime 6.3: an ask fails as terminated when the one asked stops, fails or restarts", () => {
  const ends: Question[] = [
    (_, context) => context.stop(),
    () => {
      throw new Error("once: a restart");
    },
    (_, context) => {
      context.self.tell(fail("once: a restart"));
      context.self.tell(fail("twice: a failure"));
    },
  ];
  for (const end of ends) {
    const { stage, asker, asked } = pair();
    stage.act(asker, (context) => ask(stage, context, asked, end));
    stage.environment.advance(1000);
    assertEquals(stage.taken().filter((note) => note !== "asked stopped"), ["terminated"]);
  }
});

Deno.test("runtime 6.3: an ask whose question is still queued fails when the one asked stops", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) => {
    ask(stage, context, asked, () => void stage.notes.push("asked"));
    stage.system.stop(asked);
  });
  assertEquals(stage.taken(), ["asked stopped", "terminated"]);
});

Deno.test("runtime 6.4: an ask is refused by one that is gone or full, after the call", () => {
  const { stage, asker, asked } = pair();
  const full = stage.puppet("full", { mailboxLimit: 0 });
  stage.system.stop(asked);
  stage.taken();
  stage.act(asker, (context) => {
    ask(stage, context, asked, () => void stage.notes.push("asked"));
    ask(stage, context, full, () => void stage.notes.push("asked"));
    stage.notes.push("goes on");
  });
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["goes on", "refused", "refused"]);
});

Deno.test("runtime 6.5: the first answer counts, and a later one is refused", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) =>
    ask(stage, context, asked, (replyTo) => {
      assertEquals(replyTo.tell("first"), true);
      assertEquals(replyTo.tell("second"), false);
    }));
  assertEquals(stage.taken(), ["reply first"]);
});

Deno.test("runtime 6.6: a reply told before the one asked fails is the answer", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) =>
    ask(stage, context, asked, (replyTo) => {
      replyTo.tell("yes");
      throw new Error("and fails");
    }));
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["asked stopped", "reply yes"]);
});

Deno.test("runtime 6.7: when the asker is gone nothing comes, and the reply is refused", () => {
  for (const end of ["stop", "restart"] as const) {
    const stage = new Stage();
    const asked = stage.puppet("asked");
    const asker = stage.puppet("asker", restarting(1));
    let replyTo!: Ref<string>;
    stage.act(asker, (context) => ask(stage, context, asked, (ref) => void (replyTo = ref)));
    stage.act(asker, end === "stop" ? (context) => context.stop() : fail("oh"));
    assertEquals(replyTo.tell("yes"), false);
    stage.environment.advance(1000);
    stage.system.stop(asked);
    stage.run();
    assertEquals(stage.taken(), ["asker stopped", "asked stopped"]);
    assertEquals(stage.environment.world.timers, 0);
  }
});

Deno.test("runtime 6.7: an answer that is queued when the asker restarts does not come", () => {
  const stage = new Stage();
  const asked = stage.puppet("asked");
  const asker = stage.puppet("asker", restarting(1));
  stage.act(asker, (context) => {
    ask(stage, context, asked, (replyTo) => {
      asker.tell(fail("first"));
      assertEquals(replyTo.tell("yes"), true);
    });
  });
  assertEquals(stage.taken(), ["asker stopped"]);
});

Deno.test("runtime 6.8: watching a reply ref tells when nobody waits for the answer any more", () => {
  for (const end of ["reply", "timed-out", "asker stopped"] as const) {
    const stage = new Stage();
    const [asked, asker] = [stage.puppet("asked"), stage.puppet("asker")];
    let replyTo!: Ref<string>;
    stage.act(asker, (context) =>
      ask(stage, context, asked, (ref, askedContext) => {
        replyTo = ref;
        askedContext.watch(ref, stage.note("nobody waits"));
      }));
    assertEquals(stage.taken(), []);
    if (end === "reply") replyTo.tell("yes");
    if (end === "timed-out") stage.environment.advance(100);
    if (end === "asker stopped") stage.system.stop(asker);
    stage.run();
    assertEquals(stage.taken().filter((note) => note === "nobody waits").length, 1, end);
    stage.act(asked, (context) => context.watch(replyTo, stage.note("still nobody")));
    assertEquals(stage.taken(), ["still nobody"]);
  }
});

Deno.test("ask: a question that cannot be made fails the asker and leaves nothing behind", () => {
  const { stage, asker, asked } = pair();
  stage.act(asker, (context) => {
    context.ask<Act, string>(asked, 100, () => {
      throw new Error("no question");
    }, (result) => stage.note(result.kind));
  });
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["asker stopped"]);
});

Deno.test("ask: a ref that is not the runtime's can be asked", () => {
  const { stage, asker } = pair();
  const stub: Ref<Ref<string>> = {
    address: asker.address,
    tell: (replyTo) => replyTo.tell("from a stub"),
  };
  stage.act(asker, (context) => {
    context.ask<Ref<string>, string>(
      stub,
      100,
      (replyTo) => replyTo,
      (result) => stage.note(result.kind),
    );
  });
  assertEquals(stage.taken(), ["reply"]);
});

class CountingRef extends RuntimeRef<Ref<string>> {
  registered = 0;
  readonly target: Target = {
    addWatch: () => true,
    removeWatch: () => {},
    addAsk: () => void this.registered++,
    removeAsk: () => void this.registered--,
  };
  constructor(readonly address: Address, readonly told: (replyTo: Ref<string>) => boolean) {
    super();
  }
  tell(replyTo: Ref<string>): boolean {
    return this.told(replyTo);
  }
}

Deno.test("ask: one that is answered, refused, late or given up leaves nothing behind", () => {
  for (const end of ["reply", "refused", "timed-out", "given up"] as const) {
    const { stage, asker } = pair();
    const ref = new CountingRef(asker.address, (replyTo) => {
      assertEquals(ref.registered, 1);
      if (end === "reply") replyTo.tell("yes");
      return end !== "refused";
    });
    stage.act(asker, (context) => {
      const answered = (result: AskResult<string>) => stage.note(result.kind);
      context.ask<Ref<string>, string>(ref, 100, (replyTo) => replyTo, answered);
    });
    if (end === "timed-out") stage.environment.advance(100);
    if (end === "given up") stage.system.stop(asker);
    stage.run();
    assertEquals([ref.registered, stage.environment.world.timers], [0, 0], end);
    assertEquals(stage.taken(), [end === "given up" ? "asker stopped" : end]);
  }
});

Deno.test("ask: to oneself is answered like any other", () => {
  const { stage, asker } = pair();
  stage.act(asker, (context) => ask(stage, context, asker, (replyTo) => void replyTo.tell("me")));
  assertEquals(stage.taken(), ["reply me"]);
});
