/**
 * A node with a topic of two partitions, and one client of it that asks for transactions.
 *
 * @module
 */

import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";
import {
  type Asker,
  findCoordinator,
  RawProducer,
  type TransactionVersion,
} from "./transaction_stage.ts";

const PROPERTIES = {
  "transaction.state.log.num.partitions": "2",
  "offsets.topic.num.partitions": "2",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
};

export class TransactionsNode implements Asker {
  readonly world: BrokerWorld;
  client: TestClient;

  constructor(properties: Readonly<Record<string, string>> = {}) {
    this.world = BrokerWorld.serving({ properties: { ...PROPERTIES, ...properties } });
    this.client = this.world.client();
    this.world.createTopic(this.client, "orders", 2);
    findCoordinator(this, "x");
  }

  ask: Asker["ask"] = (_to, api, draft, version) =>
    this.world.ask(this.client, api, draft, version);

  pass(ms: number): void {
    this.world.pass(ms);
  }

  /** Has the log of groups made. */
  findGroup(group: string): void {
    for (let tries = 0; tries < 100; tries++) {
      const { coordinators } = this.world.ask(this.client, FIND_COORDINATOR, {
        keyType: 0,
        coordinatorKeys: [group],
      });
      if (coordinators[0]?.errorCode === ErrorCode.NONE) return;
      this.pass(50);
    }
  }

  /** What a group has committed of the first partition, and the error. */
  committedOffset(groupId: string, requireStable = false): [number, string] {
    const { groups } = this.world.ask(this.client, OFFSET_FETCH, {
      groups: [{
        groupId,
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: "orders", partitionIndexes: [0] }],
      }],
      requireStable,
    });
    const { committedOffset, errorCode } = groups[0]!.topics[0]!.partitions[0]!;
    return [committedOffset, errorName(errorCode)];
  }

  producer(id = "x", version: TransactionVersion = 2): RawProducer {
    return new RawProducer(this, id, version);
  }

  restart(end: "stop" | "kill" | "power" = "stop"): void {
    if (end === "stop") this.world.stop();
    else this.world.crash(end === "power");
    this.world.start();
    this.client = this.world.client();
  }
}
