import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { DecisionWorld, refusalOf, standing } from "./decision_world.ts";

const TOPIC = 2;
const BROKER = 4;
const MINIMUM = "min.insync.replicas";
const UNCLEAN = "unclean.leader.election.enable";

Deno.test("decisions: what is no request to the controller is refused", () => {
  const world = new DecisionWorld();
  const refusal = refusalOf(() => world.ask(METADATA, {}));
  assertStringIncludes(refusal.message, "Cannot decide Metadata");
  assertEquals(refusal.code, ErrorCode.UNSUPPORTED_VERSION);
});

Deno.test("decisions: refusals note no stack, which would cost a quarter second in a large request", () => {
  assertEquals("stack" in refusalOf(() => new DecisionWorld().ask(METADATA, {})), false);
});

Deno.test("decisions: a tick asks for the same again where it was not written", () => {
  const world = new DecisionWorld({ brokers: [1] });
  const { nextTickMs } = world.decisions;
  while (world.decisions.tick(world.now).length === 0) world.now += nextTickMs;
  const again = world.decisions.tick(world.now);
  assertEquals(again.map(({ kind }) => kind), ["BrokerRegistrationChangeRecord"]);
  assert(world.decisions.nextTickMs < nextTickMs, "there may be more to do");
  world.write(again);
  assertEquals(world.decisions.tick(world.now), []);
  assertEquals(world.decisions.nextTickMs, nextTickMs);
});

Deno.test("decisions: fewer that must be in sync leave nobody eligible beside them, in the same batch", () => {
  for (const [type, name] of [[TOPIC, "a"], [BROKER, ""]] as const) {
    const world = new DecisionWorld({ brokers: [1, 2] });
    world.configure(type, name, MINIMUM, "2");
    world.createTopic("a", [[1, 2]]);
    if (type === TOPIC) world.configure(type, name, MINIMUM, "2");
    world.fence(2);
    assertEquals(standing(world.partition("a")), "1 [1] (2)");
    const batches: number[] = [];
    world.onBatch = (records) => void batches.push(records.length);
    world.configure(type, name, MINIMUM, "1");
    assertEquals(standing(world.partition("a")), "1 [1] ()");
    assertEquals(batches, [2]);
  }
});

Deno.test("decisions: unclean elections are made as soon as they are allowed", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  world.fence(2);
  world.fence(1);
  world.heartbeat(2);
  assertEquals(standing(world.partition("a")), "-1 [] (1)");
  world.configure(TOPIC, "a", UNCLEAN, "true");
  assertEquals(standing(world.partition("a")), "2 [2] ()");
});

Deno.test("decisions: whether unclean elections are allowed is read live, by topic and for all", () => {
  for (const [type, name] of [[TOPIC, "a"], [BROKER, ""]] as const) {
    const world = new DecisionWorld({ brokers: [1, 2] });
    world.createTopic("a", [[1, 2]]);
    world.configure(type, name, UNCLEAN, "true");
    world.fence(2);
    world.fence(1);
    world.heartbeat(2);
    assertEquals(world.partition("a").leader, 2);
  }
});

Deno.test("decisions: a config that would be refused changes no partition", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]], { [MINIMUM]: "2" });
  world.fence(2);
  const before = world.partition("a");
  assertEquals(world.configure(TOPIC, "a", MINIMUM, "0"), ErrorCode.INVALID_CONFIG);
  assertEquals(world.configure(BROKER, "1", MINIMUM, "1"), ErrorCode.INVALID_CONFIG);
  assertEquals(world.partition("a"), before);
});

Deno.test("decisions: the minimum that the controller was started with becomes that of all brokers", () => {
  const properties = { [MINIMUM]: "2" };
  const world = new DecisionWorld({ brokers: [1, 2], properties });
  assertEquals(world.image.configs(BROKER, "").get(MINIMUM), "2");
  world.configure(BROKER, "", MINIMUM, "3");
  assertEquals(world.decisions.becameActive(world.now), []);
  assertEquals(new DecisionWorld().image.configs(BROKER, "").size, 0);
});
