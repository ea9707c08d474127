/**
 * Data folders on file systems of their own, small enough to be filled; needs root, to mount them.
 *
 * @module
 */

import { join } from "@std/path";
import type { ChaosNode } from "./chaos_node.ts";

const SIZE_MIB = 512;
const CHUNK_BYTES = 1024 * 1024;

/** The file systems of a cluster's nodes. */
export class FullDisks {
  readonly #mounted: string[] = [];

  /** Undefined where this machine does not let us. */
  static async make(nodes: readonly ChaosNode[]): Promise<FullDisks | undefined> {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
    const disks = new FullDisks();
    for (const { data } of nodes) {
      await Deno.mkdir(data, { recursive: true });
      const { success } = await new Deno.Command("mount", {
        args: ["-t", "tmpfs", "-o", `size=${SIZE_MIB}m`, "tmpfs", data],
        stderr: "null",
      }).output();
      if (!success) {
        await disks.close();
        return undefined;
      }
      disks.#mounted.push(data);
    }
    return disks;
  }

  /** Leaves no room. */
  async fill({ data }: ChaosNode): Promise<void> {
    using file = await Deno.open(join(data, "filler"), { create: true, write: true });
    const chunk = new Uint8Array(CHUNK_BYTES);
    try {
      for (let size = CHUNK_BYTES; size > 0;) {
        try {
          if (await file.write(chunk.subarray(0, size)) === 0) break;
        } catch {
          size = Math.floor(size / 4);
        }
      }
    } catch {
      // It is full.
    }
  }

  /** Makes room again. */
  async empty({ data }: ChaosNode): Promise<void> {
    await Deno.remove(join(data, "filler")).catch(() => {});
  }

  /** Copies what is on them to where it stays when they are gone. */
  async keep(): Promise<void> {
    for (const folder of this.#mounted) {
      await Deno.remove(join(folder, "filler")).catch(() => {});
      await new Deno.Command("cp", { args: ["-a", folder, `${folder}-kept`] }).output();
    }
  }

  async close(): Promise<void> {
    for (const folder of this.#mounted.splice(0)) {
      // Lazily: somebody may be about to fill it.
      await new Deno.Command("umount", { args: ["-l", folder], stderr: "null" }).output();
    }
  }
}
