/**
 * What a transactional client tells of itself: a line of JSON for each thing, in a file that
 * outlives its process.
 *
 * @module
 */

import type { ClientConfig } from "../../../mod.ts";

/** What became of a transfer; one that only began is unknown. */
export type TransferEvent = {
  readonly kind: "begun" | "committed" | "aborted" | "unknown" | "fenced";
  readonly id: string;
};

/** What a client is started with. */
export interface TransactorJob {
  readonly role: "transfer" | "copy";
  /** Of its slot: whoever follows it takes the transactional id from it. */
  readonly transactionalId: string;
  /** Of this process alone. */
  readonly name: string;
  readonly bootstrap: string;
  readonly access: Pick<ClientConfig, "secret">;
  readonly file: string;
}

export const TRANSFERS = "transfers";
export const INPUT = "input";
export const OUTPUT = "output";
export const COPIERS = "copiers";
export const PARTITIONS = 4;
/** What a coordinator waits for a transaction whose client is gone. */
export const TRANSACTION_TIMEOUT_MS = 10_000;

/** What one half of a transfer says. */
export function halfOf(id: string, half: 0 | 1): string {
  return `${id} ${half}`;
}

export function parseHalf(value: string): { readonly id: string; readonly half: number } {
  const at = value.lastIndexOf(" ");
  return { id: value.slice(0, at), half: Number(value.slice(at + 1)) };
}

/** The events of a file; a last line that a kill has torn is left out. */
export function readTransferEvents(text: string): TransferEvent[] {
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as TransferEvent);
}
