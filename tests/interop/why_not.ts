/**
 * Runs a command that is to prepare something, and tells why it could not.
 *
 * @module
 */

/** What takes longer, as where a download hangs, is done without. */
const TIMEOUT_MS = 90_000;

/** Of what it said, its end, where commands name what was wrong. */
const TOLD_CHARACTERS = 500;

/** Runs it; undefined is success, a text what it said last. */
export async function whyNot(
  command: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).output();
    if (code === 0) return undefined;
    const [said, noted] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
    return `${command}: ${(noted || said || `exit code ${code}`).slice(-TOLD_CHARACTERS)}`;
  } catch (error) {
    return `${command}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
