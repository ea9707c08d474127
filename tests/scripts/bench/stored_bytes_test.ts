import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { storedBytes } from "../../../scripts/bench/stored_bytes.ts";

Deno.test("stored bytes: the segments of all partitions count, and no index", () => {
  const folder = Deno.makeTempDirSync();
  try {
    for (
      const [path, bytes] of [
        ["node-1/orders-0/00000000000000000000.log", 100],
        ["node-1/orders-0/00000000000000000000.index", 5000],
        ["node-1/orders-0/00000000000000000007.log", 20],
        ["node-2/orders-1/00000000000000000000.log", 3],
        ["node-2/meta.properties", 70],
      ] as const
    ) {
      Deno.mkdirSync(join(folder, path, ".."), { recursive: true });
      Deno.writeFileSync(join(folder, path), new Uint8Array(bytes));
    }
    assertEquals(storedBytes(folder), 123);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
