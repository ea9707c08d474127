import { assertEquals } from "@std/assert";
import type { BrokerImage } from "../../../actors/controller/cluster_image.ts";
import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import type { PartitionImage } from "../../../actors/controller/partition_image.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";

const RULES = new ControllerRules();
const BOTH = [false, true];

function broker(fields: Partial<BrokerImage> = {}): BrokerImage {
  return {
    id: 1,
    epoch: 100,
    incarnationId: ZERO_UUID,
    endPoints: [],
    rack: null,
    fenced: false,
    inControlledShutdown: false,
    logDirs: [],
    features: [],
    ...fields,
  };
}

Deno.test("rules: a broker is active that is registered, unfenced, and not shutting down", () => {
  assertEquals(RULES.isActive(undefined), false);
  for (const fenced of BOTH) {
    for (const inControlledShutdown of BOTH) {
      const active = !fenced && !inControlledShutdown;
      assertEquals(RULES.isActive(broker({ fenced, inControlledShutdown })), active);
    }
  }
});

Deno.test("rules: a process takes a broker's place that is fenced, silent, itself, or on the controller's node", () => {
  for (const fenced of BOTH) {
    for (const same of BOTH) {
      for (const own of BOTH) {
        for (const hasSession of BOTH) {
          const registration = {
            brokerId: 1,
            incarnationId: same ? ZERO_UUID : "other",
            previousBrokerEpoch: -1,
          };
          const facts = { controllerId: own ? 1 : 2, hasSession };
          const may = RULES.mayRegister(broker({ fenced }), registration, facts);
          assertEquals(may, fenced || same || own || !hasSession);
          assertEquals(RULES.mayRegister(undefined, registration, facts), true);
        }
      }
    }
  }
});

Deno.test("rules: a restart is clean that names the epoch of the registration before", () => {
  const registration = { brokerId: 1, incarnationId: ZERO_UUID, previousBrokerEpoch: 100 };
  assertEquals(RULES.isCleanRestart(broker(), registration), true);
  assertEquals(RULES.isCleanRestart(broker({ epoch: 101 }), registration), false);
  assertEquals(RULES.isCleanRestart(undefined, registration), false);
});

Deno.test("rules: only who is alone with its controller, active, and ended in order goes on as it was", () => {
  for (const isAlone of BOTH) {
    for (const own of BOTH) {
      for (const active of BOTH) {
        for (const clean of BOTH) {
          const registration = {
            brokerId: 1,
            incarnationId: "other",
            previousBrokerEpoch: clean ? 100 : -1,
          };
          const facts = { controllerId: own ? 1 : 2, isAlone };
          const keeps = RULES.keepsStanding(broker({ fenced: !active }), registration, facts);
          assertEquals(keeps, isAlone && own && active && clean);
          assertEquals(RULES.keepsStanding(undefined, registration, facts), false);
        }
      }
    }
  }
});

Deno.test("rules: a broker is unfenced from the offset of its registration on", () => {
  assertEquals([99, 100, 101].map((at) => RULES.mayUnfence(broker(), at)), [false, true, true]);
});

Deno.test("rules: a session is over after the timeout, not at it", () => {
  assertEquals([8, 9, 10].map((ms) => RULES.isSessionOver(ms, 9)), [false, false, true]);
});

Deno.test("rules: those in sync may lead, those eligible only while none is in sync", () => {
  assertEquals(RULES.isElectable(1, [1], []), true);
  assertEquals(RULES.isElectable(2, [1], [2]), false);
  assertEquals(RULES.isElectable(2, [], [2]), true);
  assertEquals(RULES.isElectable(1, [], [2]), false);
});

Deno.test("rules: who led last may lead again only where nobody is in sync or eligible (B23)", () => {
  for (const isr of [[], [1]]) {
    for (const elr of [[], [2]]) {
      for (const last of [[], [3], [3, 4]]) {
        const may = isr.length === 0 && elr.length === 0 && last.length === 1;
        assertEquals(RULES.mayElectLastKnown(isr, elr, last), may);
      }
    }
  }
});

Deno.test("rules: an unclean restart ends eligibility (B7), and of that broker only", () => {
  assertEquals([1, 2].map((id) => RULES.staysEligible(id, 1)), [false, true]);
});

Deno.test("rules: as many in sync as the minimum end the eligibility of all others", () => {
  assertEquals([1, 2, 3].map((inSync) => RULES.clearsElr(inSync, 2)), [false, true, true]);
});

Deno.test("rules: proposals are compared with both epochs, each in both directions", () => {
  const partition = { leaderEpoch: 5, partitionEpoch: 9 } as PartitionImage;
  for (const leaderEpoch of [4, 5, 6]) {
    for (const partitionEpoch of [8, 9, 10]) {
      const future = leaderEpoch > 5 || partitionEpoch > 9;
      assertEquals(RULES.isFromTheFuture(partition, { leaderEpoch, partitionEpoch }), future);
      assertEquals(RULES.isLeaderEpochCurrent(partition, leaderEpoch), leaderEpoch >= 5);
      assertEquals(RULES.isPartitionEpochCurrent(partition, partitionEpoch), partitionEpoch >= 9);
    }
  }
});

Deno.test("rules: a member of an ISR is active and of the registration that was seen to fetch (B6)", () => {
  const may = (brokerEpoch: number, isr: number[], fields: Partial<BrokerImage> = {}) =>
    RULES.mayBeInSync(broker(fields), { brokerId: 1, brokerEpoch }, isr);
  assertEquals(may(100, []), true);
  assertEquals(may(99, []), false);
  assertEquals(may(99, [1]), false);
  assertEquals(may(-1, []), false);
  assertEquals(may(-1, [1]), true);
  assertEquals(may(100, [1], { fenced: true }), false);
  assertEquals(may(100, [1], { inControlledShutdown: true }), false);
  assertEquals(RULES.mayBeInSync(undefined, { brokerId: 1, brokerEpoch: 100 }, [1]), false);
});

Deno.test("rules: a reassignment is complete with all its targets in sync", () => {
  assertEquals(RULES.isReassigned([1, 2], [3, 2, 1]), true);
  assertEquals(RULES.isReassigned([1, 2], [1]), false);
  assertEquals(RULES.isReassigned([], [1]), false);
});
