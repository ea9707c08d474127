/**
 * One question to both brokers: of one API, asked in every version that both have.
 *
 * @module
 */

import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";

/** What a request may need to know of the broker that it is for. */
export interface Ground {
  readonly nodeId: number;
  readonly topicId: string;
}

export interface Case {
  readonly api: Api;
  readonly name: string;
  readonly request: (ground: Ground) => unknown;
  readonly from: number;
  readonly to: number;
}

export const TOPIC = "plain";
export const UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAACQ";

/** The same request or requests by name, in the versions from and to. */
export function some<Request, Response>(
  api: Api<Request, Response>,
  requests: Readonly<Record<string, Draft<Request> | ((ground: Ground) => Draft<Request>)>>,
  versions: { readonly from?: number; readonly to?: number } = {},
): Case[] {
  return Object.entries(requests).map(([name, request]) => ({
    api: api as Api,
    name,
    request: typeof request === "function" ? request : () => request,
    from: versions.from ?? 0,
    to: versions.to ?? Infinity,
  }));
}
