/**
 * The actor runtime by itself: a counter on one node, asked and told from another over TCP, that
 * fails and is made anew by its supervisor. The failure is a log line on standard error.
 *
 * What the runtime promises is in docs/semantics.md. Run it with
 * `deno run -A examples/linked_actors.ts`.
 */
import {
  type Actor,
  type ActorContext,
  ActorSystem,
  type AskResult,
  denoEnvironment,
  jsonMessages,
  type LinkUp,
  type Ref,
  Remoting,
  secretHandshake,
} from "../mod.ts";

/** What a counter can be told: the first two by anybody, anywhere. */
type CounterMessage =
  | { readonly kind: "add"; readonly by: number }
  | { readonly kind: "total"; readonly replyTo: Ref<number> };

/** Its state begins anew with each life. */
function counter(_context: ActorContext<CounterMessage>): Actor<CounterMessage> {
  let total = 0;
  return {
    receive(message) {
      switch (message.kind) {
        case "add":
          if (!Number.isFinite(message.by)) throw new Error(`Cannot add ${message.by}`);
          total += message.by;
          return;
        case "total":
          message.replyTo.tell(total);
      }
    },
  };
}

type AskerMessage =
  | { readonly kind: "linked"; readonly link: LinkUp }
  | { readonly kind: "unlinked" }
  | { readonly kind: "answered"; readonly result: AskResult<number> };

/** Finds the counter at the other end of the link, and asks it twice. */
function asker(context: ActorContext<AskerMessage>): Actor<AskerMessage> {
  let counter: Ref<CounterMessage>;
  let answers = 0;
  const ask = () =>
    context.ask<CounterMessage, number>(
      counter,
      1000,
      (replyTo) => ({ kind: "total", replyTo }),
      (result) => ({ kind: "answered", result }),
    );
  return {
    receive(message) {
      switch (message.kind) {
        case "linked":
          counter = message.link.find<CounterMessage>("counter");
          for (const by of [1, 2, 3]) counter.tell({ kind: "add", by });
          return ask();
        case "unlinked":
          return;
        case "answered": {
          const { result } = message;
          console.log("total", result.kind === "reply" ? result.reply : result.kind);
          if (++answers === 2) return done.resolve();
          // JSON knows no such number: it arrives as null, and the counter fails.
          counter.tell({ kind: "add", by: NaN });
          return ask();
        }
      }
    },
  };
}

/** A node: its actors, and its links to others. */
function makeNode(node: number) {
  const environment = denoEnvironment({ dataRoot: "." });
  const system = new ActorSystem({ environment, node });
  const remoting = new Remoting({
    system,
    codec: jsonMessages,
    handshake: (role) => secretHandshake(role, node, "open sesame"),
  });
  return { environment, system, remoting };
}

const done = Promise.withResolvers<void>();
const one = makeNode(1);
const counterRef = one.system.spawn("counter", counter, {
  supervision: { kind: "restart", limit: 3, withinMs: 1000 },
});
one.remoting.publish("counter", counterRef);
const listener = one.environment.network.listen(
  { host: "127.0.0.1", port: 0 },
  (connection) => one.remoting.accept(connection),
);

const two = makeNode(2);
const askerRef = two.system.spawn("asker", asker);
two.remoting.connect({
  name: "to-one",
  address: () => listener.address,
  up: (link) => void askerRef.tell({ kind: "linked", link }),
  down: () => void askerRef.tell({ kind: "unlinked" }),
});
await done.promise;

listener.close();
for (const { system } of [two, one]) {
  await new Promise<void>((resolve) => system.shutdown(resolve));
}
