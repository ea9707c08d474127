/**
 * Lists the TypeScript files of a tree, for the checks that look at every one of them.
 */
import { join } from "@std/path";

/** Folders that hold no source of ours. */
const SKIPPED: ReadonlySet<string> = new Set(["node_modules", "data", "coverage", "docs"]);

/** The paths of all `.ts` files below `root`, relative to it, sorted; hidden folders left out. */
export function sourceFiles(root: string): string[] {
  const files: string[] = [];
  const visit = (folder: string) => {
    for (const entry of Deno.readDirSync(join(root, folder))) {
      if (entry.name.startsWith(".")) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory && !SKIPPED.has(entry.name)) visit(path);
      else if (entry.isFile && entry.name.endsWith(".ts")) files.push(path);
    }
  };
  visit("");
  return files.sort();
}
