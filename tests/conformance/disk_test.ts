import { DenoDisk } from "../../storage/deno_disk.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { diskConformance, type DiskSubject } from "./disk_suite.ts";

function memorySubject(disk: MemoryDisk): DiskSubject {
  return { disk, complete: () => void disk.drain(), discard: () => {} };
}

diskConformance({
  name: "memory disk",
  make: () => memorySubject(new MemoryDisk()),
  makeSmall: (capacityBytes) => memorySubject(new MemoryDisk({ capacityBytes })),
});

function denoSubject(openFilesMax: number): DiskSubject {
  const root = Deno.makeTempDirSync({ prefix: "strom-disk-" });
  const disk = new DenoDisk(root, { openFilesMax });
  return {
    disk,
    complete: () => {},
    discard: () => {
      disk.close();
      Deno.removeSync(root, { recursive: true });
    },
  };
}

/** A disk on a file system of its own, as small as asked; or why there is none. */
function smallDenoSubject(bytes: number): DiskSubject | string {
  const root = Deno.makeTempDirSync({ prefix: "strom-disk-" });
  const discard = () => Deno.removeSync(root, { recursive: true });
  const refusal = runCommand("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", root);
  if (refusal !== undefined) {
    discard();
    return `cannot mount a tmpfs: ${refusal}`;
  }
  const disk = new DenoDisk(root);
  return {
    disk,
    complete: () => {},
    discard: () => {
      disk.close();
      runCommand("umount", root);
      discard();
    },
  };
}

/** Runs a command; returns why it failed. */
function runCommand(command: string, ...args: string[]): string | undefined {
  try {
    const { success, stderr } = new Deno.Command(command, { args }).outputSync();
    return success ? undefined : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

diskConformance({
  name: "deno disk",
  make: () => denoSubject(1000),
  makeSmall: smallDenoSubject,
});

diskConformance({
  name: "deno disk with two descriptors",
  make: () => denoSubject(2),
});
