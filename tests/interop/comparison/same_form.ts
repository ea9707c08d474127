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

/** Lists of no order of their own, and by what they are put in one. */
const ORDERS: Readonly<Record<string, string>> = {
  topics: "name",
  partitions: "partitionIndex",
  configs: "name",
};

/** The answer in a form that can be compared with another broker's. */
export function sameForm(api: Api, answer: unknown, ground: Ground): unknown {
  return formed(api, answer, "", ground);
}

function formed(api: Api, value: unknown, name: string, ground: Ground): unknown {
  if (name === "errorMessage" || name === "message") return undefined;
  if (Array.isArray(value)) {
    const order = ORDERS[name];
    const list = value.map((element) => formed(api, element, `${name}[]`, ground));
    return order === undefined ? list : list.toSorted((a, b) => compared(a, b, order));
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
  const text = (of: unknown) => String((of as Record<string, unknown>)?.[key]);
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
}
