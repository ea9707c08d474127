import { assert, assertEquals } from "@std/assert";
import { AnyonesIsr } from "../../../scripts/canaries/broken_decisions.ts";
import * as broken from "../../../scripts/canaries/broken_replicas.ts";
import { type BurstName, BURSTS } from "../../../scripts/canaries/model/bursts.ts";
import { playBurst } from "../../../scripts/canaries/model/election_burst.ts";
import {
  type ModelOptions,
  ReplicationModel,
  type Walk,
} from "../../../scripts/canaries/model/replication_model.ts";
import { type WalkName, WALKS } from "../../../scripts/canaries/model/walks.ts";

const SLOW_ISR = "two leader epochs, slow changes of the ISR";
const ELECTIONS = "three leader epochs, a record";
const LONGER_LOGS = "three leader epochs, two records";

function walk(name: WalkName, options: ModelOptions = {}): Walk {
  return new ReplicationModel(WALKS[name], options).walk();
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

const MUTATIONS: readonly (readonly [name: string, walk: WalkName, options: ModelOptions])[] = [
  ["m2 fetches of any epoch are served", ELECTIONS, { Replica: broken.FetchFromAnyEpoch }],
  ["m3 the mark counts any epoch", ELECTIONS, { Replica: broken.MarkFromAnyEpoch }],
  ["m5 joining below the mark", SLOW_ISR, { Replica: broken.JoinBelowMark }],
  ["m6 joining from any epoch", ELECTIONS, { Replica: broken.JoinFromAnyEpoch }],
  ["m7 the controller compares no epochs", ELECTIONS, { rules: AnyonesIsr.prototype }],
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

for (const [name, script] of Object.entries(BURSTS)) {
  Deno.test(`election burst: ${name}`, () => {
    assertEquals(playBurst(script).broken, undefined);
  });
}

const BURST_MUTATIONS: readonly (readonly [string, BurstName, ModelOptions["Replica"]])[] = [
  [
    "m1 truncation told by a leader in another epoch",
    "a follower asks one that led an epoch earlier where their logs part",
    broken.TruncationFromAnyEpoch,
  ],
  [
    "m4, B4 joining before the start of the epoch",
    "a follower has the mark, and not what was committed before the epoch",
    broken.JoinBeforeEpoch,
  ],
  [
    "B8 an answer that is older than the metadata",
    "an answer to a proposal comes after newer metadata",
    broken.TakeStaleAnswers,
  ],
  [
    "B9 a follower that left comes back by what it had",
    "a follower fails and loses its records, and its broker is well",
    broken.KeepWhoLeft,
  ],
  [
    "B10 an epoch without a record that nobody noted",
    "a leader epoch gets no record, and a follower has one of the epoch before",
    broken.ForgetEmptyEpochs,
  ],
  [
    "B11 an answer that comes after another leader's",
    "an answer of one leader comes after another's",
    broken.TakeLateAnswers,
  ],
];

for (const [name, burst, Replica] of BURST_MUTATIONS) {
  Deno.test(`election burst: it notices: ${name}`, () => {
    const { broken, at } = playBurst(BURSTS[burst], { Replica: Replica! });
    console.log(`${broken} after ${at} steps`);
    assert(broken !== undefined, "nothing was broken");
  });
}
