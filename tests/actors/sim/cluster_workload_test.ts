/** What the engines' clients hold brokers to. */

import { assertEquals } from "@std/assert";
import { knowsSequences } from "../../../actors/sim/cluster_workload.ts";
import { FakeCluster } from "../../simulation/fake_cluster.ts";

const PRODUCER = { producerId: 7, producerEpoch: 0 };

Deno.test("cluster workload: only who leads now, or holds what came before, must know a sequence", () => {
  const cluster = new FakeCluster();
  cluster.append(1, [1, 2, 3], { ...PRODUCER, baseSequence: 0 });
  cluster.advance(1);
  cluster.change({ isr: [2, 3], leader: 2 });
  // 1 does not hear of it, and believes to lead.
  cluster.assign(2, 3);
  cluster.look();
  cluster.append(2, [2, 3], { ...PRODUCER, baseSequence: 1 });
  cluster.advance(2, 2);
  const [track] = [...cluster.checker.tracks.partitions.values()];
  const knows = (id: number, sequence: number) =>
    knowsSequences(track!, id, { ...PRODUCER, partition: 0, sequence, wasStored: false });
  assertEquals([knows(1, 1), knows(2, 1), knows(3, 1)], [true, true, true]);
  assertEquals([knows(1, 2), knows(2, 2), knows(3, 2)], [false, true, true]);
  assertEquals([knows(1, 9), knows(2, 9), knows(3, 9)], [false, true, false]);
});
