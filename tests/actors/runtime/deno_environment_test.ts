import { assert, assertEquals } from "@std/assert";
import { denoEnvironment, denoTimers } from "../../../actors/runtime/deno_environment.ts";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { MemoryNetwork } from "../../../net/memory_network.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";

function environment(): Environment {
  return denoEnvironment({
    dataRoot: "unused",
    disk: new MemoryDisk(),
    network: new MemoryNetwork().host("here"),
  });
}

Deno.test("deno environment: actors run, timers fire in time, and shutdown leaves nothing", async () => {
  const system = new ActorSystem({ environment: environment(), node: 1 });
  const { clock } = system.environment;
  const handled: number[] = [];
  const begun = clock.monotonic();
  let took = 0;
  await new Promise<void>((resolve) => {
    const one = system.spawn<number>("one", (context) => ({
      receive(count) {
        handled.push(count);
        if (count === 0) context.startTimer("late", 12.5, -1);
        else if (count > 0) context.self.tell(count - 1);
        else {
          took = clock.monotonic() - begun;
          system.shutdown(resolve);
        }
      },
    }));
    one.tell(3000);
  });
  assertEquals(handled.length, 3002);
  assert(took >= 12.5, `${took}`);
});

Deno.test("deno environment: a long run of messages lets I/O in", async () => {
  const system = new ActorSystem({ environment: environment(), node: 1 });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  let stop = false;
  let handled = 0;
  const done = new Promise<void>((resolve) => {
    const one = system.spawn<number>("one", (context) => ({
      receive() {
        handled++;
        if (stop) system.shutdown(resolve);
        else context.self.tell(0);
      },
    }));
    one.tell(0);
  });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  (await accepted).close();
  stop = true;
  await done;
  assert(handled > 0);
  connection.close();
  listener.close();
});

Deno.test("deno environment: a socket does not wait behind many long turns", async () => {
  const system = new ActorSystem({ environment: environment(), node: 1 });
  const { clock } = system.environment;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [server, client] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  ]);
  let isRead = false;
  const read = server.read(new Uint8Array(1)).then(() => isRead = true);
  let turns = 0;
  await new Promise<void>((resolve) => {
    const one = system.spawn<number>("one", (context) => ({
      receive() {
        if (isRead) return system.shutdown(resolve);
        const end = clock.monotonic() + 2;
        while (clock.monotonic() < end);
        if (turns++ === 0) client.write(new Uint8Array(1));
        context.self.tell(0);
      },
    }));
    one.tell(0);
  });
  await read;
  for (const resource of [server, client, listener]) resource.close();
  assert(turns < 20, `read after ${turns} turns`);
});

Deno.test("deno environment: streams are named, differ, and give ids", () => {
  const { random } = environment();
  const stream = random.stream("a");
  assert(random.stream("a") === stream);
  const draw = (name: string) =>
    Array.from({ length: 4 }, () => random.stream(name).integer(2 ** 32));
  assert(String(draw("a")) !== String(draw("b")));
  assertEquals(new Set([stream.uuid(), stream.uuid(), stream.uuid()]).size, 3);
  assert(
    String(draw("a")) !== String(
      Array.from({ length: 4 }, () => environment().random.stream("a").integer(2 ** 32)),
    ),
  );
});

Deno.test("deno environment: a timer longer than the system keeps is set in steps", () => {
  const steps: [() => void, number][] = [];
  const cleared: unknown[] = [];
  const timers = denoTimers(
    (run, delayMs) => steps.push([run, delayMs]),
    (id) => void cleared.push(id),
  );
  let fired = 0;
  const timer = timers.schedule(2 ** 31 + 4.2, () => fired++);
  assertEquals(steps.map(([, delay]) => delay), [2 ** 31 - 1]);
  steps[0]![0]();
  assertEquals([fired, steps[1]![1]], [0, 6]);
  timer.cancel();
  assertEquals(cleared, [2]);
  steps[1]![0]();
  assertEquals(fired, 1);
});

Deno.test("deno environment: a timer does not fire before its time, fractions included", () => {
  const delays: number[] = [];
  const timers = denoTimers((_run, delayMs) => delays.push(delayMs), () => {});
  for (const delay of [0, 0.2, 1.5, 3]) timers.schedule(delay, () => {});
  assertEquals(delays, [0, 1, 2, 3]);
});

Deno.test("deno environment: end-of-turn work that throws is logged and hinders nobody", async () => {
  const events: string[] = [];
  const logger = {
    log: (level: string, event: string) => void events.push(`${level} ${event}`),
    with: () => logger,
  };
  const { dispatcher } = denoEnvironment({
    dataRoot: "unused",
    disk: new MemoryDisk(),
    network: new MemoryNetwork().host("here"),
    logger,
  });
  await new Promise<void>((resolve) => {
    dispatcher.atEndOfTurn(() => {
      throw new Error("oh");
    });
    dispatcher.atEndOfTurn(resolve);
  });
  assertEquals(events, ["error end of turn failed"]);
});
