/**
 * The folders and names of a disk in memory, and what a power cut may make of them.
 *
 * Kept are the present names and, in order, the changes that no sync of their folder has covered.
 * Undoing them all gives what is durable. A rename is one change of one or two folders: it is
 * never half done.
 *
 * @module
 */

import type { CrashModel, DiskChance } from "./disk_faults.ts";
import type { DiskContents } from "./disk_contents.ts";

export type MemoryNode = MemoryFolder | MemoryFileNode;

export class MemoryFolder {
  readonly isDirectory = true;
  readonly entries = new Map<string, MemoryNode>();
  parent: MemoryFolder | undefined;
  name = "";
}

export class MemoryFileNode {
  readonly isDirectory = false;
  /** Undefined where no name leads to it. */
  parent: MemoryFolder | undefined;
  name = "";
  constructor(readonly contents: DiskContents) {}
}

/** Beyond this many unsynced changes the older half is taken as written back by the system. */
const UNSYNCED_MAX = 16_384;

/** A name taken from a folder, given in one, or both; `replaced` lost its name to it. */
interface NameChange {
  readonly node: MemoryNode;
  readonly from: MemoryFolder | undefined;
  readonly fromName: string;
  readonly to: MemoryFolder | undefined;
  readonly toName: string;
  readonly replaced: MemoryNode | undefined;
}

/** The path of a node that a name leads to. */
export function pathOf(node: MemoryNode): string {
  let path = node.name;
  for (let folder = node.parent; folder?.parent !== undefined; folder = folder.parent) {
    path = `${folder.name}/${path}`;
  }
  return path;
}

export class DiskNames {
  root = new MemoryFolder();
  #changes: NameChange[] = [];

  /** Whether a power cut could change any name. */
  get unsynced(): boolean {
    return this.#changes.length > 0;
  }

  /** What stands at the path. */
  find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.root;
    if (path === "") return node;
    let start = 0;
    while (node?.isDirectory) {
      const slash = path.indexOf("/", start);
      if (slash < 0) return node.entries.get(path.slice(start));
      node = node.entries.get(path.slice(start, slash));
      start = slash + 1;
    }
    return undefined;
  }

  add(folder: MemoryFolder, name: string, node: MemoryNode): void {
    this.#change({
      node,
      from: undefined,
      fromName: "",
      to: folder,
      toName: name,
      replaced: undefined,
    });
  }

  /** Removes a file or an empty folder. */
  remove(node: MemoryNode): void {
    this.#change({
      node,
      from: node.parent,
      fromName: node.name,
      to: undefined,
      toName: "",
      replaced: undefined,
    });
  }

  rename(node: MemoryNode, folder: MemoryFolder, name: string): void {
    this.#change({
      node,
      from: node.parent,
      fromName: node.name,
      to: folder,
      toName: name,
      replaced: folder.entries.get(name),
    });
  }

  /** Makes the changes of a folder durable, with those of other folders that they build on. */
  sync(folder: MemoryFolder): void {
    if (this.#changes.length === 0) return;
    const folders = new Set([folder]);
    const left: NameChange[] = [];
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]!;
      const { from, to } = change;
      if ((from !== undefined && folders.has(from)) || (to !== undefined && folders.has(to))) {
        if (from !== undefined) folders.add(from);
        if (to !== undefined) folders.add(to);
      } else left.push(change);
    }
    this.#changes = left.reverse();
  }

  /** Leaves the names that a power cut left, all of them durable from now. */
  crash(chance: DiskChance | undefined, model: CrashModel): void {
    const changes = this.#changes;
    this.#changes = [];
    for (let index = changes.length - 1; index >= 0; index--) undo(changes[index]!);
    if (chance === undefined) return;
    const anyOrder = model.names === "any-order";
    const blocked = new Set<string | MemoryFolder>();
    const ids = new Map<MemoryFolder, number>();
    const key = (folder: MemoryFolder, name: string): string | MemoryFolder => {
      if (!anyOrder) return folder;
      if (!ids.has(folder)) ids.set(folder, ids.size);
      return `${ids.get(folder)}/${name}`;
    };
    for (const change of changes) {
      const keys: (string | MemoryFolder)[] = [];
      if (change.from !== undefined) keys.push(key(change.from, change.fromName));
      if (change.to !== undefined) keys.push(key(change.to, change.toName));
      const lost = keys.some((one) => blocked.has(one)) || chance.integer(2) === 1;
      if (lost) keys.forEach((one) => blocked.add(one));
      else apply(change);
    }
  }

  /** Every node that a name leads to, folders before what is in them. */
  *nodes(folder: MemoryFolder = this.root): Generator<MemoryNode> {
    for (const node of folder.entries.values()) {
      yield node;
      if (node.isDirectory) yield* this.nodes(node);
    }
  }

  /** A copy, and the copy of each file that can still come to light. */
  clone(): { readonly names: DiskNames; readonly files: Map<MemoryFileNode, MemoryFileNode> } {
    const copies = new Map<MemoryNode, MemoryNode>();
    const files = new Map<MemoryFileNode, MemoryFileNode>();
    const copyOf = (node: MemoryNode): MemoryNode => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      if (!node.isDirectory) {
        const file = new MemoryFileNode(node.contents.clone());
        copies.set(node, file);
        files.set(node, file);
        return file;
      }
      const folder = new MemoryFolder();
      copies.set(node, folder);
      for (const [name, entry] of node.entries) link(folder, name, copyOf(entry));
      return folder;
    };
    const folderOf = (folder: MemoryFolder | undefined) =>
      folder === undefined ? undefined : copyOf(folder) as MemoryFolder;
    const names = new DiskNames();
    names.root = copyOf(this.root) as MemoryFolder;
    names.#changes = this.#changes.map((change) => ({
      ...change,
      node: copyOf(change.node),
      from: folderOf(change.from),
      to: folderOf(change.to),
      replaced: change.replaced === undefined ? undefined : copyOf(change.replaced),
    }));
    return { names, files };
  }

  #change(change: NameChange): void {
    apply(change);
    this.#changes.push(change);
    if (this.#changes.length > UNSYNCED_MAX) this.#changes.splice(0, UNSYNCED_MAX / 2);
  }
}

function link(folder: MemoryFolder, name: string, node: MemoryNode): void {
  folder.entries.set(name, node);
  node.parent = folder;
  node.name = name;
}

function unlink(folder: MemoryFolder, name: string): void {
  const node = folder.entries.get(name);
  if (node === undefined) return;
  folder.entries.delete(name);
  node.parent = undefined;
}

function apply({ node, from, fromName, to, toName }: NameChange): void {
  if (from !== undefined) unlink(from, fromName);
  if (to === undefined) return;
  unlink(to, toName);
  link(to, toName, node);
}

function undo({ node, from, fromName, to, toName, replaced }: NameChange): void {
  if (to !== undefined) {
    unlink(to, toName);
    if (replaced !== undefined) link(to, toName, replaced);
  }
  if (from !== undefined) link(from, fromName, node);
}
