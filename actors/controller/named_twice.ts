/**
 * Elements of a request that are there more than once: as in Kafka nothing is done about any of
 * them, and each is answered once.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import { Refusal } from "./decision.ts";

/** The names that are there more than once. */
export function namedTwice(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => seen.size === seen.add(name).size));
}

/** The first element of each name. */
export function eachOnce<Element>(
  elements: readonly Element[],
  nameOf: (element: Element) => string,
): Element[] {
  const first = new Map<string, Element>();
  for (const element of elements) {
    const name = nameOf(element);
    if (!first.has(name)) first.set(name, element);
  }
  return [...first.values()];
}

/** @throws {Refusal} where it is one of those that are there more than once */
export function refuseTwice(twice: ReadonlySet<string>, name: string, what: string): void {
  if (!twice.has(name)) return;
  throw new Refusal(ErrorCode.INVALID_REQUEST, `${what} is named twice`);
}
