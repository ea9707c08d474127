/**
 * File systems in memory, of the system's own, that tests may fill up or make read-only.
 *
 * @module
 */

/** Mounts one of that size on a folder; says why where it cannot. */
export function mountTmpfs(folder: string, bytes: number): string | undefined {
  const failure = runMount("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder);
  return failure === undefined ? undefined : `cannot mount a tmpfs: ${failure}`;
}

/** Gives it another size. */
export function growTmpfs(folder: string, bytes: number): string | undefined {
  return runMount("mount", "-o", `remount,size=${bytes}`, folder);
}

/** Lets nothing more be written there. */
export function makeReadOnly(folder: string): string | undefined {
  return runMount("mount", "-o", "remount,ro", folder);
}

/** Unmounts it; where a failed test left a file open there, as soon as that is closed. */
export function unmountTmpfs(folder: string): string | undefined {
  return runMount("umount", folder) && runMount("umount", "--lazy", folder);
}

/** Why none can be mounted here; undefined where it can. */
export function tmpfsSupported(): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "strom-tmpfs-" });
  const failure = mountTmpfs(folder, 1 << 20) ?? unmountTmpfs(folder);
  Deno.removeSync(folder);
  return failure;
}

/** Runs a command; returns why it failed. */
function runMount(command: string, ...args: string[]): string | undefined {
  try {
    const { success, stderr } = new Deno.Command(command, { args }).outputSync();
    return success ? undefined : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
