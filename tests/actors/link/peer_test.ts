import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ServedApis } from "../../../actors/broker/apis/table.ts";
import type { ClientError } from "../../../actors/link/errors.ts";
import { type Held, Peer, type PeerOptions } from "../../../actors/link/peer.ts";
import type { ActorContext } from "../../../actors/runtime/actor.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { PeerRole } from "../../../net/handshake.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH, type FetchResponse } from "../../../net/messages/fetch.ts";
import { APIS, NODE_APIS } from "../../../net/messages/table.ts";
import { limitApis } from "../../../net/messages/version_limits.ts";
import { make } from "../../../net/schema/make.ts";
import { batchOf, BrokerWorld, NODE, PORT, valuesIn } from "../broker/broker_world.ts";

type Message =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "held"; readonly result: Held<FetchResponse> }
  | { readonly kind: "event"; readonly event: string }
  | { readonly kind: "do"; readonly run: (asker: Asker) => void };

/** An actor of another process that asks node 1 as node 2. */
class Asker {
  readonly results: unknown[] = [];
  readonly held: Held<FetchResponse>[] = [];
  readonly events: string[] = [];
  readonly pool = new BufferPool();
  readonly peer: Peer<Message>;
  readonly context: ActorContext<Message>;

  constructor(context: ActorContext<Message>, options: Partial<PeerOptions<Message>>) {
    this.context = context;
    this.peer = new Peer<Message>(context, {
      settings: {
        clientId: "node-2",
        requestTimeoutMs: 1000,
        socketConnectionSetupTimeoutMs: 1000,
        reconnectBackoff: { initialMs: 10, maxMs: 10 },
      },
      random: context.environment.random.stream("peer"),
      pool: this.pool,
      address: { host: NODE, port: PORT },
      role: PeerRole.NODE,
      nodeId: 2,
      expectedNodeId: 1,
      apis: [...APIS, ...NODE_APIS],
      ready: () => ({ kind: "event", event: "ready" }),
      lost: (error) => ({ kind: "event", event: `lost: ${error.errorName}` }),
      mayConnect: () => ({ kind: "event", event: "may connect" }),
      ...options,
    });
  }

  receive(message: Message): void {
    if (message.kind === "do") message.run(this);
    else if (message.kind === "event") this.events.push(message.event);
    else if (message.kind === "held") this.held.push(message.result);
    else this.results.push(message.result);
  }

  stopped(): void {
    this.peer.close();
  }

  ask(): void {
    const request = { clientSoftwareName: "a", clientSoftwareVersion: "b" };
    this.peer.send(API_VERSIONS, request, 1000, (result) => ({ kind: "result", result }));
  }

  fetch(topicId: string): void {
    const partitions = [{ partition: 0, partitionMaxBytes: 1000 }];
    const request = make(FETCH.request, { maxWaitMs: 0, topics: [{ topicId, partitions }] });
    this.peer.sendHolding(FETCH, request, 1000, (result) => ({ kind: "held", result }));
  }
}

function stage(world: BrokerWorld, options: Partial<PeerOptions<Message>> = {}) {
  const { environment } = world.simulation.node("client");
  const system = new ActorSystem({ environment: environment!, node: 2 });
  let asker: Asker | undefined;
  const { clusterId } = world.booted;
  const ref = system.spawn<Message>(
    "asker",
    (context) => asker = new Asker(context, { clusterId, ...options }),
  );
  return {
    system,
    ref,
    asker: asker!,
    run: (run: (asker: Asker) => void) => ref.tell({ kind: "do", run }),
  };
}

/** What comes of one question. */
function answerOf(world: BrokerWorld, options: Partial<PeerOptions<Message>>): unknown {
  const { asker, run } = stage(world, options);
  run((asker) => asker.ask());
  world.until(() => asker.results.length > 0, "an answer");
  return asker.results[0];
}

const codeOf = (result: unknown) => {
  assertInstanceOf(result, Error);
  return (result as ClientError).code;
};

Deno.test("peer: an actor asks a fellow node, and is told by a message", () => {
  const world = BrokerWorld.serving();
  const result = answerOf(world, {}) as { readonly apiKeys: readonly unknown[] };
  assertEquals(result.apiKeys.length, new ServedApis().forNodes.length);
});

Deno.test("peer: another node or another cluster at the address is not asked", () => {
  const world = BrokerWorld.serving();
  assertEquals(codeOf(answerOf(world, { expectedNodeId: 5 })), ErrorCode.BROKER_NOT_AVAILABLE);
  const elsewhere = answerOf(world, { clusterId: "elsewhere" });
  assertEquals(codeOf(elsewhere), ErrorCode.INCONSISTENT_CLUSTER_ID);
  // A client is told which cluster it is, and sees for itself.
  const asClient = answerOf(world, { role: PeerRole.CLIENT, clusterId: "elsewhere" });
  assertEquals(codeOf(asClient), ErrorCode.INCONSISTENT_CLUSTER_ID);
});

Deno.test("peer: who is shut out waits a second before the next attempt, however often it asks", () => {
  const world = BrokerWorld.serving();
  const { asker } = stage(world, { clusterId: "elsewhere" });
  asker.ask();
  world.until(() => asker.results.length > 0, "a refusal");
  const before = world.simulation.nowMs;
  asker.ask();
  world.until(() => asker.results.length > 1, "another refusal");
  assert(world.simulation.nowMs - before >= 1000);
});

Deno.test("peer: what the two do not both speak is not asked", () => {
  const world = BrokerWorld.serving();
  const apis = limitApis([...APIS, ...NODE_APIS], { ApiVersions: -1, Fetch: 13 });
  const { asker, run } = stage(world, { apis });
  run((asker) => asker.ask());
  world.until(() => asker.results.length > 0, "an answer");
  assertEquals(codeOf(asker.results[0]), ErrorCode.UNSUPPORTED_VERSION);
  assertEquals(asker.peer.versionOf(FETCH), 13);
  assertEquals(asker.peer.versionOf(API_VERSIONS), undefined);
});

Deno.test("peer: a node that is not there fails what is asked, and is tried again", () => {
  const world = BrokerWorld.serving();
  const { asker, run } = stage(world);
  world.crash();
  run((asker) => asker.ask());
  world.until(() => asker.results.length > 0, "an error");
  assertEquals(codeOf(asker.results[0]), ErrorCode.NETWORK_EXCEPTION);
  world.until(() => asker.events.includes("may connect"), "the wait is over");
  assertEquals(asker.events, ["lost: NETWORK_EXCEPTION", "may connect"]);
  world.start();
  run((asker) => asker.ask());
  world.until(() => asker.results.length > 1, "an answer");
  assert(!(asker.results[1] instanceof Error));
  assertEquals(asker.events.at(-1), "ready");
});

Deno.test("peer: records are held until the actor lets go of them", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "t");
  world.produce(client, "t", batchOf(["a", "b"]));
  const { asker, run } = stage(world);
  run((asker) => asker.fetch(topicId));
  world.until(() => asker.held.length > 0, "records");
  const [held] = asker.held;
  assert(held !== undefined && "hold" in held);
  assertEquals(valuesIn(held.response.responses[0]!.partitions[0]!.records), ["a", "b"]);
  held.hold.release();
  run((asker) => asker.peer.close());
  world.pass(100);
  assertEquals(asker.pool.statistics.lentBytes, 0);
});

Deno.test("peer: what comes for an actor that has closed it or stopped is let go of", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "t");
  world.produce(client, "t", batchOf(["a", "b"]));
  for (const end of ["close", "stop"]) {
    // At each moment of the exchange, also between the answer's arrival and the actor's turn.
    for (let events = 1; events < 60; events++) {
      const { asker, run, system, ref } = stage(world);
      run((asker) => asker.fetch(topicId));
      world.simulation.run({ events });
      const before = asker.held.length;
      if (end === "close") asker.peer.close();
      else system.stop(ref);
      world.pass(100);
      for (const held of asker.held.slice(0, before)) if ("hold" in held) held.hold.release();
      for (const held of asker.held.slice(before)) assert(!("hold" in held), `${events}`);
      assertEquals(asker.held.length, end === "close" ? 1 : before);
      assertEquals(asker.pool.statistics.lentBytes, 0, `after ${events} events`);
    }
  }
  client.close();
  world.pass(100);
  world.assertNothingHeld();
});

Deno.test("peer: what is asked of a closed one fails", () => {
  const world = BrokerWorld.serving();
  const { asker, run } = stage(world);
  run((asker) => {
    asker.peer.close();
    asker.ask();
  });
  world.until(() => asker.results.length > 0, "an error");
  assertInstanceOf(asker.results[0], Error);
});
