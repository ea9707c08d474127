import { assertEquals } from "@std/assert";
import { isElrEnabled, SUPPORTED_FEATURES } from "../../../actors/controller/features.ts";
import { recordVersion } from "../../../actors/controller/metadata_record.ts";
import { errorName } from "../../../net/messages/errors.ts";
import { type FeatureUpdateKey, UPDATE_FEATURES } from "../../../net/messages/update_features.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

const NAME = "metadata.version";

function update(
  world: DecisionWorld,
  updates: readonly Partial<FeatureUpdateKey>[],
  validateOnly = false,
): string {
  const featureUpdates = updates.map((it) => ({ feature: NAME, upgradeType: 1, ...it }));
  return errorName(world.ask(UPDATE_FEATURES, { featureUpdates, validateOnly }).errorCode);
}

Deno.test("features: a new log begins with the newest level, an old one keeps its own", () => {
  assertEquals(new DecisionWorld().image.features.get(NAME), 23);
  assertEquals(new DecisionWorld({ metadataVersion: 22 }).image.features.get(NAME), 22);
});

Deno.test("features: eligible leader replicas begin with the level that knows them", () => {
  const world = new DecisionWorld({ metadataVersion: 22, brokers: [1, 2] });
  world.createTopic("a", [[1]]);
  world.fence(1);
  assertEquals([isElrEnabled(world.image), standing(world.partition("a"))], [false, "-1 [1] ()"]);
  assertEquals(
    world.log.every((record) => recordVersion(record) !== 2 || !isPartition(record)),
    true,
  );
  assertEquals(update(world, [{ maxVersionLevel: 23 }]), "NONE");
  assertEquals(isElrEnabled(world.image), true);
  world.heartbeat(1);
  world.fence(1);
  assertEquals(standing(world.partition("a")), "-1 [] (1)");
  assertEquals(recordVersion(world.log.at(-1)!), 2);
});

function isPartition({ kind }: { readonly kind: string }): boolean {
  return kind === "PartitionRecord" || kind === "PartitionChangeRecord";
}

Deno.test("features: what cannot be is refused, and nothing is changed", () => {
  const world = new DecisionWorld({ metadataVersion: 22 });
  const refused: readonly Partial<FeatureUpdateKey>[] = [
    { maxVersionLevel: 24 },
    { maxVersionLevel: 1 },
    { maxVersionLevel: 23, feature: "group.version" },
    { maxVersionLevel: 21 },
    { maxVersionLevel: 21, upgradeType: 9 },
    { maxVersionLevel: 23, upgradeType: 2 },
  ];
  for (const one of refused) {
    assertEquals(update(world, [one]), "INVALID_UPDATE_VERSION", JSON.stringify(one));
  }
  assertEquals(
    update(world, [{ maxVersionLevel: 23 }, { maxVersionLevel: 23 }]),
    "INVALID_REQUEST",
  );
  assertEquals(update(world, [{ maxVersionLevel: 23 }], true), "NONE");
  assertEquals(world.image.features.get(NAME), 22);
});

Deno.test("features: a downgrade is made where it is asked for as such, and loses nothing", () => {
  const world = new DecisionWorld({ metadataVersion: 22 });
  assertEquals(update(world, [{ maxVersionLevel: 21, upgradeType: 2 }]), "NONE");
  assertEquals(update(world, [{ maxVersionLevel: 23 }]), "NONE");
  for (const upgradeType of [2, 3]) {
    assertEquals(update(world, [{ maxVersionLevel: 22, upgradeType }]), "INVALID_UPDATE_VERSION");
  }
});

Deno.test("features: no level is finalized that a registered broker does not know", () => {
  const world = new DecisionWorld({ metadataVersion: 22 });
  world.register(1, {
    features: [{ name: NAME, minSupportedVersion: 21, maxSupportedVersion: 22 }],
  });
  assertEquals(update(world, [{ maxVersionLevel: 23 }]), "INVALID_UPDATE_VERSION");
  world.register(1, { features: SUPPORTED_FEATURES });
  assertEquals(update(world, [{ maxVersionLevel: 23 }]), "NONE");
});
