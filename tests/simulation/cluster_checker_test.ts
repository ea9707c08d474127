/** Each rule on states: a good run breaks none, and each bad state breaks its own. */

import { assert, assertEquals } from "@std/assert";
import { STATE_RULES } from "../../actors/sim/checkers/verdicts.ts";
import { FakeCluster, registered, TOPIC_ID } from "./fake_cluster.ts";

/** Three batches that everybody holds, committed; replica 3 has made those below 1 durable. */
function committed(options = {}, flushes = true): FakeCluster {
  const cluster = new FakeCluster(options);
  cluster.replica(3).log.flushes = flushes;
  cluster.replica(3).log.flushedOffset = 1;
  for (const hash of [1, 2, 3]) {
    cluster.append(hash);
    cluster.advance(hash);
  }
  return cluster;
}

/** Node 2 becomes leader without 1. */
function failOver(cluster: FakeCluster): void {
  cluster.checker.processEnded(1, "killed");
  cluster.commit(cluster.fence(1), ...change(cluster, { isr: [2, 3], leader: 2 }));
  cluster.assign(2, 3);
  cluster.look();
}

function change(_: FakeCluster, more: { isr: number[]; leader: number }) {
  return [{
    kind: "PartitionChangeRecord" as const,
    value: {
      partitionId: 0,
      topicId: TOPIC_ID,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
      ...more,
    },
  }];
}

Deno.test("cluster checker: a good run breaks no rule, and every rule is held against something", () => {
  const cluster = committed({ acksAll: () => true });
  const idempotent = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
  cluster.append(4, [1], idempotent);
  cluster.append(4, [2, 3], idempotent);
  cluster.advance(4);
  const partition = [...cluster.checker.tracks.partitions.values()][0]!;
  cluster.checker.read(partition, 3, 0, 4);
  // 3 falls behind, goes out of the ISR and into nothing, comes back.
  cluster.change({ isr: [1, 2] });
  cluster.assign();
  cluster.append(5, [1, 2]);
  cluster.advance(5);
  cluster.append(5, [3]);
  Object.assign(cluster.replica(1).state, { maximalIsr: [1, 2, 3], isProposalPending: true });
  cluster.look();
  cluster.change({ isr: [1, 2, 3] });
  cluster.assign();
  cluster.look();
  // 1 ends uncleanly with a tail of its own, 2 takes over, 1 comes back and cuts its tail.
  cluster.append(66, [1]);
  failOver(cluster);
  cluster.append(6, [2, 3]);
  cluster.advance(6, 2);
  cluster.start(1);
  cluster.commit(registered(1, 50));
  cluster.restart(1);
  cluster.assign(1);
  cluster.replica(1).log.truncateTo(5);
  cluster.look();
  cluster.append(6, [1]);
  cluster.change({ isr: [2], eligibleLeaderReplicas: [3] });
  cluster.controller(1).state.logStartOffset = 1;
  cluster.controller(1).state.snapshotId = { endOffset: 1, epoch: 1 };
  cluster.look();
  cluster.checker.checkAll();
  assertEquals(cluster.checker.violations, []);
  const { evaluations } = cluster.checker;
  assertEquals(Object.keys(evaluations).filter((rule) => evaluations[rule] === 0), []);
  assertEquals(Object.keys(evaluations).sort(), Object.keys(STATE_RULES).sort());
  const { counts } = cluster.checker.vacuity;
  for (const name of ["truncations", "ISR shrinks", "ISR expansions", "elections from the ISR"]) {
    assert(counts[name]! > 0, name);
  }
});

const BAD: readonly [rule: string, what: string, spoil: (cluster: FakeCluster) => void][] = [
  ["P1", "a hole in a log", (cluster) => {
    cluster.replica(1).log.append(0, 9, { baseOffset: 7, nextOffset: 8 });
  }],
  ["P1", "epochs that fall along a log", (cluster) => {
    const { log } = cluster.replica(2);
    log.append(5, 9);
    log.append(4, 10);
  }],
  ["P1", "a log that says it is longer than its file", (cluster) => {
    cluster.replica(2).log.claimedEnd = 9;
  }],
  ["P1", "a cache of epochs that is not what the log says", (cluster) => {
    cluster.replica(2).log.epochCache = [{ epoch: 0, startOffset: 2 }];
    cluster.checker.checkAll();
  }],
  ["P1", "an LSO past the HW", (cluster) => {
    cluster.append(4);
    const { state } = cluster.replica(1);
    state.highWatermark = 4;
    state.lastStableOffset = 5;
  }],
  ["P2", "a leader outside of the ISR", (cluster) => cluster.change({ isr: [2, 3] })],
  ["P2", "an ISR outside of the replicas", (cluster) => cluster.change({ isr: [1, 2, 3, 4] })],
  ["P2", "a fenced broker in the ISR", (cluster) => {
    cluster.commit(cluster.fence(3), ...change(cluster, { isr: [1, 3], leader: 1 }));
  }],
  ["P2", "a broker both in the ISR and the ELR", (cluster) => {
    cluster.change({ eligibleLeaderReplicas: [3] });
  }],
  ["P2", "an ELR where enough are in sync", (cluster) => {
    cluster.change({ isr: [1, 2], eligibleLeaderReplicas: [3] });
  }],
  ["P3", "a HW past what a member of the ISR holds", (cluster) => {
    cluster.append(4, [1, 2]);
    cluster.advance(4);
  }],
  ["P3", "a member of the ISR that holds something else", (cluster) => {
    cluster.append(4, [1, 2]);
    cluster.append(44, [3]);
    cluster.advance(4);
  }],
  ["P4", "a member of the controller's ISR that lacks what is committed", (cluster) => {
    cluster.change({ isr: [1, 2] });
    cluster.assign();
    cluster.append(4, [1, 2]);
    cluster.advance(4);
    cluster.change({ isr: [1, 2, 3] });
  }],
  ["P5", "a member of the ELR that lacks what is committed", (cluster) => {
    cluster.change({ isr: [1, 2] });
    cluster.assign();
    cluster.append(4, [1, 2]);
    cluster.advance(4);
    cluster.change({ eligibleLeaderReplicas: [3] });
  }],
  ["P6", "a leader that lacks what is committed", (cluster) => {
    cluster.append(4, [1, 2]);
    cluster.replica(1).state.isr = cluster.replica(1).state.maximalIsr = [1, 2];
    cluster.advance(4);
    cluster.change({ leader: 3 });
    cluster.assign(3);
  }],
  ["P7", "something committed that nobody holds", (cluster) => {
    for (const id of [1, 2, 3]) cluster.replica(id).log.truncateTo(2);
  }],
  ["P8", "a member of the controller's ISR that does not count for the HW", (cluster) => {
    cluster.replica(1).state.isr = cluster.replica(1).state.maximalIsr = [1, 2];
  }],
  ["P8", "a maximal ISR that is not the ISR, with nothing proposed", (cluster) => {
    cluster.change({ isr: [1, 2] });
    cluster.assign();
    cluster.replica(1).state.maximalIsr = [1, 2, 3];
  }],
  ["P9", "equal batches behind different ones", (cluster) => {
    cluster.append(4, [1, 2], { epoch: 0 });
    cluster.append(44, [3], { epoch: 1 });
    cluster.append(5, [1, 2, 3], { epoch: 2 });
  }],
  ["P10", "two batches with one epoch and offset", (cluster) => {
    cluster.append(4, [1]);
    cluster.append(44, [2]);
  }],
  ["P10", "two leaders in one epoch", (cluster) => {
    cluster.replica(2).state.role = "leader";
    cluster.replica(2).state.partitionEpoch = 0;
  }],
  ["P11", "a HW that falls while its leader leads", (cluster) => cluster.advance(2)],
  ["P11", "a HW past the end of the log", (cluster) => cluster.advance(9)],
  ["P12", "a follower that cuts below its own HW", (cluster) => {
    cluster.replica(3).state.highWatermark = 3;
    cluster.look();
    cluster.replica(3).log.truncateTo(2);
  }],
  ["P12", "a member of the ISR that cuts what is committed", (cluster) => {
    cluster.replica(3).log.truncateTo(2);
  }],
  ["P13", "a reader that gets what is not committed", (cluster) => {
    cluster.append(4, [1]);
    const partition = [...cluster.checker.tracks.partitions.values()][0]!;
    cluster.checker.read(partition, 3, 0, 4);
  }],
  ["P13", "a reader that gets something else than is committed", (cluster) => {
    const partition = [...cluster.checker.tracks.partitions.values()][0]!;
    cluster.checker.read(partition, 1, 0, 99);
  }],
  ["P14", "a partition epoch that falls", (cluster) => {
    cluster.change({ isr: [1, 2] });
    cluster.assign();
    cluster.look();
    cluster.replica(2).state.partitionEpoch = 0;
  }],
  ["P14", "a partition epoch that nobody has committed", (cluster) => {
    cluster.replica(2).state.partitionEpoch = 7;
  }],
  ["P14", "an ISR that the controller did not commit in that epoch", (cluster) => {
    cluster.change({ isr: [1, 2] });
    cluster.replica(1).state.partitionEpoch = 1;
  }],
  ["P15", "a broker that comes back from an unclean end and is still in the ISR", (cluster) => {
    cluster.checker.processEnded(3, "killed");
    cluster.start(3);
    cluster.commit(registered(3, 50));
  }],
  ["P16", "a broker that applied what is not committed", (cluster) => {
    cluster.brokers[1]!.appliedOffset = 99;
    cluster.checker.checkAll();
  }],
  ["P16", "a broker whose image is not the fold", (cluster) => {
    cluster.brokers[1]!.image.replay(cluster.fence(3));
    cluster.checker.checkAll();
  }],
  ["P17", "two leaders of one quorum epoch", (cluster) => {
    cluster.controller(2).state.role = "leader";
  }],
  ["P17", "a quorum epoch that falls", (cluster) => cluster.controller(2).state.epoch = 0],
  ["P17", "two votes in one epoch, with a restart between them", (cluster) => {
    const { state } = cluster.controller(2);
    Object.assign(state, { epoch: 2, votedId: 3 });
    cluster.look();
    cluster.checker.processEnded(2, "power-lost");
    cluster.checker.controllerStarted(cluster.controller(2));
    Object.assign(state, { epoch: 2, votedId: 1 });
  }],
  ["P18", "a HW of the quorum that no majority has on disk", (cluster) => {
    for (const id of [2, 3]) cluster.controller(id).log.flushes = false;
    for (const { log } of cluster.controllers) log.append(1, 77);
    cluster.look();
    cluster.controller(1).state.highWatermark = 3;
  }],
  ["P19", "a metadata log that begins where no snapshot ends", (cluster) => {
    cluster.controller(2).state.logStartOffset = 1;
  }],
  ["P19", "a snapshot of another epoch than the log's", (cluster) => {
    cluster.controller(2).state.logStartOffset = 1;
    cluster.controller(2).state.snapshotId = { endOffset: 1, epoch: 0 };
  }],
  ["P20", "committed metadata that differ", (cluster) => {
    const [first, second] = [cluster.controller(1), cluster.controller(2)];
    first.log.append(1, 77);
    second.log.append(2, 78);
    cluster.look();
    first.state.highWatermark = second.state.highWatermark = 3;
  }],
  ["P23", "an append below min.insync.replicas", (cluster) => {
    cluster.change({ isr: [1] });
    cluster.assign();
    cluster.append(4, [1]);
  }],
  ["P26", "a gap in a producer's sequences", (cluster) => {
    for (const [hash, baseSequence] of [[4, 0], [5, 2]] as const) {
      cluster.append(hash, undefined, { producerId: 7, producerEpoch: 0, baseSequence });
      cluster.advance(hash);
    }
  }],
  ["P26", "a producer epoch that does not begin at 0", (cluster) => {
    for (const [hash, producerEpoch] of [[4, 0], [5, 1]] as const) {
      const baseSequence = hash - 4;
      cluster.append(hash, undefined, { producerId: 7, producerEpoch, baseSequence });
      cluster.advance(hash);
    }
  }],
  ["P40", "a restart that lost something durable", (cluster) => {
    const replica = cluster.replica(3);
    cluster.checker.processEnded(3, "power-lost");
    replica.log.batches.pop();
    cluster.checker.replicaStarted(replica);
  }],
  ["P40", "a restart of a process that lost something of the page cache", (cluster) => {
    const replica = cluster.replica(3);
    replica.log.flushes = false;
    replica.log.append(0, 4);
    cluster.look();
    cluster.checker.processEnded(3, "killed");
    replica.log.batches.pop();
    cluster.checker.replicaStarted(replica);
  }],
  ["P40", "a restart that found something that was not there", (cluster) => {
    const replica = cluster.replica(3);
    cluster.checker.processEnded(3, "power-lost");
    replica.log.append(0, 4);
    cluster.checker.replicaStarted(replica);
  }],
];

for (const [rule, what, spoil] of BAD) {
  Deno.test(`cluster checker: ${what} breaks ${rule}`, () => {
    const cluster = committed({ acksAll: () => true });
    assertEquals(cluster.broken, []);
    spoil(cluster);
    cluster.look();
    assert(cluster.broken.includes(rule), `${JSON.stringify(cluster.checker.violations)}`);
  });
}

Deno.test("cluster checker: each rule has a bad state that breaks it", () => {
  const tried = new Set(BAD.map(([rule]) => rule));
  assertEquals(Object.keys(STATE_RULES).filter((rule) => !tried.has(rule.split(" ")[0]!)), []);
});

Deno.test("cluster checker: a power cut excuses what was not durable until the node is back", () => {
  const cluster = committed({}, false);
  const replica = cluster.replica(3);
  cluster.checker.processEnded(3, "power-lost");
  replica.log.truncateTo(1);
  replica.log.truncations = 0;
  cluster.append(4, [1, 2]);
  cluster.checker.replicaStarted(replica);
  cluster.look();
  cluster.checker.checkAll();
  assertEquals(cluster.broken, []);
  cluster.start(3);
  cluster.commit(registered(3, 50), ...change(cluster, { isr: [1, 2], leader: 1 }));
  assertEquals(cluster.broken, []);
  cluster.change({ isr: [1, 2, 3] });
  assertEquals(cluster.broken, ["P4"]);
});

Deno.test("cluster checker: with flush.before.ack a power cut excuses nothing", () => {
  const cluster = committed({ flushBeforeAck: true }, false);
  cluster.checker.processEnded(3, "power-lost");
  cluster.checker.checkAll();
  assertEquals(cluster.broken, ["P3", "P4"]);
});

/** 1 and 2 have committed a batch that 3 lacks, who is elected: nobody has been told of it yet. */
function uncleanlyElected() {
  const cluster = committed();
  cluster.change({ isr: [1, 2] });
  cluster.assign();
  cluster.append(4, [1, 2]);
  cluster.advance(4);
  cluster.change({ isr: [3], leader: 3 });
  return cluster;
}

Deno.test("cluster checker: an unclean election gives up what its leader lacks, and no more", () => {
  const cluster = uncleanlyElected();
  cluster.assign();
  cluster.replica(3).state.minInsyncReplicas = 1;
  cluster.append(5, [3]);
  cluster.advance(4, 3);
  for (const id of [1, 2]) {
    cluster.replica(id).log.truncateTo(3);
    Object.assign(cluster.replica(id).state, { highWatermark: 3, lastStableOffset: 3 });
  }
  cluster.look();
  assertEquals(cluster.checker.violations, []);
  cluster.replica(3).log.truncateTo(2);
  cluster.look();
  assert(cluster.broken.includes("P7") || cluster.broken.includes("P6"), `${cluster.broken}`);
});

Deno.test("cluster checker: a leader that knows nothing of an unclean election counts on what that kept, and no more", () => {
  const cluster = uncleanlyElected();
  // 1 goes on as leader, with 2 in sync.
  cluster.assign(2, 3);
  cluster.replica(3).state.minInsyncReplicas = 1;
  cluster.append(5, [3]);
  cluster.advance(4, 3);
  cluster.replica(2).log.truncateTo(3);
  Object.assign(cluster.replica(2).state, { highWatermark: 3, lastStableOffset: 3 });
  cluster.look();
  cluster.checker.checkAll();
  assertEquals(cluster.checker.violations, []);
  cluster.replica(2).log.truncateTo(2);
  cluster.look();
  assert(cluster.broken.includes("P3"), `${cluster.broken}`);
});

Deno.test("cluster checker: a registration that comes late is of the process that asked for it", () => {
  const cluster = committed();
  cluster.checker.processEnded(3, "clean");
  cluster.start(3, 50);
  cluster.checker.processEnded(3, "killed");
  cluster.start(3, 51);
  // What the first has asked for: it had begun with all that there was.
  cluster.commit(registered(3, 50));
  assertEquals(cluster.checker.violations, []);
  cluster.commit(registered(3, 51));
  assertEquals(cluster.broken, ["P15"]);
});

Deno.test("cluster checker: the log of a replica that was taken away may go whenever its node learns of that", () => {
  const cluster = committed();
  const replica = cluster.replica(3);
  cluster.change({ isr: [1, 2], replicas: [1, 2] });
  cluster.assign(1, 2);
  // The node does not know, and goes on with what it has: another life of its replica.
  cluster.checker.replicaEnded(replica);
  cluster.checker.replicaStarted(replica);
  cluster.look();
  cluster.checker.processEnded(3, "clean");
  cluster.start(3);
  cluster.commit(registered(3, 50));
  const emptied = () => Object.assign(replica.log, { batches: [], flushedOffset: 0 });
  emptied();
  cluster.change({ replicas: [1, 2, 3] });
  cluster.assign();
  cluster.checker.replicaStarted(replica);
  cluster.look();
  assertEquals(cluster.checker.violations, []);
  for (const hash of [1, 2, 3]) cluster.append(hash, [3]);
  cluster.checker.processEnded(3, "killed");
  emptied();
  cluster.checker.replicaStarted(replica);
  cluster.look();
  assert(cluster.broken.includes("P40"), `${cluster.broken}`);
});

Deno.test("cluster checker: what was made durable in the event that ends a replica is durable", () => {
  const cluster = committed({ flushBeforeAck: true }, false);
  const replica = cluster.replica(3);
  replica.log.flushedOffset = 3;
  cluster.checker.replicaEnded(replica);
  cluster.checker.processEnded(3, "clean");
  cluster.start(3);
  cluster.checker.processEnded(3, "power-lost");
  cluster.checker.checkAll();
  assertEquals(cluster.checker.violations, []);
  replica.log.batches.pop();
  cluster.checker.replicaStarted(replica);
  cluster.look();
  assert(cluster.broken.includes("P40"), `${cluster.broken}`);
});

Deno.test("cluster checker: what is committed in the event that ends a controller is committed", () => {
  const cluster = committed();
  const hash = 77;
  cluster.records.set(hash, change(cluster, { isr: [1, 2], leader: 1 }));
  for (const { log, state } of cluster.controllers) log.append(state.epoch, hash);
  cluster.look();
  const controller = cluster.controller(1);
  controller.state.highWatermark = controller.log.logEndOffset;
  cluster.checker.controllerEnded(controller);
  // The broker has heard of it.
  cluster.assign(1);
  cluster.look();
  assertEquals(cluster.checker.metadata.endOffset, controller.log.logEndOffset);
  assertEquals(cluster.checker.violations, []);
});

Deno.test("cluster checker: a power cut may bring back what was fetched and not written whole", () => {
  const cluster = committed();
  cluster.change({ isr: [1, 2] });
  cluster.assign();
  cluster.append(4, [1, 2]);
  const replica = cluster.replica(3);
  cluster.checker.processEnded(3, "power-lost");
  replica.log.append(0, 4);
  cluster.checker.replicaStarted(replica);
  cluster.look();
  assertEquals(cluster.checker.violations, []);
});
