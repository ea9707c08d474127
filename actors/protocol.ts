/**
 * The classes that hold the rules of the protocols. A node makes them through this table, so that a
 * test can put one in their place that breaks a rule on purpose, and see it caught.
 *
 * @module
 */

import { QuorumState } from "./controller/quorum_state.ts";
import { Replica } from "./partition/replica.ts";

/** The rules, by class. Each deliberate rule is a small method that a subclass can override. */
export interface Protocol {
  /** Replication of a partition. */
  readonly Replica: typeof Replica;
  /** Roles in the metadata quorum. */
  readonly QuorumState: typeof QuorumState;
}

/** The rules as they are meant. */
export const PROTOCOL: Protocol = { Replica, QuorumState };
