/**
 * What a command of the command line is.
 *
 * @module
 */

import type { OptionTable, OptionValues } from "./option.ts";
import type { Output } from "./output.ts";

/** What a command writes to, reads from and is stopped by. */
export interface Terminal {
  readonly output: Output;
  /** Chunks of stdin; each is the caller's to keep. */
  input(): AsyncIterable<Uint8Array>;
  /** Whether somebody types stdin. */
  readonly isTyped: boolean;
  /** Writes a line to stderr. */
  note(line: string): void;
  /** Whether somebody looks at stderr. */
  readonly showsProgress: boolean;
  /** A line on stderr that the next one replaces; nothing where nobody looks. */
  progress(line: string): void;
  /** Aborted by SIGINT and SIGTERM: the command ends soon, of itself, and in order. */
  readonly stopping: AbortSignal;
}

/** What a command is run with. */
export interface CommandContext<Table extends OptionTable = OptionTable> {
  readonly options: OptionValues<Table>;
  readonly operands: readonly string[];
  readonly terminal: Terminal;
}

/** Everything there is to know of a command. */
export interface Command<Table extends OptionTable = OptionTable> {
  /** What stands behind `strom`: one word or two. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What else there is to say, by lines. */
  readonly details?: readonly string[];
  /** The names of what stands beside the options, all of them required. */
  readonly operands?: readonly string[];
  /** The names of what may stand there besides. A negative number is one of those. */
  readonly optionalOperands?: readonly string[];
  readonly options: Table;
  /** Sets of options of which only one may be given, by their keys. */
  readonly exclusive?: readonly (readonly (keyof Table & string)[])[];
  /** Whether it takes SIGINT as an order to end well rather than as an interruption. */
  readonly endsOnSignal?: boolean;
  /** @throws {Error} whose message says in one line what failed */
  run(context: CommandContext<Table>): Promise<void>;
}

/** Types a command by its own options, and puts it among those of other types. */
export function command<Table extends OptionTable>(definition: Command<Table>): Command {
  return definition as unknown as Command;
}
