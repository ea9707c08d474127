/** Transactions whose end nobody hears of, or that end while their producer closes. */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { TimeoutError } from "../../../../actors/client/errors.ts";
import { failure, TransactionWorld } from "./transaction_world.ts";

/** What keeps the end of the first transaction from being heard of, and whether it is committed. */
const LOSSES = {
  "the end does not arrive": {
    lose: (world: TransactionWorld) => world.simulation.node("node").crash(),
    isCommitted: false,
  },
  "the answer does not arrive": {
    lose: (world: TransactionWorld) => world.simulation.links.partition("node", "client2"),
    isCommitted: true,
  },
};

for (const version of [1, 2]) {
  for (const [loss, { lose, isCommitted }] of Object.entries(LOSSES)) {
    Deno.test(`transaction: after an end where ${loss} the producer goes on (version ${version})`, async () => {
      const world = new TransactionWorld();
      if (version === 1) await world.downgrade();
      await world.createTopic("t", 1);
      const producer = await world.producer({
        maxBlockMs: 3000,
        requestTimeoutMs: 1000,
        transactionTimeoutMs: 600_000,
      });
      const first = producer.transaction(async (tx) => {
        await tx.send({ topic: "t", value: "undecided" });
        lose(world);
      });
      assertInstanceOf(await failure(world, first), TimeoutError);
      world.simulation.links.healAll();
      world.simulation.node("node").restart();
      await world.pass(5000);
      for (const value of ["1", "2"]) {
        await world.settled(producer.transaction((tx) => void tx.send({ topic: "t", value })));
      }
      const committed = await world.read("t", "read_committed");
      assertEquals(committed, isCommitted ? ["undecided", "1", "2"] : ["1", "2"]);
      await world.close();
    });
  }
}
