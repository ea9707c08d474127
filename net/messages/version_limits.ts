/**
 * Speaks older versions than it could: how a node of an earlier release is played beside others.
 *
 * @module
 */

import type { Api, VersionRange } from "../schema.ts";

/** The highest version that is spoken, by the names of APIs; -1 is none at all. */
export type VersionLimits = Readonly<Record<string, number>>;

/** The APIs in the versions that the limits leave; those that are left none are not there. */
export function limitApis(apis: readonly Api[], limits: VersionLimits | undefined): readonly Api[] {
  if (limits === undefined) return apis;
  return apis.flatMap((api) => {
    const max = limits[api.name];
    if (max === undefined) return [api];
    const versions = atMost(api.versions, max);
    if (versions === undefined) return [];
    const advertisedVersions = atMost(api.advertisedVersions, max) ?? versions;
    return [{ ...api, versions, advertisedVersions }];
  });
}

function atMost({ min, max }: VersionRange, limit: number): VersionRange | undefined {
  return limit < min ? undefined : { min, max: Math.min(max, limit) };
}
