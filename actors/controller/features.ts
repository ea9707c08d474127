/**
 * Features and their finalized levels: what this program knows, and what the cluster has agreed on.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  FeatureUpdateKey,
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from "../../net/messages/update_features.ts";
import type { BrokerFeature, ClusterImage } from "./cluster_image.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import type { MetadataRecord } from "./metadata_record.ts";

/** The feature whose level says which metadata records may be written, with Kafka's levels. */
export const METADATA_VERSION = "metadata.version";

/** The levels of `metadata.version` that this program tells apart, by Kafka's names for them. */
const METADATA_LEVEL = { "3.9-IV0": 21, "4.0-IV0": 22, "4.0-IV1": 23 } as const;

/** Since when partitions have eligible leader replicas (KIP-966). */
const ELR_LEVEL = METADATA_LEVEL["4.0-IV1"];

/**
 * The feature whose level says how clients do transactions: from 2 on each transaction has an epoch
 * of its own, and partitions are added to it by producing to them (KIP-890).
 */
export const TRANSACTION_VERSION = "transaction.version";

/** What a broker of this program says when it registers. */
export const SUPPORTED_FEATURES: readonly BrokerFeature[] = [
  {
    name: METADATA_VERSION,
    minSupportedVersion: METADATA_LEVEL["3.9-IV0"],
    maxSupportedVersion: METADATA_LEVEL["4.0-IV1"],
  },
  { name: TRANSACTION_VERSION, minSupportedVersion: 0, maxSupportedVersion: 2 },
];

/** Whether partitions have eligible leader replicas. */
export function isElrEnabled(image: ClusterImage): boolean {
  return (image.features.get(METADATA_VERSION) ?? 0) >= ELR_LEVEL;
}

/** What the first leader of a new metadata log writes: the newest level. */
export function initialFeatures(image: ClusterImage): MetadataRecord[] {
  if (image.features.has(METADATA_VERSION)) return [];
  return SUPPORTED_FEATURES.map(({ name, maxSupportedVersion: featureLevel }) => ({
    kind: "FeatureLevelRecord",
    value: { name, featureLevel },
  }));
}

/**
 * Why a broker with these features cannot be in the cluster; undefined where it can. What a broker
 * does not name it is not held to.
 */
export function unsupportedFeature(
  image: ClusterImage,
  features: readonly BrokerFeature[],
): string | undefined {
  const problem = features.find(({ name, minSupportedVersion, maxSupportedVersion }) => {
    const level = image.features.get(name);
    return level !== undefined && (level < minSupportedVersion || level > maxSupportedVersion);
  });
  return problem && `The broker does not know level ${image.features.get(problem.name)} of ` +
      `${problem.name}`;
}

/** What kind of update UpdateFeatures may ask for (KIP-778). */
const UPGRADE_TYPE = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const;

/** UpdateFeatures: all of them, or none. */
export function updateFeatures(
  { image }: DecisionContext,
  request: UpdateFeaturesRequest,
): Decision<UpdateFeaturesResponse> {
  return orRefuse<Decision<UpdateFeaturesResponse>>(() => {
    const { featureUpdates } = request;
    const names = new Set(featureUpdates.map(({ feature }) => feature));
    if (names.size < featureUpdates.length) {
      throw new Refusal(ErrorCode.INVALID_REQUEST, "A feature is named twice");
    }
    const records = featureUpdates.map((update) => updateFeature(image, update));
    return {
      records: request.validateOnly ? [] : records,
      response: {
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        errorMessage: null,
        results: featureUpdates.map(({ feature }) => ({
          feature,
          errorCode: ErrorCode.NONE,
          errorMessage: null,
        })),
      },
    };
  }, ({ code, message }) => ({
    records: [],
    response: { throttleTimeMs: 0, errorCode: code, errorMessage: message, results: [] },
  }));
}

function updateFeature(image: ClusterImage, update: FeatureUpdateKey): MetadataRecord {
  const { feature: name, maxVersionLevel: level } = update;
  const refuse = (reason: string) => {
    const message = `Cannot set ${name} to ${level}: ${reason}`;
    throw new Refusal(ErrorCode.INVALID_UPDATE_VERSION, message);
  };
  const supported = SUPPORTED_FEATURES.find((feature) => feature.name === name);
  if (supported === undefined) refuse("the feature is unknown");
  checkLevel("the controller", supported);
  for (const broker of image.brokers.values()) {
    checkLevel(`broker ${broker.id}`, broker.features.find((feature) => feature.name === name));
  }
  const present = image.features.get(name) ?? 0;
  const type = update.allowDowngrade ? UPGRADE_TYPE.safeDowngrade : update.upgradeType;
  if (!(Object.values(UPGRADE_TYPE) as number[]).includes(type)) {
    refuse(`the upgrade type ${type} is unknown`);
  }
  if (level > present && type !== UPGRADE_TYPE.upgrade) refuse("that is no downgrade");
  if (level < present) {
    if (type === UPGRADE_TYPE.upgrade) refuse("a downgrade must be asked for as such");
    if (name === METADATA_VERSION && present >= ELR_LEVEL && level < ELR_LEVEL) {
      refuse("eligible leader replicas would be lost");
    }
  }
  return { kind: "FeatureLevelRecord", value: { name, featureLevel: level } };

  function checkLevel(who: string, range: BrokerFeature | undefined): void {
    if (range === undefined) return;
    const { minSupportedVersion: min, maxSupportedVersion: max } = range;
    if (level < min || level > max) refuse(`${who} knows the levels ${min} to ${max}`);
  }
}
