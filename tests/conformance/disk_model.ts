/**
 * A disk's contents as plain arrays, and the property that a disk holds the same after any
 * operations.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Disk, File } from "../../storage/disk.ts";

const NAMES = ["a", "b", "f/a", "f/b"] as const;
const LENGTH_MAX = 9000;

const position = fc.integer({ min: 0, max: LENGTH_MAX });
const name = fc.constantFrom(...NAMES);

const operation = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    name,
    position,
    length: fc.oneof(fc.integer({ min: 0, max: 600 }), position),
    seed: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({ kind: fc.constant("truncate" as const), name, position }),
  fc.record({ kind: fc.constant("close" as const), name }),
  fc.record({ kind: fc.constant("sync" as const), name }),
  fc.record({ kind: fc.constant("rename" as const), name, to: name }),
  fc.record({ kind: fc.constant("remove" as const), name }),
);

type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** Runs random operations on the disk and on plain arrays; prints the seed where they differ. */
export function contentsProperty(disk: Disk): void {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 25 }), (operations) => {
      for (const one of NAMES) disk.remove(one);
      disk.makeDirectory("f");
      const files = new Map<string, File>();
      const model = new Map<string, Uint8Array>();
      for (const one of operations) run(disk, files, model, one);
      for (const [path, expected] of model) {
        const bytes = new Uint8Array(expected.length + 10);
        const read = files.get(path)!.read(bytes, 0);
        assert(sameBytes(bytes.subarray(0, read), expected), `${path} holds other bytes`);
        assertEquals(disk.status(path)?.size, expected.length);
      }
      const found = [...disk.list(""), ...disk.list("f")].filter((entry) => !entry.isDirectory);
      assertEquals(found.length, model.size);
    }),
    { numRuns: 60 },
  );
}

function run(
  disk: Disk,
  files: Map<string, File>,
  model: Map<string, Uint8Array>,
  operation: Operation,
): void {
  const path = operation.name;
  if (operation.kind === "remove") {
    disk.remove(path);
    files.delete(path);
    model.delete(path);
    return;
  }
  if (!files.has(path)) {
    files.set(path, disk.open(path, { create: true }));
    model.set(path, new Uint8Array(0));
  }
  const file = files.get(path)!;
  const before = model.get(path)!;
  switch (operation.kind) {
    case "write": {
      const { position, length, seed } = operation;
      file.write(new Uint8Array(length).fill(seed), position);
      if (length === 0) return;
      const after = new Uint8Array(Math.max(before.length, position + length));
      after.set(before);
      after.fill(seed, position, position + length);
      model.set(path, after);
      return;
    }
    case "truncate": {
      file.truncate(operation.position);
      const after = new Uint8Array(operation.position);
      after.set(before.subarray(0, operation.position));
      model.set(path, after);
      return;
    }
    case "close":
      return file.close();
    case "sync":
      return file.sync();
    case "rename":
      if (operation.to === path) return;
      disk.rename(path, operation.to);
      files.delete(path);
      model.delete(path);
      files.set(operation.to, file);
      model.set(operation.to, before);
  }
}

/** Deep equality, without its cost for thousands of bytes. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
