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
import { DESCRIBE_CONFIGS } from "../../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { encodeResponse } from "../../../../net/msgpack.ts";
import { imageOf, topicConfigRecord, topicRecords } from "../../controller/images.ts";

const TOPIC = 2, BROKER = 4;

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
  );
  const config = parseBrokerConfig({ "log.segment.bytes": "2048" });
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

Deno.test("describe configs: null keys ask for all, a list for those that are known", () => {
  assertEquals(describe(TOPIC, "orders").configs.length > 20, true);
  const { configs } = describe(TOPIC, "orders", { keys: ["segment.bytes", "no.such"] });
  assertEquals(configs.map(({ name, value }) => [name, value]), [["segment.bytes", "2048"]]);
  assertEquals(describe(TOPIC, "orders", { keys: [] }).configs, []);
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

Deno.test("describe configs: what is not there is refused with its name", () => {
  const refused = [
    describe(TOPIC, "none"),
    describe(TOPIC, "a/b"),
    describe(BROKER, "2"),
    describe(8, "1"),
  ];
  assertEquals(refused.map(({ errorCode }) => errorCode), [
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_REQUEST,
  ]);
  assertEquals(refused[0]?.errorMessage, "There is no topic none");
  assertEquals(refused[0]?.configs, []);
});

Deno.test("describe configs: what is told fits into every version that is served", () => {
  for (let version = 1; version <= 4; version++) {
    for (const result of [describe(TOPIC, "orders"), describe(BROKER, "1"), describe(BROKER, "")]) {
      const response = { throttleTimeMs: 0, results: [result] };
      encodeResponse(new FrameWriter(new BufferPool()), DESCRIBE_CONFIGS, version, 1, response);
    }
  }
});
