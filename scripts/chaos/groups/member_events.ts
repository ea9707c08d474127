/**
 * What a member of a group tells of itself: a line of JSON for each thing, in a file that outlives
 * its process however that ends.
 *
 * @module
 */

/** `at` is in milliseconds of the machine's clock, which all processes share. */
export type MemberEvent =
  | {
    readonly kind: "assigned" | "revoked" | "lost";
    readonly at: number;
    readonly partitions: readonly number[];
  }
  /** Records from one offset up to, not including, another, before they are committed. */
  | {
    readonly kind: "processed";
    readonly at: number;
    readonly partition: number;
    readonly from: number;
    readonly to: number;
  }
  /** The coordinator has acknowledged it. */
  | {
    readonly kind: "committed";
    readonly at: number;
    readonly partition: number;
    readonly offset: number;
  }
  | { readonly kind: "refused"; readonly at: number; readonly error: string }
  | { readonly kind: "left"; readonly at: number };

/** What a member is started with. */
export interface MemberJob {
  readonly bootstrap: string;
  readonly group: string;
  readonly topic: string;
  readonly protocol: "classic" | "consumer";
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Where its events go. */
  readonly file: string;
}

/** The events of a file; a last line that a kill has torn is left out. */
export function readEvents(text: string): MemberEvent[] {
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line) as MemberEvent);
}
