import { assert, assertEquals } from "@std/assert";
import { Replica } from "../../../actors/partition/replica.ts";
import * as broken from "../../../scripts/canaries/broken_replicas.ts";
import { ElectionBurst } from "./election_burst.ts";
import {
  type Bounds,
  type ModelOptions,
  ReplicationModel,
  type Walk,
} from "./replication_model.ts";

/** Leader epochs 0 and 1, AlterPartition as a message whose answer may be lost. */
const SLOW_ISR: Bounds = {
  logSize: 2,
  recordsMax: 2,
  leaderEpochMax: 1,
  isrChangesMax: 1,
  proposalsTakeTime: true,
  statesMax: 200_000,
};

/** Leader epochs 0 to 2, logs of one record. */
const ELECTIONS: Bounds = {
  ...SLOW_ISR,
  logSize: 1,
  leaderEpochMax: 2,
  proposalsTakeTime: false,
  statesMax: 500_000,
};

/** Leader epochs 0 to 2, logs of two records: as far as a few seconds go. */
const LONGER_LOGS: Bounds = { ...ELECTIONS, logSize: 2, statesMax: 500_000 };

function walk(bounds: Bounds, options: ModelOptions = {}): Walk {
  return new ReplicationModel(bounds, options).walk();
}

function assertSound({ broken, steps }: Walk): void {
  assertEquals(broken, undefined, steps.join("\n"));
}

Deno.test("replication model: all that two leader epochs can bring keeps every invariant", () => {
  const found = walk(SLOW_ISR);
  assertSound(found);
  assert(found.exhausted && found.states > 50_000, `${found.states} states`);
});

Deno.test("replication model: all that three leader epochs can bring to a record does, too", () => {
  const found = walk(ELECTIONS);
  assertSound(found);
  assert(found.exhausted && found.states > 200_000, `${found.states} states`);
});

Deno.test("replication model: three leader epochs and two records, as deep as a few seconds go", () => {
  const found = walk(LONGER_LOGS);
  assertSound(found);
  assert(found.depth >= 12, `depth ${found.depth}`);
});

const MUTATIONS: readonly (readonly [name: string, bounds: Bounds, options: ModelOptions])[] = [
  ["m2 fetches of any epoch are served", ELECTIONS, { Replica: broken.FetchFromAnyEpoch }],
  ["m3 the mark counts any epoch", ELECTIONS, { Replica: broken.MarkFromAnyEpoch }],
  ["m5 joining below the mark", SLOW_ISR, { Replica: broken.JoinBelowMark }],
  ["m6 joining from any epoch", ELECTIONS, { Replica: broken.JoinFromAnyEpoch }],
  ["m7 the controller compares no epochs", ELECTIONS, { comparesEpochs: false }],
  ["m8, B1 truncation to the mark", ELECTIONS, { Replica: broken.TruncateToMark }],
  ["m9, B2 truncation without epoch", ELECTIONS, { Replica: broken.TruncateWithoutEpoch }],
  ["the old protocol", ELECTIONS, { Replica: broken.OldProtocol }],
  ["B5 the mark over the committed ISR", SLOW_ISR, { Replica: broken.MarkOverCommittedIsr }],
  ["B8 roll back what may be applied", SLOW_ISR, { Replica: broken.RollBackUnknown }],
  ["B9 followers outlive the epoch", SLOW_ISR, { Replica: broken.KeepFollowers }],
];

for (const [name, bounds, options] of MUTATIONS) {
  Deno.test(`replication model: it notices: ${name}`, () => {
    const found = walk(bounds, options);
    console.log(`${found.broken} at depth ${found.depth} of ${found.states} states`);
    assert(found.broken !== undefined, `not within ${found.states} states`);
  });
}

/** Runs a script with the broken class, which must break something, and the sound one. */
function burst(Class: typeof Replica, script: (burst: ElectionBurst) => void): void {
  const broken = new ElectionBurst(Class);
  script(broken);
  assert(broken.broken !== undefined, "nothing was broken");
  console.log(`${broken.broken.invariant} after ${broken.broken.step} steps`);
  const sound = new ElectionBurst(Replica);
  script(sound);
  assertEquals(sound.broken, undefined);
}

Deno.test("election burst: it notices: m1 truncation told by a leader in another epoch", () => {
  burst(broken.TruncationFromAnyEpoch, (run) => {
    run.elect(0);
    run.hear([0]);
    run.write(0);
    run.elect(1);
    run.hear([1]);
    run.elect(0);
    run.hear([0, 2]);
    run.fetch(2);
    run.fetch(2);
    run.elect(1);
    run.hear([2]);
    // Replica 1 leads in an epoch that is over, and has not heard of the record.
    run.fetch(2);
    run.hear([1], 2);
    run.fetch(1);
    run.fetch(1);
  });
});

Deno.test("election burst: it notices: m4, B4 joining before the start of the epoch", () => {
  burst(broken.JoinBeforeEpoch, (run) => {
    run.elect(0);
    run.hear([0, 1]);
    run.shrink(0, 2);
    run.alter(0);
    run.write(0);
    run.fetch(1);
    // Its next fetch commits the record, but it does not hear so.
    run.ask(1);
    run.elect(1);
    run.hear([1, 2]);
    run.ask(2);
    run.alter(1);
    run.fence(1);
    run.fence(0);
    run.elect(2);
    run.hear([2]);
  });
});

Deno.test("election burst: it notices: B11 an answer that comes after another leader's", () => {
  burst(broken.TakeLateAnswers, (run) => {
    run.elect(0);
    run.hear([0, 1]);
    run.write(0);
    const late = run.ask(1);
    run.elect(2);
    run.hear([2, 1]);
    run.write(2);
    run.write(2);
    run.fetch(1);
    run.take(1, late);
    run.fetch(1);
    run.hear([0]);
    for (let fetch = 0; fetch < 3; fetch++) run.fetch(0);
    run.fetch(0);
  });
});

Deno.test("election burst: it notices: B8 an answer that is older than the metadata", () => {
  const partitionEpochs = (Class: typeof Replica) => {
    const run = new ElectionBurst(Class);
    const { replica } = run.nodes[0]!;
    run.elect(0);
    run.hear([0, 1]);
    run.shrink(0, 2);
    const late = run.decide(0)!;
    run.elect(0);
    run.hear([0]);
    const before = replica.partitionEpoch;
    run.answer(0, late);
    return [before, replica.partitionEpoch];
  };
  assertEquals(partitionEpochs(Replica), [100, 100]);
  assertEquals(partitionEpochs(broken.TakeStaleAnswers), [100, 1], "it falls");
});

Deno.test("election burst: it notices: B10 an epoch without a record that nobody noted", () => {
  const verdicts = (Class: typeof Replica) => {
    const run = new ElectionBurst(Class);
    run.elect(0);
    run.hear([0]);
    run.elect(1);
    run.hear([1]);
    run.write(1);
    run.elect(0);
    run.hear([0, 1]);
    return [run.fetch(1), run.fetch(1)];
  };
  assertEquals(verdicts(Replica), ["diverging", "served"]);
  assertEquals(verdicts(broken.ForgetEmptyEpochs), ["refused", "refused"], "it never goes on");
});
