import { assertEquals } from "@std/assert";
import { PRODUCER_ID_BLOCK } from "../../../actors/controller/producer_ids.ts";
import { ALLOCATE_PRODUCER_IDS } from "../../../net/messages/allocate_producer_ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { DecisionWorld } from "./decision_world.ts";

Deno.test("producer ids: each is given once, in blocks", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  const starts = [1, 2, 1].map((brokerId) => {
    const brokerEpoch = world.image.brokers.get(brokerId)?.epoch ?? -1;
    const block = world.ask(ALLOCATE_PRODUCER_IDS, { brokerId, brokerEpoch });
    assertEquals([block.errorCode, block.producerIdLen], [ErrorCode.NONE, PRODUCER_ID_BLOCK]);
    return block.producerIdStart;
  });
  assertEquals(starts, [0, PRODUCER_ID_BLOCK, 2 * PRODUCER_ID_BLOCK]);
});

Deno.test("producer ids: none for a broker that is not registered, or was before", () => {
  const world = new DecisionWorld({ brokers: [1] });
  const ask = (brokerId: number, brokerEpoch: number) =>
    world.ask(ALLOCATE_PRODUCER_IDS, { brokerId, brokerEpoch }).errorCode;
  assertEquals(ask(1, 0), ErrorCode.STALE_BROKER_EPOCH);
  assertEquals(ask(2, 0), ErrorCode.BROKER_ID_NOT_REGISTERED);
  assertEquals(world.image.nextProducerId, 0);
});
