/**
 * The command line.
 *
 * Usage: deno task strom COMMAND [options]
 *
 * SIGINT and SIGTERM ask the command to end; one that has not ended soon after, or that gets a
 * third signal, is ended.
 */
import { denoTerminal } from "./commands/deno_terminal.ts";
import { causeOf, EXIT, runCommandLine } from "./commands/run.ts";
import { COMMANDS } from "./commands/table.ts";

/** What `strom node` has to stop in order; other commands end when their time is up. */
const GRACE_MS = 2000;
/** Task runners forward a signal that the terminal has sent already: two are one. */
const SIGNALS_MAX = 3;

const SIGTERM_EXIT = 143;

if (import.meta.main) {
  const stopping = new AbortController();
  const endsOnSignal = COMMANDS.some(({ name, endsOnSignal }) =>
    endsOnSignal === true && name === Deno.args[0]
  );
  let interrupted: number = EXIT.interrupted;
  let signals = 0;
  const onSignal = (exitCode: number) => {
    if (signals++ === 0) interrupted = exitCode;
    if (signals >= SIGNALS_MAX) Deno.exit(interrupted);
    if (!endsOnSignal) setTimeout(() => Deno.exit(interrupted), GRACE_MS);
    stopping.abort();
  };
  Deno.addSignalListener("SIGINT", () => onSignal(EXIT.interrupted));
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => onSignal(SIGTERM_EXIT));
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    console.error(`strom: ${causeOf(event.reason)}`);
    Deno.exit(EXIT.failure);
  });

  const code = await runCommandLine(COMMANDS, Deno.args, denoTerminal(stopping.signal));
  // Exits whatever still holds the event loop: a read of stdin, a connection being made.
  Deno.exit(code === EXIT.interrupted ? interrupted : code);
}
