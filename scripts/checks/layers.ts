/**
 * Reads the real module graph and holds it against the law (law.ts).
 *
 * Four things are refused: an import that no arrow of the law covers, a circle of code imports
 * (`import type` leaves no trace at run time and may be mutual), a dynamic import (the graph would
 * be incomplete), and an import past the import map of deno.json.
 *
 * Usage: deno task layers
 */
import { fromFileUrl, join, relative, resolve, toFileUrl } from "@std/path";
import { LAW, type Room } from "./law.ts";
import { sourceFiles } from "./source_files.ts";

/** One import, as written in `from` at `line`. */
export interface Edge {
  readonly from: string;
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** The file, relative to the root, or undefined for what lies outside of the tree. */
  readonly to: string | undefined;
  /** Whether it survives at run time. */
  readonly isCode: boolean;
  readonly isDynamic: boolean;
}

export interface Graph {
  readonly files: readonly string[];
  readonly edges: readonly Edge[];
  /** Files or specifiers that could not be loaded, with the reason. */
  readonly errors: readonly string[];
}

interface InfoResolved {
  specifier?: string;
  error?: string;
  span?: { start: { line: number } };
}

interface InfoDependency {
  specifier: string;
  code?: InfoResolved;
  type?: InfoResolved;
  isDynamic?: boolean;
}

interface Info {
  modules: { specifier: string; error?: string; dependencies?: InfoDependency[] }[];
}

/** Asks Deno for the graph of all source files below `root`, which holds a deno.json. */
export async function readGraph(root: string): Promise<Graph> {
  const files = sourceFiles(root)
    .filter((file) => !file.endsWith(".d.ts") && !file.startsWith(OF_THEIR_OWN));
  const info = await denoInfo(root, files);
  const edges: Edge[] = [];
  const errors: string[] = [];
  for (const module of info.modules) {
    const from = pathBelow(root, module.specifier);
    if (module.error !== undefined && from !== undefined) errors.push(`${from}: ${module.error}`);
    if (from === undefined || !files.includes(from)) continue;
    for (const dependency of module.dependencies ?? []) {
      for (const side of [dependency.code, dependency.type]) {
        if (side === undefined) continue;
        const line = (side.span?.start.line ?? 0) + 1;
        if (side.error !== undefined) errors.push(`${from}:${line}: ${side.error}`);
        edges.push({
          from,
          line,
          specifier: dependency.specifier,
          to: pathBelow(root, side.specifier ?? ""),
          isCode: side === dependency.code,
          isDynamic: dependency.isDynamic === true,
        });
      }
    }
  }
  return { files, edges, errors };
}

/** Real clients: a project of its own, with packages of its own, that knows nothing of Strom. */
const OF_THEIR_OWN = "tests/interop/clients/";

async function denoInfo(root: string, files: readonly string[]): Promise<Info> {
  const folder = await Deno.makeTempDir();
  try {
    const entry = join(folder, "all.ts");
    const imports = files.map((file) => `import "${toFileUrl(join(root, file)).href}";\n`);
    await Deno.writeTextFile(entry, imports.join(""));
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--quiet", "--config", join(root, "deno.json"), entry],
      env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
    }).output();
    if (!output.success) {
      throw new Error(`Cannot read the graph: ${new TextDecoder().decode(output.stderr)}`);
    }
    return JSON.parse(new TextDecoder().decode(output.stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function pathBelow(root: string, specifier: string): string | undefined {
  if (!specifier.startsWith("file://")) return undefined;
  const path = relative(root, fromFileUrl(specifier)).replaceAll("\\", "/");
  return path.startsWith("../") ? undefined : path;
}

/** The room of a file, by the first pattern that fits. */
export function roomOf(law: readonly Room[], file: string): Room | undefined {
  return law.find((room) => room.files.some((pattern) => fits(pattern, file)));
}

function fits(pattern: string, file: string): boolean {
  if (pattern.endsWith("/")) return file.startsWith(pattern);
  if (!pattern.endsWith("*")) return file === pattern;
  const start = pattern.slice(0, -1);
  return file.startsWith(start) && !file.slice(start.length).includes("/");
}

/** Every breach of the law in the graph, one a line, naming the edge and the rule. */
export function violations(graph: Graph, law: readonly Room[]): string[] {
  const found = graph.errors.map((error) => `${error}`);
  for (const file of graph.files) {
    if (roomOf(law, file) === undefined) found.push(`${file}: belongs to no room of the law`);
  }
  for (const edge of graph.edges) {
    const rule = brokenRule(edge, law);
    if (rule !== undefined) found.push(`${edge.from}:${edge.line} → ${target(edge)}: ${rule}`);
  }
  for (const circle of circles(graph)) {
    found.push(`${circle.join(" → ")}: code imports must not run in a circle`);
  }
  return [...new Set(found)];
}

function target(edge: Edge): string {
  return edge.to ?? edge.specifier;
}

function brokenRule(edge: Edge, law: readonly Room[]): string | undefined {
  if (edge.isDynamic) return "dynamic imports are refused";
  const room = roomOf(law, edge.from);
  if (room === undefined) return undefined;
  if (edge.to !== undefined) {
    const other = roomOf(law, edge.to);
    if (other === undefined || other === room || room.mayImport.includes(other.name)) {
      return undefined;
    }
    return `${room.name} may not import ${other.name}, ${only(room.mayImport)}`;
  }
  const { specifier } = edge;
  if (specifier.startsWith("node:")) {
    return allows(room.builtins, specifier)
      ? undefined
      : `${room.name} may not use built-in modules, ${only(room.builtins)}`;
  }
  if (/^(npm|jsr|https?|file|data):/.test(specifier)) {
    return "packages are imported by their name in deno.json";
  }
  return allows(room.packages, specifier)
    ? undefined
    : `${room.name} may not import packages, ${only(room.packages)}`;
}

function allows(list: readonly string[] | undefined, name: string): boolean {
  return list !== undefined && (list.includes("*") || list.includes(name));
}

function only(list: readonly string[] | undefined): string {
  return list === undefined || list.length === 0 ? "none" : `only ${list.join(", ")}`;
}

/** The circles of code imports, each as the path from a file back to itself. */
export function circles(graph: Graph): string[][] {
  const next = new Map<string, string[]>();
  for (const edge of graph.edges) {
    if (!edge.isCode || edge.to === undefined) continue;
    const list = next.get(edge.from) ?? [];
    list.push(edge.to);
    next.set(edge.from, list);
  }
  const found: string[][] = [];
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const visit = (file: string) => {
    state.set(file, "open");
    path.push(file);
    for (const to of next.get(file) ?? []) {
      if (state.get(to) === "open") found.push([...path.slice(path.indexOf(to)), to]);
      else if (state.get(to) === undefined) visit(to);
    }
    path.pop();
    state.set(file, "done");
  };
  for (const file of graph.files) if (state.get(file) === undefined) visit(file);
  return found;
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname ?? ".", "../..");
  const graph = await readGraph(root);
  const found = violations(graph, LAW);
  for (const violation of found) console.log(violation);
  console.log(
    `${graph.files.length} files, ${graph.edges.length} imports: ` +
      (found.length === 0 ? "all point the right way" : `${found.length} against the law`),
  );
  if (found.length > 0) Deno.exit(1);
}
