/**
 * Ranges of message versions, written as Kafka writes them: `"3"`, `"3-7"`, `"3+"`, `"none"`.
 *
 * @module
 */

/** Versions from `min` to `max`, both included; empty when `min` is above `max`. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** The largest version that the wire can carry, and the end of an open range. */
const VERSION_MAX = 32767;

/** The range without a version in it. */
export const NO_VERSIONS: VersionRange = { min: 0, max: -1 };

/**
 * Reads a range in Kafka's notation.
 * @throws {SyntaxError} if the text is none.
 */
export function parseVersions(text: string): VersionRange {
  if (text === "none") return NO_VERSIONS;
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  if (match === null) throw new SyntaxError(`Cannot parse version range "${text}"`);
  const min = Number(match[1]);
  const max = match[2] !== undefined
    ? VERSION_MAX
    : match[3] !== undefined
    ? Number(match[3])
    : min;
  if (min > max || max > VERSION_MAX) {
    throw new SyntaxError(`Cannot parse version range "${text}": it is empty`);
  }
  return { min, max };
}

/** Whether the version lies in the range. */
export function includes(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

/** The versions that both ranges hold. */
export function intersect(a: VersionRange, b: VersionRange): VersionRange {
  const min = Math.max(a.min, b.min);
  const max = Math.min(a.max, b.max);
  return min > max ? NO_VERSIONS : { min, max };
}

/** The range in Kafka's notation. */
export function formatVersions(range: VersionRange): string {
  if (range.min > range.max) return "none";
  if (range.max === VERSION_MAX) return `${range.min}+`;
  return range.min === range.max ? String(range.min) : `${range.min}-${range.max}`;
}
