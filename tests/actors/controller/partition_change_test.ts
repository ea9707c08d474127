import { assert, assertEquals } from "@std/assert";
import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import {
  changePartition,
  type Election,
  type ElectionTerms,
  type PartitionTarget,
} from "../../../actors/controller/partition_change.ts";
import {
  changedPartition,
  type PartitionImage,
} from "../../../actors/controller/partition_image.ts";
import { type NodeId, NONE, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { standing } from "./decision_world.ts";

const TOPIC = "t".repeat(22);
const RULES = new ControllerRules();

function partition(fields: Partial<PartitionImage> = {}): PartitionImage {
  const replicas = fields.replicas ?? [1, 2, 3];
  return {
    replicas,
    isr: [1, 2, 3],
    leader: 1,
    leaderEpoch: 5,
    partitionEpoch: 9,
    elr: [],
    lastKnownElr: [],
    adding: [],
    removing: [],
    leaderRecoveryState: 0,
    directories: replicas.map(() => ZERO_UUID),
    ...fields,
  };
}

interface Terms {
  readonly active?: readonly NodeId[];
  readonly election?: Election;
  readonly minInsyncReplicas?: number;
  readonly elrEnabled?: boolean;
  readonly restartedUncleanly?: NodeId;
}

function terms(given: Terms): ElectionTerms {
  const { active = [1, 2, 3, 4, 5], election = "online", minInsyncReplicas = 2 } = given;
  const { elrEnabled = true, restartedUncleanly = NONE } = given;
  return {
    rules: RULES,
    election,
    minInsyncReplicas,
    elrEnabled,
    isActive: (id) => active.includes(id) && id !== restartedUncleanly,
    restartedUncleanly,
  };
}

function change(before: PartitionImage, target: PartitionTarget, given: Terms): PartitionImage {
  const record = changePartition(TOPIC, 0, before, target, terms(given));
  return record === undefined ? before : changedPartition(before, record);
}

Deno.test("partition change: what is so already needs no record", () => {
  assertEquals(changePartition(TOPIC, 0, partition(), { isr: [1, 2, 3] }, terms({})), undefined);
});

Deno.test("partition change: a smaller ISR leaves the leader and its epoch, and raises the partition epoch", () => {
  const after = change(partition(), { isr: [1, 2] }, {});
  assertEquals([standing(after), after.leaderEpoch, after.partitionEpoch], ["1 [1,2] ()", 5, 10]);
});

Deno.test("partition change: a leader that goes is replaced in the order of replicas, in a new leader epoch", () => {
  const before = partition({ replicas: [1, 3, 2], isr: [2, 3, 1] });
  const after = change(before, { isr: [2, 3] }, { active: [2, 3] });
  assertEquals([standing(after), after.leaderEpoch, after.partitionEpoch], ["3 [2,3] ()", 6, 10]);
});

Deno.test("partition change: the preferred replica leads where it may, else the leader stays", () => {
  const before = partition({ leader: 2 });
  assertEquals(change(before, {}, { election: "preferred" }).leader, 1);
  assertEquals(change(before, {}, { election: "preferred", active: [2, 3] }).leader, 2);
  assertEquals(change(before, {}, { election: "online" }).leader, 2);
});

Deno.test("partition change: with none in sync an eligible one leads, alone in the ISR", () => {
  const before = partition({ isr: [], elr: [2, 3], leader: -1, lastKnownElr: [2] });
  assertEquals(standing(change(before, {}, { active: [1, 3] })), "3 [3] (2)");
  assertEquals(change(before, {}, { active: [1, 3] }).lastKnownElr, []);
  assertEquals(standing(change(before, {}, { active: [1] })), "-1 [] (2,3)");
});

Deno.test("partition change: as many in sync as the minimum leave nobody eligible", () => {
  const before = partition({ isr: [1], elr: [2, 3] });
  assertEquals(standing(change(before, { isr: [1, 2] }, {})), "1 [1,2] ()");
  assertEquals(standing(change(before, {}, { minInsyncReplicas: 1 })), "1 [1] ()");
  const leaderless = partition({ isr: [], elr: [2, 3], leader: -1 });
  assertEquals(standing(change(leaderless, {}, { minInsyncReplicas: 1 })), "2 [2] ()");
});

Deno.test("partition change: a minimum larger than the replicas counts as all of them", () => {
  const before = partition({ replicas: [1], isr: [1] });
  assertEquals(
    standing(change(before, { isr: [] }, { active: [], minInsyncReplicas: 3 })),
    "-1 [] (1)",
  );
});

Deno.test("partition change: an unclean election takes any, alone, who recovers", () => {
  const before = partition({ isr: [], elr: [2], leader: -1 });
  const after = change(before, {}, { active: [1, 3], election: "unclean" });
  assertEquals([standing(after), after.leaderRecoveryState], ["1 [1] ()", 1]);
  assertEquals(change(after, { leaderRecoveryState: 0 }, {}).leaderRecoveryState, 0);
});

Deno.test("partition change: a reassignment completes when all its targets are in sync", () => {
  const before = partition({ replicas: [4, 5, 1], isr: [1], adding: [4, 5], removing: [1] });
  const half = change(before, { isr: [1, 4] }, {});
  assertEquals([half.replicas, half.adding, half.leader], [[4, 5, 1], [4, 5], 1]);
  const after = change(half, { isr: [1, 4, 5] }, {});
  assertEquals([after.replicas, after.adding, after.removing], [[4, 5], [], []]);
  assertEquals([standing(after), after.leaderEpoch], ["4 [4,5] ()", 6]);
});

Deno.test("partition change: who loses a replica gets a new leader epoch, even under the same leader", () => {
  const before = partition({ replicas: [1, 2, 3], removing: [3] });
  const after = change(before, { isr: [1, 2] }, {});
  assertEquals([after.replicas, standing(after), after.leaderEpoch], [[1, 2], "1 [1,2] ()", 6]);
});

Deno.test("partition change: directories stay with their replicas", () => {
  const [a, b, c] = ["a".repeat(22), "b".repeat(22), "c".repeat(22)] as const;
  const before = partition({ directories: [a, b, c] });
  const target = { replicas: [3, 4, 1], adding: [], removing: [], isr: [3, 1] };
  assertEquals(change(before, target, {}).directories, [c, ZERO_UUID, a]);
});

function subsets<T>(of: readonly T[]): T[][] {
  return of.reduce<T[][]>((all, item) => [...all, ...all.map((set) => [...set, item])], [[]]);
}

/** All partitions of three replicas that can be: ISR, ELR, leader, and who led last. */
function* partitions(elrEnabled: boolean): Generator<PartitionImage> {
  for (const isr of subsets([1, 2, 3])) {
    if (!elrEnabled && isr.length === 0) continue;
    const out = [1, 2, 3].filter((id) => !isr.includes(id));
    for (const elr of elrEnabled ? subsets(out) : [[]]) {
      if (isr.length > 0) {
        for (const leader of isr) yield partition({ isr, elr, leader });
        if (!elrEnabled) yield partition({ isr, elr, leader: NONE });
      } else {
        for (const lastKnownElr of [[], [1], [2], [3]]) {
          yield partition({ isr, elr, leader: NONE, lastKnownElr });
        }
      }
    }
  }
}

/** All terms of elections in it. */
function* allTerms(elrEnabled: boolean): Generator<Required<Terms>> {
  for (const active of subsets([1, 2, 3])) {
    for (const election of ["online", "preferred", "unclean"] as const) {
      for (const minInsyncReplicas of [1, 2, 3]) {
        for (const restartedUncleanly of [NONE, 1, 2]) {
          yield { active, election, minInsyncReplicas, elrEnabled, restartedUncleanly };
        }
      }
    }
  }
}

/** What must hold of any change, in words that have nothing to do with how it is made. */
function check(
  before: PartitionImage,
  isr: readonly NodeId[],
  given: Required<Terms>,
  after: PartitionImage,
): void {
  const { restartedUncleanly: lost, minInsyncReplicas, elrEnabled, election } = given;
  const active = given.active.filter((id) => id !== lost);
  const complete = isr.length > 0
    ? isr
    : elrEnabled && isr.length < minInsyncReplicas
    ? [...before.isr, ...before.elr].filter((id) => id !== lost)
    : [];
  const candidates = complete.filter((id) => active.includes(id));
  const [last] = before.lastKnownElr;
  const lastMayLead = elrEnabled && complete.length === 0 && last !== undefined &&
    active.includes(last);
  // Who leads
  if (candidates.length > 0) {
    assert(candidates.includes(after.leader), "a clean leader is to be had");
    if (candidates.includes(before.leader) && election !== "preferred") {
      assertEquals(after.leader, before.leader, "a leader that may lead stays");
    }
    if (candidates.includes(1) && election === "preferred") assertEquals(after.leader, 1);
  } else if (lastMayLead) {
    assertEquals(after.leader, last);
  } else if (election === "unclean" && active.length > 0) {
    assert(active.includes(after.leader), "an unclean election takes any");
  } else {
    assertEquals(after.leader, NONE, "nobody may lead");
  }
  // Where it leads, and in which epoch
  const isUnclean = candidates.length === 0 && after.leader !== NONE;
  if (after.leader !== NONE) assert(after.isr.includes(after.leader), "the leader is in the ISR");
  if (isUnclean) assertEquals([after.isr, after.leaderRecoveryState], [[after.leader], 1]);
  else assertEquals(after.leaderRecoveryState, 0);
  assertEquals(after.leaderEpoch - before.leaderEpoch, after.leader === before.leader ? 0 : 1);
  if (!elrEnabled) assert(after.isr.length > 0, "without ELR no ISR is empty");
  // Who is eligible
  assert(after.elr.every((id) => !after.isr.includes(id)), "ISR and ELR are disjoint");
  assert(!after.elr.includes(lost), "who has lost records is not eligible");
  const held = new Set([...before.isr, ...before.elr]);
  assert(after.elr.every((id) => held.has(id)), "nobody is eligible who was neither");
  if (after.isr.length >= minInsyncReplicas || !elrEnabled) assertEquals(after.elr, []);
  else if (!isUnclean) {
    const kept = new Set([...after.isr, ...after.elr]);
    for (const id of held) if (id !== lost) assert(kept.has(id), "nobody who has all is forgotten");
  }
  if (after.leader !== NONE) assertEquals(after.lastKnownElr, []);
}

for (const elrEnabled of [true, false]) {
  const which = elrEnabled ? "with" : "without";
  Deno.test(`partition change: of three replicas, ${which} eligible ones, every election is as it must be`, () => {
    let changes = 0;
    for (const given of allTerms(elrEnabled)) {
      for (const before of partitions(elrEnabled)) {
        for (const kept of subsets(before.isr)) {
          const isr = kept.filter((id) => id !== given.restartedUncleanly);
          const after = change(before, { isr }, given);
          try {
            check(before, isr, given, after);
          } catch (error) {
            const text = JSON.stringify({ before, isr, given, after });
            throw new Error(text, { cause: error });
          }
          changes++;
        }
      }
    }
    assert(changes > 5000);
  });
}
