/**
 * Answers without what may differ between two brokers that do the same.
 *
 * @module
 */

import type { Api } from "../../../net/schema.ts";
import type { Ground } from "./case.ts";

/** Whether there is one, and no more: texts, addresses, and what each cluster counts by itself. */
const PRESENT_ONLY: ReadonlySet<string> = new Set([
  "topicId",
  "clusterId",
  "host",
  "port",
  "rack",
  "nodeId",
  "leaderId",
  "controllerId",
  "logDir",
  "size",
  "totalBytes",
  "usableBytes",
  "records",
  "sessionId",
  "memberId",
  "producerId",
  "leaderEpoch",
  "currentLeaderEpoch",
  "offsetLag",
  "highWatermark_",
  "logEndOffset",
  "lastFetchTimestamp",
  "lastCaughtUpTimestamp",
  "replicaDirectoryId",
  "documentation",
]);

/** Lists of no order of their own, by what tells their elements apart. */
const KEYS: Readonly<Record<string, string>> = {
  topics: "name",
  partitions: "partitionIndex",
};

/** Lists of which each broker has elements that the other has not: compared name by name. */
const NAMED: ReadonlySet<string> = new Set(["configs"]);

/** The answer in a form that can be compared with another broker's. */
export function sameForm(api: Api, answer: unknown, ground: Ground): unknown {
  return formed(api, answer, "", ground);
}

function formed(api: Api, value: unknown, name: string, ground: Ground): unknown {
  if (name === "errorMessage" || name === "message") return undefined;
  if (Array.isArray(value)) {
    const list = value.map((element) => formed(api, element, `${name}[]`, ground));
    if (NAMED.has(name)) {
      return Object.fromEntries(list.map((element) => [textOf(element, "name"), element]));
    }
    const key = KEYS[name];
    return key === undefined ? list : list.toSorted((a, b) => compared(a, b, key));
  }
  if (value instanceof Uint8Array) return value.length > 0 ? "bytes" : "no bytes";
  if (PRESENT_ONLY.has(name)) return presence(value);
  if (/^(replicaNodes|isrNodes|offlineReplicas)\[\]$/.test(name)) return presence(value);
  if (typeof value !== "object" || value === null) {
    return typeof value === "bigint" ? Number(value) : value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, formed(api, each, key, ground)]),
  );
}

function presence(value: unknown): string | null {
  if (value === null) return null;
  const isThere = value !== "" && value !== -1 && value !== "AAAAAAAAAAAAAAAAAAAAAA";
  return isThere ? "something" : "nothing";
}

function compared(a: unknown, b: unknown, key: string): number {
  const [one, other] = [textOf(a, key), textOf(b, key)];
  return one < other ? -1 : one > other ? 1 : 0;
}

function textOf(element: unknown, key: string): string {
  return String((element as Record<string, unknown>)?.[key]);
}
