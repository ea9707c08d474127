/**
 * A folder of the operating system for data that nobody needs afterwards.
 *
 * @module
 */

/** A folder that is there until it is removed. */
export interface TemporaryFolder {
  /** Absolute. */
  readonly path: string;
  /** Removes it with all that is in it. */
  remove(): Promise<void>;
}

/** Makes a new, empty folder where the system keeps such. */
export async function makeTemporaryFolder(prefix: string): Promise<TemporaryFolder> {
  const path = await Deno.makeTempDir({ prefix });
  return {
    path,
    remove: async () => {
      try {
        await Deno.remove(path, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    },
  };
}
