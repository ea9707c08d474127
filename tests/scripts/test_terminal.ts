/**
 * A terminal in memory.
 */
import type { Terminal } from "../../scripts/commands/command.ts";
import { Output } from "../../scripts/commands/output.ts";

/** A terminal whose stdin is given and whose output is kept. */
export interface TestTerminal extends Terminal {
  /** What was flushed to stdout. */
  readonly printed: string;
  /** The lines of stderr. */
  readonly notes: readonly string[];
  readonly writes: number;
}

export function testTerminal(
  input: readonly Uint8Array[] = [],
  { closed = false, stopping = new AbortController().signal }: {
    /** Whether nobody reads stdout. */
    readonly closed?: boolean;
    readonly stopping?: AbortSignal;
  } = {},
): TestTerminal {
  const decoder = new TextDecoder();
  const notes: string[] = [];
  let printed = "";
  let writes = 0;
  const sink = {
    write(bytes: Uint8Array): Promise<number> {
      if (closed) return Promise.reject(new Deno.errors.BrokenPipe("Broken pipe"));
      writes++;
      // A pipe takes what it has room for.
      const taken = Math.min(bytes.length, 100_000);
      printed += decoder.decode(bytes.subarray(0, taken), { stream: true });
      return Promise.resolve(taken);
    },
  };
  return {
    output: new Output(sink),
    async *input() {
      yield* input;
    },
    isTyped: false,
    note: (line) => void notes.push(line),
    showsProgress: false,
    progress: () => {},
    stopping,
    notes,
    get printed() {
      return printed;
    },
    get writes() {
      return writes;
    },
  };
}
