import { assertEquals } from "@std/assert";
import { alterConfigs, incrementalAlterConfigs } from "../../../actors/controller/configs.ts";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  brokerRecord,
  commit,
  contextOf,
  imageOf,
  topicConfigRecord,
  topicRecords,
} from "./images.ts";

const { topic: TOPIC, broker: BROKER, group: GROUP } = CONFIG_RESOURCE;
const SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3;

type Change = readonly [name: string, configOperation: number, value: string | null];

function change(resourceType: number, resourceName: string, ...changes: Change[]) {
  const configs = changes.map(([name, configOperation, value]) => ({
    name,
    configOperation,
    value,
  }));
  return { resources: [{ resourceType, resourceName, configs }], validateOnly: false };
}

function image() {
  return imageOf(
    brokerRecord(1),
    topicRecords("a", 1),
    topicConfigRecord("a", "flush.ms", "7"),
    topicConfigRecord("a", "retention.ms", "8"),
  );
}

Deno.test("configs: an incremental change leaves the others", () => {
  const cluster = image();
  const request = change(TOPIC, "a", ["segment.ms", SET, "9"], ["flush.ms", DELETE, null]);
  const { responses } = commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
  assertEquals(responses[0]?.errorCode, ErrorCode.NONE);
  assertEquals([...cluster.configs(TOPIC, "a")], [["retention.ms", "8"], ["segment.ms", "9"]]);
});

Deno.test("configs: what a full change does not name goes back to its default", () => {
  const cluster = image();
  const resources = [{
    resourceType: TOPIC,
    resourceName: "a",
    configs: [{ name: "flush.ms", value: "1" }],
  }];
  commit(cluster, alterConfigs(contextOf(cluster), { resources, validateOnly: false }));
  assertEquals([...cluster.configs(TOPIC, "a")], [["flush.ms", "1"]]);
});

Deno.test("configs: a check alone writes nothing and still refuses", () => {
  const cluster = image();
  const check = (value: string) =>
    incrementalAlterConfigs(contextOf(cluster), {
      ...change(TOPIC, "a", ["flush.ms", SET, value]),
      validateOnly: true,
    });
  assertEquals(check("1").records, []);
  assertEquals(check("1").response.responses[0]?.errorCode, ErrorCode.NONE);
  assertEquals(check("x").response.responses[0]?.errorCode, ErrorCode.INVALID_CONFIG);
});

const lists: readonly (readonly [string, number, string, string])[] = [
  ["delete", APPEND, "compact", "delete,compact"],
  ["delete", APPEND, "delete", "delete"],
  ["delete,compact", SUBTRACT, "delete", "compact"],
  ["compact", SUBTRACT, "delete", "compact"],
];

for (const [present, operation, value, after] of lists) {
  const verb = operation === APPEND ? "plus" : "minus";
  Deno.test(`configs: the list ${present} ${verb} ${value} is ${after}`, () => {
    const cluster = imageOf(
      topicRecords("a", 1),
      topicConfigRecord("a", "cleanup.policy", present),
    );
    const request = change(TOPIC, "a", ["cleanup.policy", operation, value]);
    commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
    assertEquals(cluster.configs(TOPIC, "a").get("cleanup.policy"), after);
  });
}

Deno.test("configs: what is added to a list that is not set is added to its default", () => {
  const cluster = imageOf(topicRecords("a", 1));
  const request = change(TOPIC, "a", ["cleanup.policy", APPEND, "compact"]);
  commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
  assertEquals(cluster.configs(TOPIC, "a").get("cleanup.policy"), "delete,compact");

  const other = imageOf(topicRecords("a", 1));
  const context = contextOf(other, { "log.cleanup.policy": "compact" });
  commit(other, incrementalAlterConfigs(context, request));
  assertEquals(other.configs(TOPIC, "a").get("cleanup.policy"), "compact");
});

Deno.test("configs: a broker's are set for one broker or for all", () => {
  const cluster = image();
  for (const name of ["", "1"]) {
    const request = change(BROKER, name, ["max.connections", SET, "5"]);
    commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
    assertEquals(cluster.configs(BROKER, name).get("max.connections"), "5");
  }
});

const refused: readonly (readonly [string, ReturnType<typeof change>, ErrorCode])[] = [
  ["of no topic", change(TOPIC, "b"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ["of no broker", change(BROKER, "2"), ErrorCode.INVALID_REQUEST],
  ["of a broker whose id is no number", change(BROKER, "x"), ErrorCode.INVALID_REQUEST],
  ["of another kind of resource", change(8, "1"), ErrorCode.INVALID_REQUEST],
  ["that is unknown", change(TOPIC, "a", ["flush", SET, "1"]), ErrorCode.INVALID_CONFIG],
  ["without a value", change(TOPIC, "a", ["flush.ms", SET, null]), ErrorCode.INVALID_REQUEST],
  ["that is no list", change(TOPIC, "a", ["flush.ms", APPEND, "1"]), ErrorCode.INVALID_CONFIG],
  [
    "of one config twice",
    change(TOPIC, "a", ["flush.ms", SET, "1"], ["flush.ms", SET, "2"]),
    ErrorCode.INVALID_REQUEST,
  ],
  ["in an unknown way", change(TOPIC, "a", ["flush.ms", 9, "1"]), ErrorCode.INVALID_REQUEST],
  [
    "to a list with a stranger in it",
    change(TOPIC, "a", ["cleanup.policy", APPEND, "shrink"]),
    ErrorCode.INVALID_CONFIG,
  ],
  [
    "that a broker reads at its start only",
    change(BROKER, "1", ["num.partitions", SET, "2"]),
    ErrorCode.INVALID_CONFIG,
  ],
];

/** Changes of a group, and why they are refused; "" where they are not. */
const ofGroups: readonly (readonly [string, string, ...Change[]])[] = [
  ["", "g", ["consumer.session.timeout.ms", SET, "45000"]],
  ["", "g", ["consumer.session.timeout.ms", SET, "60000"], [
    "consumer.heartbeat.interval.ms",
    SET,
    "15000",
  ]],
  ["", "g", ["consumer.session.timeout.ms", DELETE, null]],
  ["The group's name is empty", "", ["consumer.session.timeout.ms", SET, "45000"]],
  [
    "consumer.session.timeout.ms=44999 is less than group.consumer.min.session.timeout.ms=45000",
    "g",
    ["consumer.session.timeout.ms", SET, "44999"],
  ],
  [
    "consumer.session.timeout.ms=60001 is more than group.consumer.max.session.timeout.ms=60000",
    "g",
    ["consumer.session.timeout.ms", SET, "60001"],
  ],
  [
    "consumer.heartbeat.interval.ms=15001 is more than " +
    "group.consumer.max.heartbeat.interval.ms=15000",
    "g",
    ["consumer.heartbeat.interval.ms", SET, "15001"],
  ],
  [
    "consumer.heartbeat.interval.ms=often is no whole number",
    "g",
    ["consumer.heartbeat.interval.ms", SET, "often"],
  ],
  [
    "consumer.session.timeout is no known config (did you mean consumer.session.timeout.ms?)",
    "g",
    ["consumer.session.timeout", SET, "45000"],
  ],
  [
    "Config consumer.session.timeout.ms is no list",
    "g",
    ["consumer.session.timeout.ms", APPEND, "45000"],
  ],
];

for (const [reason, group, ...changes] of ofGroups) {
  const what = changes.map(([name, operation, value]) => `${name} ${operation} ${value}`).join(
    ", ",
  );
  Deno.test(`configs: of a group, ${what}: ${reason || "fine"}`, () => {
    const cluster = image();
    const request = change(GROUP, group, ...changes);
    const { records, response } = incrementalAlterConfigs(contextOf(cluster), request);
    assertEquals(response.responses[0]?.errorMessage ?? "", reason);
    assertEquals(records.length, reason === "" ? changes.length : 0);
  });
}

Deno.test("configs: a group's session outlasts its heartbeats, whichever of them it sets", () => {
  const cluster = image();
  const context = contextOf(cluster, { "group.consumer.min.session.timeout.ms": "5000" });
  const alter = (...changes: Change[]) => {
    const { responses } = commit(
      cluster,
      incrementalAlterConfigs(context, change(GROUP, "g", ...changes)),
    );
    return responses[0]?.errorMessage ?? "";
  };
  const session = "consumer.session.timeout.ms";
  const heartbeat = "consumer.heartbeat.interval.ms";
  assertEquals(alter([session, SET, "5000"]), `${session}=5000 is not more than ${heartbeat}=5000`);
  assertEquals(alter([session, SET, "7000"], [heartbeat, SET, "6000"]), "");
  assertEquals(alter([session, SET, "6000"]), `${session}=6000 is not more than ${heartbeat}=6000`);
  assertEquals(
    [...cluster.configs(GROUP, "g")],
    [[session, "7000"], [heartbeat, "6000"]],
  );
  const resources = [{ resourceType: GROUP, resourceName: "g", configs: [] }];
  commit(cluster, alterConfigs(context, { resources, validateOnly: false }));
  assertEquals([...cluster.configs(GROUP, "g")], []);
});

for (const [name, request, code] of refused) {
  Deno.test(`configs: a change ${name} is refused, and nothing of its resource is written`, () => {
    const cluster = image();
    const [resource] = request.resources;
    const valid = { name: "segment.ms", configOperation: SET, value: "1" };
    const resources = [{
      ...request.resources[0]!,
      configs: resource?.resourceType === TOPIC ? [valid, ...resource.configs] : resource!.configs,
    }];
    const decision = incrementalAlterConfigs(contextOf(cluster), { ...request, resources });
    assertEquals(decision.response.responses[0]?.errorCode, code);
    assertEquals(decision.records, []);
  });
}

Deno.test("configs: a resource that is named twice is refused, once, and does not change", () => {
  const cluster = image();
  const { resources } = change(TOPIC, "a", ["flush.ms", SET, "5"]);
  const request = { resources: [...resources, ...resources], validateOnly: false };
  const { responses } = commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
  assertEquals(responses.map(({ errorCode }) => errorCode), [ErrorCode.INVALID_REQUEST]);
  assertEquals(cluster.configs(TOPIC, "a").get("flush.ms"), "7");
});

Deno.test("configs: a full change without a value is refused, and changes nothing", () => {
  const cluster = image();
  const configs = [{ name: "flush.ms", value: null }];
  const resources = [{ resourceType: TOPIC, resourceName: "a", configs }];
  const request = { resources, validateOnly: false };
  const { responses } = commit(cluster, alterConfigs(contextOf(cluster), request));
  assertEquals(responses[0]?.errorCode, ErrorCode.INVALID_REQUEST);
  assertEquals(cluster.configs(TOPIC, "a").size, 2);
});

Deno.test("configs: a refused resource does not keep the others from their change", () => {
  const cluster = image();
  const good = change(TOPIC, "a", ["flush.ms", SET, "5"]).resources;
  const bad = change(TOPIC, "b", ["flush.ms", SET, "5"]).resources;
  const request = { resources: [...bad, ...good], validateOnly: false };
  const { responses } = commit(cluster, incrementalAlterConfigs(contextOf(cluster), request));
  assertEquals(responses.map(({ errorCode }) => errorCode), [3, 0]);
  assertEquals(cluster.configs(TOPIC, "a").get("flush.ms"), "5");
});
