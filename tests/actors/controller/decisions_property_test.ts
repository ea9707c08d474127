import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { isElrEnabled } from "../../../actors/controller/features.ts";
import {
  type BrokerImage,
  ClusterImage,
  type PartitionImage,
} from "../../../actors/controller/cluster_image.ts";
import type { ProposedMember } from "../../../actors/controller/controller_rules.ts";
import { ControllerDecisions } from "../../../actors/controller/decisions.ts";
import { differences } from "../../../actors/controller/image_changes.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import { ALTER_PARTITION } from "../../../net/messages/alter_partition.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../net/messages/alter_partition_reassignments.ts";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { FAIL_REPLICAS } from "../../../net/messages/fail_replicas.ts";
import { UNREGISTER_BROKER } from "../../../net/messages/unregister_broker.ts";
import { UPDATE_FEATURES } from "../../../net/messages/update_features.ts";
import type { NodeId } from "../../../storage/bytes/ids.ts";
import { DecisionWorld } from "./decision_world.ts";
import { contents } from "./images.ts";

const NAMES = ["a", "b", "c"] as const;

/** What a run does next: which of the steps, and four numbers for it to draw its choices from. */
type Step = readonly [kind: number, number, number, number, number];

const steps = fc.array(
  fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99)),
  { minLength: 20, maxLength: 90, size: "max" },
);

/** What an ISR proposal has seen: epochs go stale while it is under way. */
interface Proposal {
  readonly topicId: string;
  readonly brokerId: NodeId;
  readonly brokerEpoch: number;
  readonly partitionIndex: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly newIsrWithEpochs: readonly ProposedMember[];
  readonly leaderRecoveryState: number;
}

/** A cluster that does anything a few brokers and a careless operator can do to it. */
class Run {
  readonly world: DecisionWorld;
  readonly #ids: readonly NodeId[];
  readonly #proposals: Proposal[] = [];
  readonly counts = new Map<string, number>();

  constructor(brokers: number, level: number, Decisions: typeof ControllerDecisions) {
    this.#ids = Array.from({ length: brokers }, (_, index) => index + 1);
    this.world = new DecisionWorld({ brokers: this.#ids, metadataVersion: level, Decisions });
    this.world.createTopic("a", [[1, 2, 3], [2, 3, 1]], { "min.insync.replicas": "2" });
  }

  do([kind, a, b, c, d]: Step): void {
    const { world } = this;
    const id = this.#ids[a % this.#ids.length] ?? 1;
    const topic = world.image.topicByName(NAMES[b % NAMES.length] ?? "a");
    const name = NAMES[b % NAMES.length] ?? "a";
    const index = topic === undefined ? 0 : c % Math.max(topic.partitions.length, 1);
    const partition = topic?.partitions[index];
    switch (kind % 20) {
      case 0:
      case 1:
        return void world.heartbeat(id, { behind: d % 8 === 0 ? 1000 : 0 });
      case 2:
        return world.fence(id);
      case 3:
        world.fence(id);
        return void world.start(id, { clean: true });
      case 4:
      case 5:
        // It was away for longer than its session, and has lost what it had not flushed.
        if (c % 2 === 0) world.fence(id);
        else world.pass(c % 3 === 0 ? 12_000 : 0);
        return void (d % 2 === 0 ? world.start(id) : world.register(id));
      case 6:
        return void world.heartbeat(id, { wantShutDown: true });
      case 7:
        return world.pass(1000 * (d % 12));
      case 8:
      case 9:
      case 10:
        if (topic !== undefined && partition !== undefined) {
          this.#see(topic.id, index, partition, d);
        }
        return;
      case 11:
      case 12:
      case 13:
        return this.#propose(d);
      case 14:
        return void world.ask(ALTER_PARTITION_REASSIGNMENTS, {
          topics: [{
            name,
            partitions: [{
              partitionIndex: index,
              replicas: d % 3 === 0 ? null : this.#some(d, 1 + a % this.#ids.length),
            }],
          }],
        });
      case 15:
        return void world.ask(ELECT_LEADERS, {
          electionType: d % 2,
          topicPartitions: d % 5 === 0 ? null : [{ topic: name, partitions: [index] }],
        });
      case 16:
        return this.#administer(name, d, a);
      case 17:
        return void (d % 4 === 0
          ? world.ask(UNREGISTER_BROKER, { brokerId: id })
          : world.heartbeat(id));
      case 18:
        if (topic === undefined || partition === undefined) return;
        return void world.ask(FAIL_REPLICAS, {
          brokerId: id,
          brokerEpoch: world.image.brokers.get(id)?.epoch ?? -1,
          topics: [{
            topicId: topic.id,
            partitions: [{ partitionIndex: index, leaderEpoch: partition.leaderEpoch }],
          }],
        });
      case 19:
        world.configure(CONFIG_RESOURCE.topic, name, "min.insync.replicas", `${1 + d % 3}`);
        world.configure(
          CONFIG_RESOURCE.topic,
          name,
          "unclean.leader.election.enable",
          `${d % 5 === 0}`,
        );
        return;
    }
  }

  #administer(name: string, d: number, a: number): void {
    const { world } = this;
    const count = world.image.topicByName(name)?.partitions.length;
    if (d % 7 === 0) {
      world.ask(UPDATE_FEATURES, {
        featureUpdates: [{ feature: "metadata.version", maxVersionLevel: 23 }],
      });
    } else if (count === undefined) {
      const replicas = this.#some(d, Math.min(3, this.#ids.length));
      if (replicas.some((id) => this.#isActive(id))) world.createTopic(name, [replicas, replicas]);
    } else if (d % 3 === 0) {
      world.ask(DELETE_TOPICS, { topics: [{ name }] });
    } else if (count < 4) {
      world.ask(CREATE_PARTITIONS, {
        topics: [{ name, count: count + 1, assignments: [{ brokerIds: this.#some(a, 2) }] }],
      });
    }
  }

  #isActive(id: NodeId): boolean {
    const broker = this.world.image.brokers.get(id);
    return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
  }

  /** So many brokers that are registered, from some of them on. */
  #some(from: number, count: number): NodeId[] {
    const known = this.#ids.filter((id) => this.world.image.brokers.has(id));
    return known.map((_, index) => known[(from + index) % known.length] ?? 1).slice(0, count);
  }

  /** A leader makes up its mind; the proposal arrives later, or twice, or never. */
  #see(topicId: string, partitionIndex: number, partition: PartitionImage, drawn: number): void {
    const { leader, leaderEpoch, partitionEpoch, replicas, leaderRecoveryState } = partition;
    if (leader < 0) return;
    const isr = replicas.filter((id, index) => id === leader || (drawn >> index) % 2 === 0);
    const epochOf = (id: NodeId) => this.world.image.brokers.get(id)?.epoch ?? -1;
    this.#proposals.push({
      topicId,
      brokerId: leader,
      brokerEpoch: epochOf(leader),
      partitionIndex,
      leaderEpoch,
      partitionEpoch,
      newIsrWithEpochs: (leaderRecoveryState === 1 ? [leader] : isr).map((brokerId) => ({
        brokerId,
        brokerEpoch: drawn % 9 === 0 ? -1 : epochOf(brokerId),
      })),
      leaderRecoveryState: 0,
    });
  }

  #propose(drawn: number): void {
    if (this.#proposals.length === 0) return;
    const at = Math.max(this.#proposals.length - 1 - drawn % 4, 0);
    const proposal = this.#proposals[at] as Proposal;
    const { topicId, brokerId, brokerEpoch, ...partition } = proposal;
    const { image } = this.world;
    const before = image.topicById(topicId)?.partitions[partition.partitionIndex];
    const { topics } = this.world.ask(ALTER_PARTITION, {
      brokerId,
      brokerEpoch,
      topics: [{ topicId, partitions: [partition] }],
    });
    const code = topics[0]?.partitions[0]?.errorCode ?? -1;
    if (code === 0) checkAccepted(image, before, proposal);
    this.counts.set(`${code}`, (this.counts.get(`${code}`) ?? 0) + 1);
  }
}

/** P14: whose proposal is accepted knows the partition and its members as they are (B6). */
function checkAccepted(
  image: ClusterImage,
  before: PartitionImage | undefined,
  { brokerId, leaderEpoch, partitionEpoch, newIsrWithEpochs }: Proposal,
): void {
  assertEquals(
    [leaderEpoch, partitionEpoch, brokerId],
    [before?.leaderEpoch, before?.partitionEpoch, before?.leader],
  );
  for (const member of newIsrWithEpochs) {
    if (before?.isr.includes(member.brokerId) && member.brokerEpoch === -1) continue;
    assertEquals(member.brokerEpoch, image.brokers.get(member.brokerId)?.epoch);
  }
}

function minimumOf(image: ClusterImage, topic: string, { replicas }: PartitionImage): number {
  const text = image.configs(CONFIG_RESOURCE.topic, topic).get("min.insync.replicas") ?? "1";
  return Math.min(Number(text), replicas.length);
}

/** P2: LeaderInIsr and ValidControllerIsrAndElr, and what a reassignment may look like. */
function checkPartition(image: ClusterImage, topic: string, partition: PartitionImage): void {
  const { leader, isr, elr, replicas, adding, removing, lastKnownElr } = partition;
  const elrEnabled = isElrEnabled(image);
  const within = (ids: readonly NodeId[]) => ids.every((id) => replicas.includes(id));
  assert(
    new Set(replicas).size === replicas.length && replicas.length > 0,
    "replicas are distinct",
  );
  assert(within(isr) && within(elr) && within(adding) && within(removing), "all are replicas");
  assert(within(lastKnownElr), "who led last is a replica");
  assert(partition.directories.length === replicas.length, "each replica has a directory");
  assert(new Set(isr).size === isr.length, "the ISR names each once");
  assert(elr.every((id) => !isr.includes(id)), "ISR and ELR are disjoint");
  if (leader >= 0) assert(isr.includes(leader), "the leader is in the ISR");
  if (leader >= 0) assert(isActive(image.brokers.get(leader)), "the leader is active");
  if (leader < 0 && elrEnabled) assert(isr.every((id) => !isActive(image.brokers.get(id))));
  if (!elrEnabled) assert(isr.length > 0, "without ELR no ISR is empty");
  if (leader >= 0) {
    assert(isr.every((id) => isActive(image.brokers.get(id))), "who is fenced is in no ISR");
    assertEquals(lastKnownElr, []);
  }
  if (isr.length >= minimumOf(image, topic, partition)) assertEquals(elr, [], "nobody is eligible");
  if (partition.leaderRecoveryState === 1) assert(isr.length <= 1, "who recovers is alone");
}

function isActive(broker: BrokerImage | undefined): boolean {
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown;
}

/** P14: how the epochs of partitions move from one batch to the next. */
class EpochCheck {
  readonly #seen = new Map<string, PartitionImage>();

  check(image: ClusterImage): void {
    for (const topic of image.topics.values()) {
      for (const [index, now] of topic.partitions.entries()) {
        const key = `${topic.id} ${index}`;
        const before = this.#seen.get(key);
        this.#seen.set(key, now);
        if (before === undefined || before === now) continue;
        assertEquals(now.partitionEpoch, before.partitionEpoch + 1, "one change a batch");
        const raised = now.leaderEpoch - before.leaderEpoch;
        assert(raised === 0 || raised === 1, "the leader epoch rises by one");
        if (now.leader !== before.leader) assertEquals(raised, 1, "a new leader, a new epoch");
        const dropped = before.replicas.some((id) => !now.replicas.includes(id));
        if (dropped) assertEquals(raised, 1, "a replica that goes leaves the epoch");
      }
    }
  }
}

/** P15: who restarted uncleanly is in no ISR and no ELR before it is taken in anew. */
function checkRestart(records: readonly MetadataRecord[], image: ClusterImage): void {
  const [record] = records;
  if (record?.kind !== "RegisterBrokerRecord" || !isElrEnabled(image)) return;
  const { brokerId } = record.value;
  const unclean = lastPreviousEpoch === -1;
  for (const { partitions } of image.topics.values()) {
    for (const { isr, elr, leader } of partitions) {
      // What was in sync before there were eligible replicas stays so until it changes.
      assert(!isr.includes(brokerId) && leader !== brokerId, "who is registered is in no ISR");
      if (unclean) assert(!elr.includes(brokerId), "who may have lost records is not eligible");
    }
  }
}

/** Of the registration that is being decided. */
let lastPreviousEpoch = 0;

/** Watches registrations for `checkRestart`. */
function watching(Decisions: typeof ControllerDecisions): typeof ControllerDecisions {
  return class extends Decisions {
    override decide(...args: Parameters<ControllerDecisions["decide"]>) {
      const request = args[1] as { previousBrokerEpoch?: number };
      lastPreviousEpoch = request.previousBrokerEpoch ?? 0;
      return super.decide(...args);
    }
  };
}

interface RunOptions {
  readonly brokers: number;
  readonly level: number;
  readonly steps: readonly Step[];
}

function run({ brokers, level, steps }: RunOptions, Decisions = ControllerDecisions): Run {
  const made = new Run(brokers, level, watching(Decisions));
  const { world } = made;
  const { image } = world;
  const epochs = new EpochCheck();
  // Follows by undoing and replaying, as a controller does that loses its lead and gets it back.
  const shadow = new ClusterImage();
  for (const record of world.log) shadow.replay(record);
  world.onBatch = (records) => {
    epochs.check(image);
    for (const topic of image.topics.values()) {
      for (const partition of topic.partitions) checkPartition(image, topic.name, partition);
    }
    checkRestart(records, image);
    const before = contents(shadow);
    const undo: (() => void)[] = [];
    for (const record of records) shadow.replay(record, undo);
    assertEquals(contents(shadow), contents(image));
    while (undo.length > 0) undo.pop()?.();
    assertEquals(contents(shadow), before);
    for (const record of records) shadow.replay(record);
  };
  epochs.check(image);
  for (const step of steps) made.do(step);
  return made;
}

/** A run takes its time, and shrinking thousands: take `endOnFailure` away to see it shrunk. */
const options = fc.record({
  brokers: fc.integer({ min: 3, max: 5 }),
  level: fc.constantFrom(23, 23, 23, 22),
  steps,
});

Deno.test("decisions: whatever happens to a cluster, its partitions are as they must be (P2, P14, P15)", () => {
  const counts = new Map<string, number>();
  fc.assert(
    fc.property(options, (drawn) => {
      for (const [code, count] of run(drawn).counts) {
        counts.set(code, (counts.get(code) ?? 0) + count);
      }
    }),
    { numRuns: 100, endOnFailure: true },
  );
  // Proposals that were accepted, came too late, and named who may not be in sync.
  for (const code of ["0", "74", "95", "107"]) assert((counts.get(code) ?? 0) > 0, `code ${code}`);
});

Deno.test("decisions: an image is what its records say, and what changed is found by comparing", () => {
  fc.assert(
    fc.property(options, options, (one, other) => {
      const [before, after] = [run(one).world.image, run(other).world.image];
      const folded = new ClusterImage();
      for (const record of after.records()) folded.replay(record);
      assertEquals(contents(folded), contents(after));
      assertEquals(differences(folded, after), []);
      const changes = before.load(after.records());
      assertEquals(contents(before), contents(after));
      assertEquals(changes.length > 0, true);
    }),
    { numRuns: 10, endOnFailure: true },
  );
});

/** Rules that are broken on purpose; each must be noticed by the same checks. */
const CANARIES: Readonly<Record<string, typeof ControllerDecisions>> = {
  "an unclean restart leaves ELR as it was (B7)": class extends ControllerDecisions {
    override staysEligible(): boolean {
      return true;
    }
  },
  "every restart is taken for a clean one (B7)": class extends ControllerDecisions {
    override isCleanRestart(): boolean {
      return true;
    }
  },
  "who is fenced may join the ISR": class extends ControllerDecisions {
    override mayBeInSync(): boolean {
      return true;
    }
  },
  "a proposal is taken whose partition epoch is over (m7)": class extends ControllerDecisions {
    override isPartitionEpochCurrent(): boolean {
      return true;
    }
  },
  "a proposal is taken whose leader epoch is over (m7)": class extends ControllerDecisions {
    override isLeaderEpochCurrent(): boolean {
      return true;
    }
    override isPartitionEpochCurrent(): boolean {
      return true;
    }
  },
  "who joins may have restarted since it fetched (B6)": class extends ControllerDecisions {
    override mayBeInSync(broker: BrokerImage | undefined): boolean {
      return this.isActive(broker);
    }
  },
  "a full ISR leaves others eligible": class extends ControllerDecisions {
    override clearsElr(): boolean {
      return false;
    }
  },
  "anybody may be elected": class extends ControllerDecisions {
    override isElectable(): boolean {
      return true;
    }
  },
};

for (const [name, Broken] of Object.entries(CANARIES)) {
  Deno.test(`decisions: the checks notice that ${name}`, () => {
    assertThrows(() =>
      fc.assert(fc.property(options, (drawn) => void run(drawn, Broken)), {
        numRuns: 300,
        seed: 1,
        endOnFailure: true,
      })
    );
  });
}
