import { assertEquals } from "@std/assert";
import { describeConfigs } from "../../../../actors/broker/apis/describe_configs.ts";
import type { Call } from "../../../../actors/broker/sessions/call.ts";
import type { BrokerServices } from "../../../../actors/broker/services.ts";
import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from "../../../../net/messages/describe_configs.ts";
import { BufferPool } from "../../../../net/buffer_pool.ts";
import { FrameWriter } from "../../../../net/frame_writer.ts";
import { CONFIG_RESOURCE } from "../../../../net/messages/config_resources.ts";
import { DESCRIBE_CONFIGS } from "../../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { encodeResponse } from "../../../../net/msgpack.ts";
import { imageOf, topicConfigRecord, topicRecords } from "../../controller/images.ts";

const { topic: TOPIC, broker: BROKER, group: GROUP } = CONFIG_RESOURCE;

function describe(
  resourceType: number,
  resourceName: string,
  changes: Partial<DescribeConfigsRequest> & { readonly keys?: readonly string[] } = {},
) {
  const { keys, ...options } = changes;
  const request: DescribeConfigsRequest = {
    resources: [{ resourceType, resourceName, configurationKeys: keys ?? null }],
    includeSynonyms: false,
    includeDocumentation: false,
    ...options,
  };
  const image = imageOf(
    topicRecords("orders", 1),
    topicConfigRecord("orders", "retention.ms", "5"),
    {
      kind: "ConfigRecord",
      value: { resourceType: BROKER, resourceName: "", name: "max.connections", value: "9" },
    },
    {
      kind: "ConfigRecord",
      value: {
        resourceType: GROUP,
        resourceName: "g",
        name: "consumer.session.timeout.ms",
        value: "50000",
      },
    },
  );
  const config = parseBrokerConfig({
    "log.segment.bytes": "2048",
    "group.consumer.heartbeat.interval.ms": "700",
  });
  let response: DescribeConfigsResponse | undefined;
  describeConfigs.handle({
    request,
    broker: { image, config, nodeId: 1 } as Partial<BrokerServices>,
    reply: (given: DescribeConfigsResponse) => response = given,
  } as unknown as Call<DescribeConfigsRequest, DescribeConfigsResponse>);
  const result = response?.results[0];
  if (result === undefined) throw new Error("No answer was given");
  return result;
}

Deno.test("describe configs: no keys ask for all, a list for those that are known", () => {
  assertEquals(describe(TOPIC, "orders").configs.length > 20, true);
  assertEquals(describe(TOPIC, "orders", { keys: [] }), describe(TOPIC, "orders"));
  const { configs } = describe(TOPIC, "orders", { keys: ["segment.bytes", "no.such"] });
  assertEquals(configs.map(({ name, value }) => [name, value]), [["segment.bytes", "2048"]]);
});

Deno.test("describe configs: synonyms and documentation are told when asked for", () => {
  const keys = ["retention.ms"];
  const [plain] = describe(TOPIC, "orders", { keys }).configs;
  assertEquals([plain?.synonyms, plain?.documentation], [[], null]);
  const options = { keys, includeSynonyms: true, includeDocumentation: true };
  const [full] = describe(TOPIC, "orders", options).configs;
  assertEquals(full?.synonyms.map(({ name }) => name), ["retention.ms", "log.retention.hours"]);
  assertEquals(full?.documentation?.startsWith("How long records stay"), true);
});

Deno.test("describe configs: a broker tells of itself, and of what is set for all", () => {
  const [own] = describe(BROKER, "1", { keys: ["max.connections"] }).configs;
  assertEquals([own?.value, own?.configSource], ["9", 3]);
  const forAll = describe(BROKER, "").configs;
  assertEquals(forAll.map(({ name, value }) => [name, value]), [["max.connections", "9"]]);
});

Deno.test("describe configs: a group's come from itself, then from the broker", () => {
  const told = (group: string) =>
    describe(GROUP, group, { includeSynonyms: true }).configs.map((
      { name, value, configSource, synonyms },
    ) => [name, value, configSource, synonyms.map(({ name }) => name)]);
  const [session, heartbeat] = ["consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"];
  const ofBroker = [heartbeat, "700", 4, Array(2).fill(`group.${heartbeat}`)];
  assertEquals(told("g"), [
    [session, "50000", 8, [session, `group.${session}`]],
    ofBroker,
  ]);
  assertEquals(told("other"), [[session, "45000", 5, [`group.${session}`]], ofBroker]);
});

Deno.test("describe configs: what is not there is refused with its name", () => {
  const refused = [
    describe(TOPIC, "none"),
    describe(TOPIC, "a/b"),
    describe(BROKER, "2"),
    describe(8, "1"),
    describe(GROUP, ""),
  ];
  assertEquals(refused.map(({ errorCode }) => errorCode), [
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_REQUEST,
  ]);
  assertEquals(refused[0]?.errorMessage, "There is no topic none");
  assertEquals(refused[0]?.configs, []);
});

Deno.test("describe configs: what is told fits into every version that is served", () => {
  for (let version = 1; version <= 4; version++) {
    const results = [
      describe(TOPIC, "orders"),
      describe(BROKER, "1"),
      describe(BROKER, ""),
      describe(GROUP, "g"),
    ];
    for (const result of results) {
      const response = { throttleTimeMs: 0, results: [result] };
      encodeResponse(new FrameWriter(new BufferPool()), DESCRIBE_CONFIGS, version, 1, response);
    }
  }
});
