import { assertEquals } from "@std/assert";
import { CONFIG_RESOURCE } from "../../../../net/messages/config_resources.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../../net/messages/incremental_alter_configs.ts";
import { LIST_CONFIG_RESOURCES } from "../../../../net/messages/list_config_resources.ts";
import { BrokerWorld } from "../broker_world.ts";

const { topic, broker, brokerLogger, clientMetrics, group } = CONFIG_RESOURCE;

/** What is listed of the types asked for, or the error. */
function listing() {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const configs = [{ name: "consumer.session.timeout.ms", value: "50000", configOperation: 0 }];
  const resources = [{ resourceType: group, resourceName: "payments", configs }];
  world.ask(client, INCREMENTAL_ALTER_CONFIGS, { resources });
  return (resourceTypes: number[], version?: number) => {
    const request = version === 0 ? {} : { resourceTypes };
    const answer = world.ask(client, LIST_CONFIG_RESOURCES, request, version);
    if (answer.errorCode !== ErrorCode.NONE) return answer.errorCode;
    return answer.configResources.map(({ resourceType, resourceName }) =>
      `${resourceType} ${resourceName}`
    ).sort();
  };
}

Deno.test("list config resources: of the types asked for, each once, and of all where of none", () => {
  const listed = listing();
  assertEquals(listed([group]), ["32 payments"]);
  assertEquals(listed([topic, broker, topic]), ["2 orders", "4 1"]);
  assertEquals(listed([brokerLogger, clientMetrics]), ["8 1"]);
  assertEquals(listed([]), ["2 orders", "32 payments", "4 1", "8 1"]);
});

Deno.test("list config resources: a type that there is not is refused", () => {
  assertEquals(listing()([topic, 99]), ErrorCode.UNSUPPORTED_VERSION);
});

Deno.test("list config resources: version 0 asks for client metrics, of which there are none", () => {
  assertEquals(listing()([], 0), []);
});
