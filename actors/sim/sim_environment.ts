/**
 * The environment of one incarnation of a simulated node.
 *
 * It joins the parts that simulated_node.ts gives. Invariant: once the incarnation is over nothing
 * done through it has an effect.
 *
 * @module
 */

import type { Network } from "../../net/network.ts";
import type { Disk } from "../../storage/disk.ts";
import type {
  Dispatcher,
  Environment,
  LogFields,
  Logger,
  LogLevel,
  Random,
  Timer,
} from "../runtime/environment.ts";
import { LineLogger } from "../runtime/line_logger.ts";
import { InMemoryMetrics } from "../runtime/metrics_registry.ts";
import { type EventLoop, microseconds, type Owner } from "./event_loop.ts";
import type { NodeClock } from "./node_clock.ts";

export interface EnvironmentParts {
  readonly loop: EventLoop;
  readonly owner: Owner;
  readonly clock: NodeClock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly dispatcher: Dispatcher;
  readonly log: LogSink | undefined;
}

/** Where lines of logs go, and from which level on. */
export interface LogSink {
  readonly level: LogLevel;
  write(node: string, line: string): void;
}

const CANCELLED: Timer = { cancel: () => {} };

/** The environment of the owner's present incarnation. */
export function simulatedEnvironment(parts: EnvironmentParts): Environment {
  const { loop, owner, clock } = parts;
  const { incarnation } = owner;
  return {
    clock,
    timers: {
      schedule(delayMs, run): Timer {
        if (owner.incarnation !== incarnation) return CANCELLED;
        const delayUs = clock.trueDelayUs(microseconds(delayMs));
        const event = loop.schedule(delayUs, owner, incarnation, "timer", 0, run);
        return { cancel: () => event.run = undefined };
      },
    },
    random: parts.random,
    disk: parts.disk,
    network: parts.network,
    logger: logger(parts),
    metrics: new InMemoryMetrics(),
    dispatcher: parts.dispatcher,
    process: `${owner.name}#${incarnation}`,
  };
}

function logger({ log, owner, clock }: EnvironmentParts): Logger {
  if (log === undefined) return SILENT;
  return new LineLogger({
    level: log.level,
    now: () => clock.wall(),
    write: (line) => log.write(owner.name, line),
  });
}

const SILENT: Logger = {
  log: (_level: LogLevel, _event: string, _fields?: LogFields) => {},
  with: () => SILENT,
};
