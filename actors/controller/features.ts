/**
 * Features and their finalized levels: what this program knows, and what the cluster has agreed on.
 *
 * @module
 */

import type { BrokerFeature, ClusterImage } from "./cluster_image.ts";
import type { MetadataRecord } from "./metadata_record.ts";

/** The feature whose level says which metadata records may be written, with Kafka's levels. */
export const METADATA_VERSION = "metadata.version";

/** The levels of `metadata.version` that this program tells apart, by Kafka's names for them. */
export const METADATA_LEVEL = { "3.9-IV0": 21, "4.0-IV0": 22, "4.0-IV1": 23 } as const;

/** Since when partitions have eligible leader replicas (KIP-966). */
const ELR_LEVEL = METADATA_LEVEL["4.0-IV1"];

/** What a broker of this program says when it registers. */
export const SUPPORTED_FEATURES: readonly BrokerFeature[] = [{
  name: METADATA_VERSION,
  minSupportedVersion: METADATA_LEVEL["3.9-IV0"],
  maxSupportedVersion: METADATA_LEVEL["4.0-IV1"],
}];

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
