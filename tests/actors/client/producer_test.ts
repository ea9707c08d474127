import { assertEquals } from "@std/assert";
import { Producer } from "../../../actors/client/producer.ts";
import { ClientWorld } from "./client_world.ts";

Deno.test("producer: a record is stored, and its promise says where", async () => {
  const world = new ClientWorld();
  world.cluster.createTopic("orders", 1);
  const { environment } = world;
  const producer = await world.settled(Producer.connect(world.bootstrap, { environment }));
  const sent = producer.send({ topic: "orders", key: "42", value: "paid", timestamp: 7 });
  const metadata = await world.settled(sent);
  assertEquals({ ...metadata }, { topic: "orders", partition: 0, offset: 0, timestamp: 7 });
  await world.settled(producer.close());
});
