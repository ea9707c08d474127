/**
 * Scenarios of transactions on a simulated cluster, by raw requests: what comes late, twice, or
 * from somebody who was fenced, and what a failover must not forget (KIP-98, KIP-890). What was
 * committed must be read, all of it, and nothing else by whoever reads what is committed.
 *
 * @module
 */

import { CALM_WORLD, type ClusterSimulationOptions } from "../../../mod.ts";
import type { ScenarioStage } from "../../../actors/sim/scenario_stage.ts";
import { SMALL, TOPIC } from "../small_cluster.ts";
import { RawClient, RawProducer } from "./raw_client.ts";

type Options = Omit<ClusterSimulationOptions, "seed">;

const SETTLE_MS = 1000;

function options(play: (client: RawClient, stage: ScenarioStage) => void): Options {
  return {
    world: { ...CALM_WORLD, linkMinUs: 500 },
    run: {
      ...SMALL,
      faults: {},
      topics: [{ ...TOPIC, partitions: 2 }],
      sendEveryMs: 500,
      requestTimeoutMs: 20_000,
      deliveryTimeoutMs: 60_000,
      properties: {
        ...SMALL.properties,
        "transaction.state.log.num.partitions": "1",
        "offsets.topic.num.partitions": "1",
        "broker.session.timeout.ms": "3000",
      },
    },
    scenario: (stage) => {
      const inSync = (name: string) => stage.partition(name)?.truth?.isr.length === 3;
      stage.until("everybody is in sync", () => inSync("topic-0-0") && inSync("topic-0-1"));
      play(new RawClient(stage), stage);
    },
  };
}

export const TRANSACTION_SCENARIOS = {
  "a transaction is read while it is open, and then aborted": options((client, stage) => {
    const producer = new RawProducer(client, "x", 2).init();
    producer.send(0);
    client.readCommitted(0);
    producer.abort();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
    producer.send(0);
    producer.commit();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
  }),

  "a producer that was fenced ends its transaction": options((client, stage) => {
    const zombie = new RawProducer(client, "x", 1).init();
    zombie.send(0);
    const heir = new RawProducer(client, "x", 1).init();
    heir.send(0);
    zombie.commit();
    heir.abort();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
  }),

  "the end of a transaction comes again in the next": options((client, stage) => {
    const producer = new RawProducer(client, "x", 2).init();
    const { producerId, producerEpoch } = producer;
    producer.send(0);
    producer.commit();
    stage.wait(SETTLE_MS);
    producer.send(0);
    producer.tryEnd(true, { producerId, producerEpoch });
    stage.wait(SETTLE_MS);
    producer.abort();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
  }),

  "a record of an aborted transaction comes after its end": options((client, stage) => {
    const producer = new RawProducer(client, "x", 1).init();
    producer.send(0);
    producer.abort();
    stage.wait(SETTLE_MS);
    producer.produceLate(0);
    producer.send(1);
    producer.send(0);
    producer.commit();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
    client.readCommitted(1);
  }),

  "a marker of before comes into another's transaction": options((client, stage) => {
    const before = new RawProducer(client, "x", 1).init();
    before.send(0);
    const heir = new RawProducer(client, "x", 1).init();
    stage.wait(SETTLE_MS);
    heir.send(0);
    client.mark(0, before, { committed: false, coordinatorEpoch: 0 });
    heir.send(1);
    heir.commit();
    stage.wait(SETTLE_MS);
    client.readCommitted(0);
    client.readCommitted(1);
  }),

  "a coordinator fails in the middle of a transaction": options((client, stage) => {
    const producer = new RawProducer(client, "x", 2).init();
    producer.send(0);
    producer.send(1);
    const coordinator = client.coordinatorOf("x");
    stage.crash(coordinator);
    stage.wait(4000);
    producer.commit();
    stage.start(coordinator);
    stage.wait(4000);
    client.readCommitted(0);
    client.readCommitted(1);
  }),
} satisfies Readonly<Record<string, Options>>;
