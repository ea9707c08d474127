/**
 * The commands of the command line, in the order in which `strom` lists them.
 *
 * @module
 */

import { BENCH } from "./bench.ts";
import { chaos } from "./chaos.ts";
import { CLUSTER } from "./cluster.ts";
import type { Command } from "./command.ts";
import { configs } from "./configs.ts";
import { consume } from "./consume.ts";
import { dev } from "./dev.ts";
import { GROUPS } from "./groups.ts";
import { logDump } from "./log_dump.ts";
import { node } from "./node.ts";
import { produce } from "./produce.ts";
import { QUOTAS } from "./quotas.ts";
import { sim } from "./sim.ts";
import { TOPICS } from "./topics.ts";
import { TRANSACTIONS } from "./transactions.ts";

export const COMMANDS: readonly Command[] = [
  node,
  dev,
  ...TOPICS,
  ...CLUSTER,
  produce,
  consume,
  ...GROUPS,
  ...TRANSACTIONS,
  ...QUOTAS,
  configs,
  logDump,
  ...BENCH,
  chaos,
  sim,
];
