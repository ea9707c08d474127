import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { Simulation } from "../../../actors/sim/simulation.ts";
import type { SimulatedNode, Stoppable } from "../../../actors/sim/simulated_node.ts";
import { CALM_WORLD } from "../../../actors/sim/world_options.ts";
import { type Connection, NetworkError } from "../../../net/network.ts";
import { DiskError } from "../../../storage/disk.ts";

const IDLE: Stoppable = { crash: () => {} };

function calm(options: Partial<ConstructorParameters<typeof Simulation>[0]> = {}): Simulation {
  return new Simulation({ seed: 1, world: CALM_WORLD, ...options });
}

/** Starts a node that does nothing and returns its environment. */
function start(node: SimulatedNode): Environment {
  node.start(() => IDLE);
  return node.environment!;
}

/** Starts everything that calls back later, on a node; `called` gets the names of those that do. */
function beginAll(simulation: Simulation, environment: Environment, called: string[]): void {
  environment.timers.schedule(1, () => called.push("timer"));
  environment.dispatcher.atEndOfTurn(() => called.push("end of turn"));
  const box = environment.dispatcher.mailbox(10, () => called.push("message"));
  box.push(0, {});
  const file = environment.disk.open("f", { create: true });
  file.write(new Uint8Array(10), 0);
  file.syncLater(() => called.push("sync"));
  file.readLater(new Uint8Array(10), 0, () => called.push("read"));
  const server = simulation.node("server");
  environment.network.connect({ host: server.name, port: 1 }, () => called.push("connect"));
}

Deno.test("simulated node: what a process began comes back, later, as events", () => {
  const simulation = calm();
  start(simulation.node("server"));
  const called: string[] = [];
  beginAll(simulation, start(simulation.node("a")), called);
  assertEquals(called, []);
  simulation.run();
  const all = ["connect", "end of turn", "message", "read", "sync", "timer"];
  assertEquals(called.sort(), all);
});

for (const powerLoss of [false, true]) {
  Deno.test(`simulated node: nothing a process began comes back after a ${powerLoss ? "power loss" : "crash"}`, () => {
    const simulation = calm();
    start(simulation.node("server"));
    const node = simulation.node("a");
    const called: string[] = [];
    const environment = start(node);
    beginAll(simulation, environment, called);
    node.crash({ powerLoss });
    assertEquals(node.state, "down");
    node.restart();
    simulation.run();
    assertEquals(called, []);
  });
}

Deno.test("simulated node: the environment of a process that is gone has no effect", () => {
  const simulation = calm();
  const server = start(simulation.node("server"));
  let accepted = 0;
  server.network.listen({ host: "0.0.0.0", port: 1 }, () => accepted++);
  const node = simulation.node("a");
  const old = start(node);
  const oldFile = old.disk.open("f", { create: true });
  node.crash();
  const young = start(node);
  const called: string[] = [];
  old.timers.schedule(1, () => called.push("timer"));
  old.dispatcher.atEndOfTurn(() => called.push("end of turn"));
  assertEquals(old.dispatcher.mailbox(10, () => called.push("message")).push(0, {}), false);
  old.network.connect({ host: "server", port: 1 }, () => called.push("connect"));
  old.network.listen({ host: "0.0.0.0", port: 2 }, () => called.push("accept"));
  assertThrows(() => old.disk.open("g", { create: true }), DiskError);
  assertThrows(() => old.disk.remove("f"), DiskError);
  assertThrows(() => oldFile.write(new Uint8Array(1), 0), DiskError);
  assertEquals(young.disk.list("").map(({ name }) => name), ["f"]);
  young.network.listen({ host: "0.0.0.0", port: 2 }, () => {});
  simulation.run();
  assertEquals(called, []);
  assertEquals(accepted, 0);
});

Deno.test("simulated node: an actor system runs on it, and a crash drops its actors", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const got: string[] = [];
  let ref: Ref<string> | undefined;
  let stopped = 0;
  node.start((environment) => {
    const system = new ActorSystem({ environment, node: 1, probe: node.probe });
    ref = system.spawn<string>("one", (context) => ({
      receive(message) {
        got.push(message);
        if (message === "hello") context.startTimer("t", 5, "timer");
        if (message === "timer") context.self.tell("last");
      },
      stopped: () => stopped++,
    }));
    return system;
  });
  ref!.tell("hello");
  simulation.run();
  assertEquals(got, ["hello", "timer", "last"]);
  ref!.tell("hello");
  node.crash();
  simulation.run();
  assertEquals(got.length, 3);
  assertEquals(ref!.tell("more"), false);
  assertEquals(stopped, 0);
});

Deno.test("simulated node: stop shuts down in good order, then the process is gone", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const order: string[] = [];
  node.start((environment) => {
    const system = new ActorSystem({ environment, node: 1 });
    system.spawn("one", () => ({ receive: () => {}, stopped: () => order.push("stopped") }));
    return system;
  });
  node.stop(() => order.push("done"));
  simulation.run();
  assertEquals(order, ["stopped", "done"]);
  assertEquals(node.state, "down");
  assertEquals(node.crashes, 0);
  node.restart();
  assertEquals(node.state, "up");
});

Deno.test("simulated node: a crash keeps what was written, a power loss what was synced", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const write = (path: string, synced: boolean) => {
    const { disk } = node.environment!;
    const file = disk.open(path, { create: true });
    file.write(new Uint8Array(100).fill(7), 0);
    if (!synced) return;
    file.sync();
    disk.syncDirectory("");
  };
  start(node);
  write("synced", true);
  write("unsynced", false);
  node.crash();
  assertEquals(start(node).disk.list("").map(({ name }) => name), ["synced", "unsynced"]);
  let lost = false;
  for (let round = 0; round < 20 && !lost; round++) {
    write(`more${round}`, false);
    node.crash({ powerLoss: true });
    const { disk } = start(node);
    assertEquals(disk.open("synced").size(), 100);
    lost = disk.status(`more${round}`) === undefined;
  }
  assert(lost, "no unsynced name was lost in 20 power losses");
});

Deno.test("simulated node: each incarnation has a name and draws of its own, the same in each run", () => {
  const lives = () => {
    const node = calm().node("a");
    const drawn: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { process, random } = start(node);
      drawn.push(`${process} ${random.stream("ids").uuid()}`);
      node.crash();
    }
    return drawn;
  };
  assertEquals(lives(), lives());
  assertEquals(new Set(lives().map((life) => life.split(" ")[0])).size, 3);
  assertEquals(new Set(lives().map((life) => life.split(" ")[1])).size, 3);
});

Deno.test("simulated node: while paused nothing happens on it and its clocks go on", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const environment = start(node);
  const fired: number[] = [];
  const began = environment.clock.monotonic();
  for (const delay of [30, 10, 500]) {
    environment.timers.schedule(delay, () => fired.push(environment.clock.monotonic() - began));
  }
  node.pause();
  assertEquals(node.state, "paused");
  simulation.run({ forMs: 100 });
  assertEquals(fired, []);
  node.resume();
  simulation.run({ forMs: 1 });
  assertEquals(fired, [100, 100]);
  simulation.run();
  assertEquals(fired, [100, 100, 500]);
});

Deno.test("simulated node: a paused node that crashes starts unpaused", () => {
  const simulation = calm();
  const node = simulation.node("a");
  start(node).timers.schedule(1, () => assert(false, "timer of the dead"));
  node.pause();
  simulation.run({ forMs: 10 });
  node.crash();
  node.restart();
  assertEquals(node.state, "up");
  simulation.run();
});

Deno.test("simulated node: wall clocks can be stepped back, monotonic time never goes back", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const { clock } = start(node);
  const wall = clock.wall();
  let last = clock.monotonic();
  const checkMonotonic = () => {
    const now = clock.monotonic();
    assert(now >= last, `${now} after ${last}`);
    last = now;
  };
  node.clock.stepWall(-5000);
  assertEquals(clock.wall(), wall - 5000);
  checkMonotonic();
  for (const ppm of [1000, -1000, 0, -900_000]) {
    node.clock.driftPpm = ppm;
    for (let i = 0; i < 10; i++) {
      simulation.run({ forMs: 7 });
      checkMonotonic();
    }
  }
});

Deno.test("simulated node: a clock that drifts is ahead by its share, and timers keep its time", () => {
  const simulation = calm({ world: { ...CALM_WORLD, driftPpmMax: 0 } });
  const fast = simulation.node("fast");
  const exact = simulation.node("exact");
  const environments = [start(fast), start(exact)] as const;
  fast.clock.driftPpm = 100_000;
  const [fastFrom, exactFrom] = environments.map(({ clock }) => clock.monotonic());
  const fired: string[] = [];
  environments.forEach((environment, index) => {
    const began = environment.clock.monotonic();
    environment.timers.schedule(1000, () => {
      fired.push(index === 0 ? "fast" : "exact");
      const took = environment.clock.monotonic() - began;
      assert(took >= 1000 && took < 1000.01, String(took));
    });
  });
  simulation.run({ forMs: 2000 });
  assertEquals(environments[0].clock.monotonic() - fastFrom!, 2200);
  assertEquals(environments[1].clock.monotonic() - exactFrom!, 2000);
  assertEquals(fired, ["fast", "exact"]);
});

Deno.test("simulated node: a boot that throws ends the process, and fails the run unless taken", () => {
  const exits: string[] = [];
  const taken = calm({ exited: (node, error) => exits.push(`${node.name}: ${error}`) });
  taken.node("a").start(() => {
    throw new Error("No disk");
  });
  assertEquals(exits, ["a: Error: No disk"]);
  assertEquals(taken.node("a").state, "down");
  const strict = calm();
  assertThrows(
    () =>
      strict.node("a").start(() => {
        throw new Error("No disk");
      }),
    Error,
    "Process of a ended: Error: No disk",
  );
});

Deno.test("simulated node: a process may end itself, and be started again", () => {
  const exits: string[] = [];
  const simulation = calm({ exited: (node, reason) => exits.push(`${node.name}: ${reason}`) });
  const node = simulation.node("a");
  start(node).timers.schedule(5, () => node.exit("disk failed"));
  node.environment!.timers.schedule(10, () => assert(false, "timer of the dead"));
  simulation.run();
  assertEquals(exits, ["a: disk failed"]);
  assertEquals([node.state, node.crashes], ["down", 1]);
  node.exit("again");
  node.restart();
  assertEquals(node.state, "up");
});

Deno.test("simulated node: a process that ends itself fails the run, whoever catches that", () => {
  const simulation = calm();
  const node = simulation.node("a");
  node.start((environment) => {
    const system = new ActorSystem({ environment, node: 1 });
    system.spawn<string>("one", () => ({ receive: () => node.exit("odd") })).tell("go");
    return system;
  });
  assertThrows(() => simulation.run(), Error, "Process of a ended: odd");
});

Deno.test("simulated node: a process may crash while it boots", () => {
  const node = calm().node("a");
  let crashed = 0;
  node.start(() => {
    node.crash();
    return { crash: () => crashed++ };
  });
  assertEquals(node.state, "down");
  assertEquals(crashed, 1);
});

Deno.test("simulated node: two nodes talk, and a crash resets their connection", () => {
  const simulation = calm();
  const [a, b] = [start(simulation.node("a")), start(simulation.node("b"))];
  const heard: string[] = [];
  const listen = (name: string, connection: Connection) => {
    const space = new Uint8Array(100);
    connection.start({
      space: () => space,
      filled: (count) => heard.push(`${name} ${count}`),
      closed: (error) => heard.push(`${name} closed ${error?.kind ?? ""}`),
    });
  };
  b.network.listen({ host: "b", port: 5 }, (connection) => listen("b", connection));
  let sender: Connection | undefined;
  a.network.connect({ host: "b", port: 5 }, (result) => {
    assert(!(result instanceof NetworkError));
    listen("a", result);
    sender = result;
    result.write(new Uint8Array(42));
  });
  simulation.run();
  assertEquals(heard, ["b 42"]);
  simulation.node("b").crash();
  simulation.run();
  sender!.write(new Uint8Array(1));
  simulation.run();
  assertEquals(heard, ["b 42", "a closed "]);
});

Deno.test("simulated node: throwInHandler fails the nth message from now, once", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const got: number[] = [];
  let ref: Ref<number> | undefined;
  node.start((environment) => {
    const system = new ActorSystem({ environment, node: 1, probe: node.probe });
    ref = system.spawn<number>("one", () => ({ receive: (message) => void got.push(message) }), {
      supervision: { kind: "restart", limit: 5, withinMs: 1000 },
    });
    return system;
  });
  node.throwInHandler(3);
  for (let i = 1; i <= 5; i++) ref!.tell(i);
  simulation.run();
  assertEquals(got, [1, 2, 4, 5]);
  assertEquals(node.throws, 1);
});

Deno.test("simulated node: lines are logged with the node's name and time", () => {
  const lines: string[] = [];
  const simulation = calm({
    log: (node, line) => lines.push(`${node}: ${line}`),
    logLevel: "info",
  });
  const { logger } = start(simulation.node("a"));
  logger.log("debug", "small");
  logger.with({ topic: "t" }).log("warn", "big", { error: new Error("Odd") });
  assertEquals(lines, [
    `a: time=2023-11-14T22:13:20.000Z level=warn event=big topic=t error="Error: Odd"`,
  ]);
  assertNotEquals(lines.length, 0);
});

Deno.test("simulated node: reads of its process fail, not those of whoever looks on", () => {
  const simulation = calm();
  const node = simulation.node("a");
  const environment = start(node);
  const file = environment.disk.open("f", { create: true });
  file.write(new Uint8Array(10), 0);
  const read = () => file.read(new Uint8Array(10), 0);
  const seen: number[] = [];
  simulation.afterEvent(() => seen.push(read()));
  node.disk.failReads(1);
  environment.timers.schedule(1, () => {});
  environment.timers.schedule(2, () => void assertThrows(read, DiskError));
  simulation.run();
  assertEquals(seen, [10, 10]);
  assertEquals(read(), 10);
});
