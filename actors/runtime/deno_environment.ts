/**
 * The environment of a real node: Deno's clock, timers, chance, disk, network and event loop.
 *
 * It only joins parts and adapts globals; it decides nothing. Everything it runs later it runs from
 * the event loop, never inside the call that asked for it.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { DenoNetwork } from "../../net/deno_network.ts";
import type { Network } from "../../net/network.ts";
import { DenoDisk } from "../../storage/deno_disk.ts";
import type { Disk } from "../../storage/disk.ts";
import { FifoDispatcher } from "./dispatcher.ts";
import type {
  Clock,
  Environment,
  Logger,
  LogLevel,
  Random,
  RandomStream,
  Timer,
  Timers,
} from "./environment.ts";
import { LineLogger, type LogFormat } from "./line_logger.ts";
import type { Metrics } from "./metrics.ts";
import { InMemoryMetrics } from "./metrics_registry.ts";
import { SeededStream, uuidFrom } from "./random_stream.ts";

/** What a real environment is made of. */
export interface DenoEnvironmentOptions {
  /** The folder that the disk's paths are relative to. */
  readonly dataRoot: string;
  /** What is written to stderr; default `warn`. */
  readonly logLevel?: LogLevel;
  /** How lines are written; default `logfmt`. */
  readonly logFormat?: LogFormat;
  /** Descriptors that files may hold at a time. */
  readonly openFilesMax?: number;
  /** How long a connection may take to be made. */
  readonly connectTimeoutMs?: number;
  /** Instead of a disk in `dataRoot`. */
  readonly disk?: Disk;
  /** Instead of TCP. */
  readonly network?: Network;
  /** Instead of lines on stderr. */
  readonly logger?: Logger;
  /** Instead of instruments in memory. */
  readonly metrics?: Metrics;
}

/** Makes the environment of this process. */
export function denoEnvironment(options: DenoEnvironmentOptions): Environment {
  const clock = denoClock();
  const metrics = options.metrics ?? new InMemoryMetrics();
  const logger = options.logger ?? stderrLogger(options);
  return {
    clock,
    timers: denoTimers(),
    random: denoRandom(),
    disk: options.disk ?? new DenoDisk(
      options.dataRoot,
      options.openFilesMax === undefined ? {} : { openFilesMax: options.openFilesMax },
    ),
    network: options.network ?? new DenoNetwork({
      ...(options.connectTimeoutMs === undefined
        ? {}
        : { connectTimeoutMs: options.connectTimeoutMs }),
      uncaught: (error) => logUncaught(logger, "network callback failed", error),
    }),
    logger,
    metrics,
    dispatcher: denoDispatcher(clock, metrics, logger),
    process: String(Deno.pid),
  };
}

function denoClock(): Clock {
  return { monotonic: () => performance.now(), wall: () => Date.now() };
}

/** The longest that `setTimeout` keeps: beyond, it fires at once. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Timers over `setTimeout`, or what a test gives for it. */
export function denoTimers(
  set: (run: () => void, delayMs: number) => unknown = setTimeout,
  clear: (id: unknown) => void = (id) => clearTimeout(id as number),
): Timers {
  return {
    schedule(delayMs, run): Timer {
      let left = Math.ceil(delayMs);
      let id: unknown;
      const next = () => {
        const step = Math.min(left, TIMEOUT_MAX_MS);
        left -= step;
        id = set(left > 0 ? next : run, step);
      };
      next();
      return { cancel: () => clear(id) };
    },
  };
}

function denoRandom(): Random {
  const streams = new Map<string, RandomStream>();
  return {
    stream(name) {
      let stream = streams.get(name);
      if (stream === undefined) {
        const [a, b, c] = crypto.getRandomValues(new Uint32Array(3));
        stream = new CryptoSeededStream(a as number, b as number, c as number);
        streams.set(name, stream);
      }
      return stream;
    },
  };
}

/** Ids must not collide between processes: they come from the system, all bits of them. */
class CryptoSeededStream extends SeededStream {
  override uuid() {
    return uuidFrom((length) => crypto.getRandomValues(new Uint8Array(length)));
  }
}

function stderrLogger(options: DenoEnvironmentOptions): Logger {
  const encoder = new TextEncoder();
  const level = options.logLevel ?? "warn";
  return new LineLogger({
    level,
    format: options.logFormat ?? "logfmt",
    stacks: level === "debug",
    now: () => Date.now(),
    write: (line) => writeAll(encoder.encode(`${line}\n`)),
  });
}

function writeAll(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads stderr any more; a node does not stop for that.
  }
}

function denoDispatcher(clock: Clock, metrics: Metrics, logger: Logger): FifoDispatcher {
  const stalls = metrics.histogram("event-loop-stall-time-ms");
  return new FifoDispatcher({
    soon: queueMicrotask,
    later: setImmediate,
    afterIo,
    now: () => clock.monotonic(),
    stalled: (durationMs) => stalls.record(durationMs),
    failed: (error) => logUncaught(logger, "end of turn failed", error),
  });
}

/** One more than the times around after which Deno's event loop looks at its sockets. */
const ROUNDS_TO_IO = 62;

/**
 * Deno's event loop looks at its sockets when it has nothing to run, or else every 61st time around
 * (tokio's event interval): turns that follow each other by `setImmediate` would keep them waiting
 * for tenths of a second. To go around with nothing to do takes 1 µs, `setTimeout` a millisecond.
 */
function afterIo(run: () => void): void {
  let left = ROUNDS_TO_IO;
  const round = (): void => {
    if (--left === 0) run();
    else setImmediate(round);
  };
  setImmediate(round);
}

function logUncaught(logger: Logger, event: string, error: unknown): void {
  logger.log("error", event, { error: error instanceof Error ? error : String(error) });
}
