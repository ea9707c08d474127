import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { BROKER_REGISTRATION } from "../../../net/messages/broker_registration.ts";
import { UNREGISTER_BROKER } from "../../../net/messages/unregister_broker.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

const SESSION_MS = 9000;

Deno.test("brokers: a registration's epoch is the offset of its record, which fences the broker", () => {
  const world = new DecisionWorld();
  const offset = world.nextOffset;
  assertEquals(world.register(1).brokerEpoch, offset);
  assertEquals(world.log[offset]?.kind, "RegisterBrokerRecord");
  assertEquals(world.image.brokers.get(1)?.epoch, offset);
  assertEquals(world.image.brokers.get(1)?.fenced, true);
});

Deno.test("brokers: the first heartbeat unfences, once the registration is applied", () => {
  const world = new DecisionWorld();
  world.register(1);
  const early = world.heartbeat(1, { behind: 1 });
  assertEquals([early.isFenced, early.isCaughtUp], [true, false]);
  const response = world.heartbeat(1);
  assertEquals([response.isFenced, response.isCaughtUp], [false, true]);
  assertEquals(world.image.brokers.get(1)?.fenced, false);
  const { nextOffset } = world;
  world.heartbeat(1);
  assertEquals(world.nextOffset, nextOffset);
});

Deno.test("brokers: another process is refused while the first has a session", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  const epoch = world.image.brokers.get(1)?.epoch;
  assertEquals(world.register(1).errorCode, ErrorCode.DUPLICATE_BROKER_REGISTRATION);
  assertEquals(world.image.brokers.get(1)?.epoch, epoch);
  world.pass(SESSION_MS + 3000);
  assertEquals(world.image.brokers.get(1)?.fenced, true);
  assertEquals(world.register(1).errorCode, ErrorCode.NONE);
});

Deno.test("brokers: the one of the controller's own node takes the place of an earlier one at once", () => {
  const world = new DecisionWorld({ brokers: [1], properties: { "node.id": "1" } });
  assertEquals(world.register(1).errorCode, ErrorCode.NONE);
});

Deno.test("brokers: to register again in the same process says the same epoch", () => {
  const world = new DecisionWorld();
  const incarnationId = "same".padEnd(22, "A");
  const { brokerEpoch } = world.register(1, { incarnationId });
  world.heartbeat(1);
  const { nextOffset } = world;
  const again = world.register(1, { incarnationId });
  assertEquals([again.errorCode, again.brokerEpoch], [ErrorCode.NONE, brokerEpoch]);
  assertEquals(world.nextOffset, nextOffset);
  assertEquals(world.image.brokers.get(1)?.fenced, false);
});

Deno.test("brokers: a registration without a listener, or with features too old, is refused", () => {
  const world = new DecisionWorld();
  const { errorCode, brokerEpoch } = world.ask(BROKER_REGISTRATION, { brokerId: 1 });
  assertEquals([errorCode, brokerEpoch], [ErrorCode.INVALID_REGISTRATION, -1]);
  const features = [{ name: "metadata.version", minSupportedVersion: 1, maxSupportedVersion: 22 }];
  assertEquals(world.register(1, { features }).errorCode, ErrorCode.UNSUPPORTED_VERSION);
  assertEquals(world.image.brokers.size, 0);
});

Deno.test("brokers: heartbeats of what is not registered, or was before, are refused", () => {
  const world = new DecisionWorld({ brokers: [1] });
  assertEquals(world.heartbeat(2).errorCode, ErrorCode.BROKER_ID_NOT_REGISTERED);
  const stale = world.heartbeat(1, { brokerEpoch: 0 });
  assertEquals([stale.errorCode, stale.isFenced], [ErrorCode.STALE_BROKER_EPOCH, true]);
});

Deno.test("brokers: a fenced broker leads nothing, is in no ISR, and is eligible below the minimum", () => {
  const world = new DecisionWorld({ brokers: [1, 2, 3] });
  world.createTopic("a", [[1, 2, 3]], { "min.insync.replicas": "2" });
  world.fence(1);
  assertEquals(standing(world.partition("a")), "2 [2,3] ()");
  world.fence(2);
  assertEquals(standing(world.partition("a")), "3 [3] (2)");
  world.fence(3);
  assertEquals(standing(world.partition("a")), "-1 [] (2,3)");
  assertEquals(world.partition("a").lastKnownElr, [3]);
});

Deno.test("brokers: an unfenced broker leads where nobody did, if it was eligible", () => {
  const world = new DecisionWorld({ brokers: [1, 2, 3] });
  world.createTopic("a", [[1, 2, 3]], { "min.insync.replicas": "2" });
  for (const id of [1, 2, 3]) world.fence(id);
  world.heartbeat(1);
  assertEquals(standing(world.partition("a")), "-1 [] (2,3)");
  world.heartbeat(2);
  assertEquals(standing(world.partition("a")), "2 [2] (3)");
  assertEquals(world.partition("a").lastKnownElr, []);
});

Deno.test("brokers: after a clean end the broker is still eligible", () => {
  const world = new DecisionWorld({ brokers: [1] });
  world.createTopic("a", [[1]]);
  world.fence(1);
  world.register(1, { clean: true });
  assertEquals(standing(world.partition("a")), "-1 [] (1)");
  world.heartbeat(1);
  assertEquals(standing(world.partition("a")), "1 [1] ()");
  assertEquals(world.partition("a").leaderRecoveryState, 0);
});

Deno.test("brokers: alone with its controller, one that ended in order goes on as it was", () => {
  const world = new DecisionWorld({ brokers: [1, 2], properties: { "node.id": "1" } });
  world.createTopic("a", [[1, 2]]);
  world.fence(2);
  const before = world.partition("a");
  const { brokerEpoch } = world.register(1, { clean: true });
  assertEquals(world.image.brokers.get(1)?.epoch, brokerEpoch);
  assertEquals(world.image.brokers.get(1)?.fenced, false);
  assertEquals(world.partition("a"), before);
});

for (
  const [why, id, { nodeId = "1", other = false, clean = true, wantFence = false }] of [
    ["has lost what it had not flushed", 1, { clean: false }],
    ["is not alone", 1, { other: true }],
    ["is on another node than the controller", 1, { nodeId: "7", wantFence: true }],
    ["was fenced", 1, { wantFence: true }],
  ] as const satisfies readonly (readonly [string, number, Record<string, unknown>])[]
) {
  Deno.test(`brokers: one that ${why} is registered fenced, in no ISR`, () => {
    const world = new DecisionWorld({ brokers: [1, 2], properties: { "node.id": nodeId } });
    world.createTopic("a", [[1, 2]]);
    if (!other) world.fence(2);
    if (wantFence) world.fence(id);
    world.register(id, { clean });
    assertEquals(world.image.brokers.get(id)?.fenced, true);
    assertEquals(world.partition("a").isr.includes(id), false);
  });
}

Deno.test("brokers: after an unclean end the broker is in no ISR and not eligible (B7)", () => {
  const world = new DecisionWorld({ brokers: [1, 2], properties: { "node.id": "1" } });
  world.createTopic("a", [[1, 2]], { "min.insync.replicas": "2" });
  world.fence(2);
  assertEquals(standing(world.partition("a")), "1 [1] (2)");
  const { leaderEpoch } = world.partition("a");
  world.start(1);
  assertEquals(standing(world.partition("a")), "-1 [] (2)");
  assertEquals(world.partition("a").leaderEpoch, leaderEpoch + 1);
  world.heartbeat(2);
  assertEquals(standing(world.partition("a")), "2 [2] ()");
});

Deno.test("brokers: an unclean end of the only replica raises the leader epoch, and it leads again", () => {
  const world = new DecisionWorld({ brokers: [1], properties: { "node.id": "1" } });
  world.createTopic("a", [[1]]);
  const { leaderEpoch } = world.partition("a");
  world.register(1);
  assertEquals(standing(world.partition("a")), "-1 [] ()");
  world.heartbeat(1);
  assertEquals(standing(world.partition("a")), "1 [1] ()");
  assert(world.partition("a").leaderEpoch > leaderEpoch);
  assertEquals(world.partition("a").leaderRecoveryState, 0);
});

Deno.test("brokers: where all have lost what they had not flushed, who led last leads, and recovers", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]], { "min.insync.replicas": "2" });
  world.fence(2);
  world.fence(1);
  world.start(2);
  assertEquals(standing(world.partition("a")), "-1 [] (1)");
  world.start(1);
  assertEquals(standing(world.partition("a")), "1 [1] ()");
  assertEquals(world.partition("a").leaderRecoveryState, 1);
});

Deno.test("brokers: without eligible replicas the last one stays in the ISR, and only it may lead", () => {
  const world = new DecisionWorld({ brokers: [1, 2], metadataVersion: 22 });
  world.createTopic("a", [[1, 2]]);
  world.fence(1);
  world.fence(2);
  assertEquals(standing(world.partition("a")), "-1 [2] ()");
  world.heartbeat(1);
  assertEquals(world.partition("a").leader, -1);
  world.start(2);
  assertEquals(standing(world.partition("a")), "2 [2] ()");
});

Deno.test("brokers: one that is silent is fenced after its session, the others are not", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  for (let ms = 0; ms < SESSION_MS - 1000; ms += 2000) {
    world.pass(2000);
    world.heartbeat(2);
  }
  assertEquals(world.image.brokers.get(1)?.fenced, false);
  world.pass(1000);
  world.heartbeat(2);
  world.pass(2000);
  assertEquals(world.image.brokers.get(1)?.fenced, true);
  assertEquals(world.image.brokers.get(2)?.fenced, false);
});

Deno.test("brokers: one is fenced as soon as its session is over", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.pass(1234);
  world.heartbeat(1);
  let fencedAt = 0;
  world.onBatch = () => {
    if (world.image.brokers.get(1)?.fenced) fencedAt ||= world.now;
  };
  const heardAt = world.now;
  for (let ms = 0; ms < 2 * SESSION_MS; ms += 500) {
    world.heartbeat(2);
    world.pass(500);
  }
  assert(fencedAt > heardAt + SESSION_MS && fencedAt <= heardAt + SESSION_MS + 2, `${fencedAt}`);
});

Deno.test("brokers: several that are silent are fenced one by one", () => {
  const world = new DecisionWorld({ brokers: [1, 2, 3] });
  const batches: number[] = [];
  world.onBatch = (records) => {
    batches.push(records.filter(({ kind }) => kind === "BrokerRegistrationChangeRecord").length);
  };
  world.pass(SESSION_MS + 2000);
  assertEquals(batches, [1, 1, 1]);
});

Deno.test("brokers: a stall of the controller is not held against them", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.now += 60_000;
  world.write(world.decisions.tick(world.now));
  assertEquals([...world.image.brokers.values()].map(({ fenced }) => fenced), [false, false]);
});

Deno.test("brokers: a new controller begins their sessions anew", () => {
  const world = new DecisionWorld({ brokers: [1] });
  world.pass(SESSION_MS - 1000);
  world.decisions.becameActive(world.now);
  world.pass(SESSION_MS - 1000);
  assertEquals(world.image.brokers.get(1)?.fenced, false);
});

Deno.test("brokers: one that wants to stop hands over what it leads, and waits for the others to know", () => {
  const world = new DecisionWorld({ brokers: [1, 2, 3] });
  world.createTopic("a", [[1, 2, 3]], { "min.insync.replicas": "2" });
  for (const id of [2, 3]) world.heartbeat(id);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, false);
  assertEquals(standing(world.partition("a")), "2 [2,3] ()");
  assertEquals(world.image.brokers.get(1)?.inControlledShutdown, true);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, false);
  world.heartbeat(2);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, false);
  world.heartbeat(3, { behind: 1 });
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, false);
  world.heartbeat(3);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, true);
  assertEquals(world.image.brokers.get(1)?.fenced, true);
});

Deno.test("brokers: a new controller lets one stop when the others have caught up with what it finds", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  world.heartbeat(1, { wantShutDown: true });
  world.decisions.becameActive(world.now);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, false);
  world.heartbeat(2);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, true);
});

Deno.test("brokers: one that leads nothing may stop at once, and leaves all ISRs", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[2, 1]]);
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, true);
  assertEquals(standing(world.partition("a")), "2 [2] ()");
  assertEquals(world.heartbeat(1, { wantShutDown: true }).shouldShutDown, true);
});

Deno.test("brokers: one in controlled shutdown gets no new partition and leads none", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  world.heartbeat(1, { wantShutDown: true });
  world.createTopic("b", [[1, 2]]);
  assertEquals(standing(world.partition("b")), "2 [2] ()");
});

Deno.test("brokers: one that is unregistered is gone, with what it led", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  assertEquals(world.ask(UNREGISTER_BROKER, { brokerId: 1 }).errorCode, ErrorCode.NONE);
  assertEquals(world.image.brokers.has(1), false);
  assertEquals(standing(world.partition("a")), "2 [2] ()");
  const again = world.ask(UNREGISTER_BROKER, { brokerId: 1 });
  assertEquals(again.errorCode, ErrorCode.BROKER_ID_NOT_REGISTERED);
});

Deno.test("brokers: one that was unregistered comes back as one that may have lost records", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]], { "min.insync.replicas": "2" });
  world.ask(UNREGISTER_BROKER, { brokerId: 1 });
  assertEquals(standing(world.partition("a")), "2 [2] (1)");
  world.start(1);
  assertEquals(standing(world.partition("a")), "2 [2] ()");
});
