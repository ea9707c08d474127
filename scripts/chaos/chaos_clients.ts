/**
 * What clients of a chaos run are: what they are made from, and what is asked of them.
 *
 * @module
 */

import type { Admin, ClientConfig } from "../../mod.ts";

/** Clients whose cluster is hurt while they work. */
export interface ChaosClients<Result> extends AsyncDisposable {
  /** Makes topics, and connects: what is to be hurt is what goes on, not how it begins. */
  connect(admin: Admin): Promise<void>;
  /** Works until the signal says to end, and ends what was begun. */
  run(ending: AbortSignal): Promise<void>;
  /** Says what came of it, when everything is mended. */
  judge(): Promise<Result>;
}

/** What clients of a run are made from. */
export interface ChaosSurroundings {
  readonly bootstrap: string;
  /** What lets clients in. */
  readonly access: Pick<ClientConfig, "secret">;
  readonly replicationFactor: number;
  /** For what they keep. */
  readonly folder: string;
  /** Takes a line on what goes on. */
  note(line: string): void;
}

/** The configs of topics whose records must not be lost. */
export function safeTopic(replicationFactor: number) {
  const configs = { "min.insync.replicas": replicationFactor > 1 ? "2" : "1" };
  return { replicationFactor, configs };
}
