/**
 * The terminal of this process: its standard streams and its signals.
 *
 * @module
 */

import type { Terminal } from "./command.ts";
import { Output } from "./output.ts";

const READ_BYTES = 256 * 1024;
/** Reads into less room than this would be many and small. */
const ROOM_BYTES_MIN = 64 * 1024;

const encoder = new TextEncoder();

/** Makes the terminal; `stopping` is what the signals abort. */
export function denoTerminal(stopping: AbortSignal): Terminal {
  const showsProgress = Deno.stderr.isTerminal();
  let progressWidth = 0;
  const toStderr = (text: string) => {
    try {
      Deno.stderr.writeSync(encoder.encode(text));
    } catch (error) {
      // Nobody reads it: no reason to stop.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  return {
    output: new Output(Deno.stdout),
    input: () => readStdin(stopping),
    isTyped: Deno.stdin.isTerminal(),
    note: (line) => toStderr(`${line}\n`),
    showsProgress,
    progress: (line) => {
      if (!showsProgress) return;
      toStderr(`\r${line.padEnd(progressWidth)}${line === "" ? "\r" : ""}`);
      progressWidth = line.length;
    },
    stopping,
  };
}

/** Chunks of stdin, as they come, until its end or an order to stop. */
async function* readStdin(stopping: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  let stop = () => {};
  stopping.addEventListener("abort", () => stop(), { once: true });
  let buffer = new Uint8Array(READ_BYTES);
  let used = 0;
  while (!stopping.aborted) {
    if (buffer.length - used < ROOM_BYTES_MIN) {
      buffer = new Uint8Array(READ_BYTES);
      used = 0;
    }
    const room = buffer.subarray(used);
    const length = await new Promise<number | null>((resolve, reject) => {
      stop = () => resolve(null);
      Deno.stdin.read(room).then(resolve, reject);
    });
    if (length === null) return;
    yield buffer.subarray(used, used + length);
    used += length;
  }
}
