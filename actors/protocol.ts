/**
 * The classes that hold the rules of the protocols. A node makes them through this table, so that a
 * test can put one in their place that breaks a rule on purpose, and see it caught.
 *
 * @module
 */

import { FetchState } from "./broker/replicas/fetch_state.ts";
import { ControllerDecisions } from "./controller/decisions.ts";
import { QuorumRules } from "./controller/quorum_rules.ts";
import { Replica } from "./partition/replica.ts";

/** The rules, by class. Each deliberate rule is a small method that a subclass can override. */
export interface Protocol {
  /**
   * Replication of a partition.
   * @internal
   */
  readonly Replica: typeof Replica;
  /**
   * What a follower asks of its leader, and which answers count.
   * @internal
   */
  readonly FetchState: typeof FetchState;
  /**
   * The metadata quorum.
   * @internal
   */
  readonly QuorumRules: typeof QuorumRules;
  /**
   * What the active controller decides.
   * @internal
   */
  readonly ControllerDecisions: typeof ControllerDecisions;
}

/** The rules as they are meant. */
export const PROTOCOL: Protocol = { Replica, FetchState, QuorumRules, ControllerDecisions };
