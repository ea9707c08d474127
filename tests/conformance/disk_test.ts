import { DenoDisk } from "../../storage/deno_disk.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import type { DiskSubject } from "./disk_subject.ts";
import { diskConformance } from "./disk_suite.ts";
import { mountTmpfs, tmpfsSupported, unmountTmpfs } from "./tmpfs.ts";

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

/** A disk on a file system of its own, as small as asked. */
function smallDenoSubject(bytes: number): DiskSubject {
  const root = Deno.makeTempDirSync({ prefix: "strom-disk-" });
  const refusal = mountTmpfs(root, bytes);
  if (refusal !== undefined) throw new Error(refusal);
  const disk = new DenoDisk(root);
  return {
    disk,
    complete: () => {},
    discard: () => {
      disk.close();
      unmountTmpfs(root);
      Deno.removeSync(root);
    },
  };
}

diskConformance({
  name: "deno disk",
  make: () => denoSubject(1000),
  makeSmall: smallDenoSubject,
  skipSmall: tmpfsSupported(),
});

diskConformance({
  name: "deno disk with two descriptors",
  make: () => denoSubject(2),
});
