/**
 * Frames that real clients sent, and what a node answered them.
 *
 * @module
 */

import { APIS } from "../../../net/messages/table.ts";
import type { Api } from "../../../net/schema.ts";
import { goldenLines } from "./golden.ts";

export interface ClientFrame {
  readonly client: string;
  readonly kind: "request" | "response";
  readonly api: Api;
  readonly version: number;
  /** With the four of its length. */
  readonly bytes: Uint8Array;
}

/** In the order of APIs and versions; how they were recorded is told in the file's first line. */
export function clientFrames(kind: ClientFrame["kind"]): ClientFrame[] {
  interface Line extends Omit<ClientFrame, "api" | "bytes"> {
    readonly api: string;
    readonly hex: string;
  }
  return goldenLines<Line>("client_frames").filter((line) => line.kind === kind).map((line) => {
    const { client, version, hex } = line;
    const api = APIS.find(({ name }) => name === line.api);
    if (api === undefined) throw new Error(`${client} asked for ${line.api}, which has no table`);
    return { client, kind, api, version, bytes: Uint8Array.fromHex(hex) };
  });
}
