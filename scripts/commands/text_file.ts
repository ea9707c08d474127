/**
 * Files that options name.
 *
 * @module
 */

import { UsageError } from "./option.ts";

/**
 * The text of a file that an option names.
 * @param name what the file is, for people: `config file`
 * @throws {UsageError} where it cannot be read
 */
export function readTextFile(file: string, name: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    throw new UsageError(`Cannot read ${name} ${file}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  return error instanceof Error ? error.message : String(error);
}
