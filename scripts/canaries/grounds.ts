/**
 * Where bugs are looked for: seeds, scenarios, walks through a model, scripts for it, logs. Each is
 * run alike with a bug and without, and holds what it sees against the same rules.
 *
 * @module
 */

import {
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  type Protocol,
  simulateCluster,
} from "../../mod.ts";
import { ScenarioStuck } from "../../actors/sim/scenario_stage.ts";
import type { Break } from "./broken_storage.ts";
import { lookAtCompaction } from "./compaction/compacted_log.ts";
import { type BurstName, BURSTS } from "./model/bursts.ts";
import { playBurst } from "./model/election_burst.ts";
import { type ModelOptions, ReplicationModel } from "./model/replication_model.ts";
import { type WalkName, WALKS } from "./model/walks.ts";
import { type ScenarioName, SCENARIOS } from "./scenarios.ts";

/** How something is broken; nothing is where all is left out. */
export interface Bug {
  readonly protocol?: Partial<Protocol>;
  readonly breaks?: Break;
  /** False has disks lie about their syncs. */
  readonly syncs?: boolean;
}

/** Runs that are drawn, one for each seed from 1 on. */
export interface SeedsGround {
  readonly kind: "seeds";
  readonly name: string;
  readonly options: Omit<ClusterSimulationOptions, "seed">;
  /** After so many the bug has survived. */
  readonly atMost: number;
}

/** Logs that are drawn, one for each seed, and compacted while their power is cut. */
export interface LogsGround {
  readonly kind: "logs";
  readonly name: string;
  readonly atMost: number;
}

/** Where to look. */
export type Ground =
  | SeedsGround
  | LogsGround
  /** A cluster in the simulated world, led step by step; what it leaves to chance, from seeds. */
  | { readonly kind: "scenario"; readonly name: ScenarioName; readonly seeds: number }
  /** All that can happen to three replicas within bounds. */
  | { readonly kind: "walk"; readonly name: WalkName }
  /** Three replicas, led step by step. */
  | { readonly kind: "script"; readonly name: BurstName };

export function scenario(name: ScenarioName, seeds = 1): Ground {
  return { kind: "scenario", name, seeds };
}

export function walk(name: WalkName): Ground {
  return { kind: "walk", name };
}

export function burst(name: BurstName): Ground {
  return { kind: "script", name };
}

/** What was seen in one look. */
export interface Look {
  /** The rule that was broken, if one was. */
  readonly rule: string | undefined;
  /** For people: more of what broke it, or of what was looked at. */
  readonly detail: string;
  /** Why nothing can be said: the look came to no end. */
  readonly stuck?: string;
}

/** How often one can look there, each time at something else. */
export function looksOf(ground: Ground): number {
  if (ground.kind === "scenario") return ground.seeds;
  return "atMost" in ground ? ground.atMost : 1;
}

/** Looks once, for the first time or again; the same gives the same. */
export function look(ground: Ground, bug: Bug, round = 1): Look {
  switch (ground.kind) {
    case "seeds":
      return simulated({ ...ground.options, seed: round }, bug);
    case "logs":
      return broken(bug, () => lookAtCompaction(round));
    case "scenario":
      return simulated({ ...SCENARIOS[ground.name], seed: round }, bug);
    case "walk": {
      const { broken, depth, states } = new ReplicationModel(WALKS[ground.name], modelOf(bug))
        .walk();
      return { rule: broken, detail: `depth ${depth} of ${states} states` };
    }
    case "script": {
      const { broken, at } = playBurst(BURSTS[ground.name], modelOf(bug));
      return { rule: broken, detail: `${at} steps` };
    }
  }
}

function broken(bug: Bug, run: () => Look): Look {
  const mend = bug.breaks?.();
  try {
    return run();
  } finally {
    mend?.();
  }
}

function simulated(options: ClusterSimulationOptions, bug: Bug): Look {
  const { protocol, syncs } = bug;
  try {
    return broken(bug, () =>
      lookOf(simulateCluster({
        ...options,
        ...(protocol === undefined ? {} : { protocol }),
        ...(syncs === undefined ? {} : { syncs }),
      })));
  } catch (error) {
    if (!(error instanceof ScenarioStuck)) throw error;
    return { rule: undefined, detail: "", stuck: error.message };
  }
}

function lookOf({ violations: [violation], events }: ClusterSimulationResult): Look {
  if (violation === undefined) return { rule: undefined, detail: `${events} events` };
  return { rule: violation.rule, detail: violation.message };
}

/** @throws {Error} where the bug is in nothing that the model is made of */
function modelOf({ protocol = {}, breaks, syncs }: Bug): ModelOptions {
  const { Replica, ControllerDecisions, ...others } = protocol;
  if (breaks !== undefined || syncs !== undefined || Object.keys(others).length > 0) {
    throw new Error("Cannot walk a model for a bug that it has no part of");
  }
  return {
    ...(Replica === undefined ? {} : { Replica }),
    ...(ControllerDecisions === undefined ? {} : { rules: ControllerDecisions.prototype }),
  };
}
