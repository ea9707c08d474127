/** `native.shared.secret`: who is let in where nodes ask for it, clients and fellow nodes alike. */

import { assertEquals } from "@std/assert";
import { Admin } from "../../../actors/client/admin/admin.ts";
import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import { PeerRole } from "../../../net/handshake.ts";
import { DESCRIBE_CONFIGS } from "../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { ClusterWorld } from "../cluster_world.ts";
import { BrokerWorld } from "./broker_world.ts";

const SECRET = "open sesame";
const KEY = "native.shared.secret";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const ROLES = [["a client", PeerRole.CLIENT, -1], ["a node", PeerRole.NODE, 2]] as const;

for (const [who, role, nodeId] of ROLES) {
  Deno.test(`shared secret: ${who} is let in with it, and by nothing that is like it`, () => {
    const world = BrokerWorld.serving({ properties: { [KEY]: SECRET } });
    const { clusterId } = world.booted;
    const greet = (secret: Uint8Array | null) =>
      world.settled(world.connect().handshake({ role, nodeId, clusterId, secret }));
    const near = ["", "open", `${SECRET}open sesame`, "Open sesame", `${SECRET} `, "open sesamf"];
    for (const secret of [null, ...near.map(bytes)]) {
      const answer = greet(secret);
      assertEquals(answer.errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED);
      assertEquals([answer.apiKeys.length, answer.clusterId, answer.nodeId], [0, "", -1]);
      assertEquals(answer.errorMessage!.includes(SECRET), false);
    }
    assertEquals(greet(bytes(SECRET)).errorCode, ErrorCode.NONE);
    world.pass(100);
    const told = world.logged.filter((line) => line.includes("secret"));
    assertEquals(told.length, near.length + 1, told.join("\n"));
    assertEquals(world.logged.some((line) => line.includes(SECRET)), false);
  });

  Deno.test(`shared secret: ${who} may show one to a node that asks for none`, () => {
    const world = BrokerWorld.serving();
    const { clusterId } = world.booted;
    const secret = bytes(SECRET);
    const answer = world.settled(world.connect().handshake({ role, nodeId, clusterId, secret }));
    assertEquals(answer.errorCode, ErrorCode.NONE);
  });
}

Deno.test("shared secret: whoever is refused is cut off, and cannot try again", () => {
  const world = BrokerWorld.serving({ properties: { [KEY]: SECRET } });
  const client = world.connect();
  world.settled(client.handshake());
  const again = client.handshake({ secret: bytes(SECRET) });
  world.pass(1000);
  assertEquals([again.response, client.ended.isSettled], [undefined, true]);
});

Deno.test("shared secret: it is shown to nobody who asks for configs", () => {
  const world = BrokerWorld.serving({ properties: { [KEY]: SECRET } });
  const client = world.connect();
  world.settled(client.handshake({ secret: bytes(SECRET) }));
  const { results } = world.ask(client, DESCRIBE_CONFIGS, {
    resources: [{ resourceType: 4, resourceName: "1", configurationKeys: null }],
    includeSynonyms: true,
  });
  const found = results[0]!.configs.find(({ name }) => name === KEY)!;
  assertEquals([found.value, found.isSensitive, found.readOnly], [null, true, true]);
  assertEquals(JSON.stringify(results).includes(SECRET), false);
});

Deno.test("shared secret: nodes that share it are a cluster, one with another is none of it", () => {
  const world = new ClusterWorld({
    properties: { [KEY]: SECRET },
    propertiesOf: (id) => id === 3 ? { [KEY]: "another" } : {},
  });
  for (const { id } of world.nodes) world.start(id);
  world.until(() => [1, 2].every((id) => world.node(id).isReady), "those of one mind serve");
  world.pass(20_000);
  assertEquals(world.node(3).isReady, false);
  assertEquals(world.logged.some((line) => line.includes(SECRET)), false);
});

Deno.test("shared secret: a node joins by it, and replicates; the library shows it", async () => {
  const world = ClusterWorld.serving({
    voters: [1, 2],
    properties: { [KEY]: SECRET },
    propertiesOf: (id): Record<string, string> =>
      id < 3 ? {} : {
        "controller.quorum.voters": "",
        "controller.quorum.bootstrap.servers": "node-1:9192,node-2:9192",
      },
  });
  const { environment } = world;
  const config = { environment, secret: SECRET };
  const admin = await world.settled(Admin.connect(world.bootstrap, config));
  await world.settled(admin.createTopics([{
    name: "t",
    partitions: 1,
    replicationFactor: 3,
    configs: { "min.insync.replicas": "3" },
  }]));
  const producer = await world.settled(Producer.connect(world.bootstrap, config));
  await world.settled(producer.send({ topic: "t", value: "x" }));
  const consumer = await world.settled(
    Consumer.connect(world.bootstrap, { ...config, topics: ["t"], from: "earliest" }),
  );
  assertEquals((await world.settled(consumer.poll(1000))).map((one) => one.text()), ["x"]);
  for (const secret of [undefined, "wrong"]) {
    const wrong = secret === undefined ? { environment } : { environment, secret };
    const error = await world.settled(
      Producer.connect(world.bootstrap, { ...wrong, deliveryTimeoutMs: 40_000 }).then(
        () => undefined,
        (error: Error) => error,
      ),
    );
    assertEquals(error?.message.includes("SASL_AUTHENTICATION_FAILED"), true, String(error));
  }
  for (const client of [admin, producer, consumer]) await world.settled(client.close());
});
