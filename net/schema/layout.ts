/**
 * Which fields of a struct travel in one version, and where.
 *
 * @module
 */

import type { NamedField, Table } from "../schema.ts";
import { formatVersions, includes } from "./versions.ts";

/**
 * How a message is laid out:
 * - native: structs are msgpack arrays, tagged fields stand in their place;
 * - plain: Kafka's fixed-width lengths, no tags;
 * - flexible: Kafka's compact lengths, and a tag buffer at the end of each struct.
 */
export type Form = "native" | "plain" | "flexible";

/** The fields of a struct in one version and form. */
export interface Layout {
  /** In wire order. */
  readonly present: readonly NamedField[];
  /** In the order of tags; only in the flexible form. */
  readonly tagged: readonly NamedField[];
  /** Those that the version lacks. */
  readonly absent: readonly NamedField[];
}

export function layoutOf(fields: readonly NamedField[], version: number, form: Form): Layout {
  const travels = (field: NamedField) =>
    includes(field.versions, version) && (form !== "plain" || !isTagged(field, version));
  const inTags = (field: NamedField) => form === "flexible" && isTagged(field, version);
  return {
    present: fields.filter((field) => travels(field) && !inTags(field)),
    tagged: fields.filter((field) => travels(field) && inTags(field)).sort((a, b) => a.tag - b.tag),
    absent: fields.filter((field) => !travels(field)),
  };
}

function isTagged(field: NamedField, version: number): boolean {
  return includes(field.taggedVersions, version);
}

/**
 * Whether nil stands for the default of a tagged field in the native form. It cannot where null is
 * a value of its own.
 */
export function nilIsDefault(field: NamedField, version: number): boolean {
  if (!isTagged(field, version)) return false;
  return !includes(field.nullableVersions, version) || field.default === null;
}

/** @throws {RangeError} if the table does not describe the version. */
export function checkVersion(table: Table, version: number): void {
  if (!includes(table.versions, version)) {
    const versions = formatVersions(table.versions);
    throw new RangeError(`Cannot use ${table.name} version ${version}: there are ${versions}`);
  }
}
