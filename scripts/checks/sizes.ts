/**
 * Prints the largest files and functions; refuses files past the mark and comments too wide.
 *
 * A file may pass the mark when it is listed here with a reason. Functions past theirs are refused
 * by the lint rule house/function-size, where an exception states its reason on the spot. The
 * formatter answers for the width of code.
 *
 * Usage: deno task sizes
 */
import { join, relative, resolve, toFileUrl } from "@std/path";
import { FUNCTION_LINES_MAX } from "../lint/house.ts";
import { sourceFiles } from "./source_files.ts";

const FILE_LINES_MAX = 600;
const LINE_COLUMNS_MAX = 100;
const SHOWN = 10;

/** Files past the mark, each with the reason why it is not split. */
const LONG_FILES: Readonly<Record<string, string>> = {};

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What is too large among `files`, one complaint a line. */
export function oversize(
  files: readonly SourceFile[],
  longFiles: Readonly<Record<string, string>>,
): string[] {
  const found: string[] = [];
  const lengths = new Map(files.map((file) => [file.path, lineCount(file.text)]));
  for (const [path, lines] of lengths) {
    if (lines > FILE_LINES_MAX && !Object.hasOwn(longFiles, path)) {
      found.push(`${path}: ${lines} lines, the most is ${FILE_LINES_MAX}: split it`);
    }
  }
  for (const path of Object.keys(longFiles)) {
    if ((lengths.get(path) ?? 0) <= FILE_LINES_MAX) {
      found.push(`${path}: no longer past the mark: take it off the list in sizes.ts`);
    }
  }
  for (const { path, text } of files) {
    text.split("\n").forEach((line, index) => {
      if (line.length <= LINE_COLUMNS_MAX || !/^\s*(\/\/|\/?\*)/.test(line)) return;
      found.push(`${path}:${index + 1}: a comment wider than ${LINE_COLUMNS_MAX} columns`);
    });
  }
  return found;
}

function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/** One function with where it starts. */
export interface FunctionSize {
  readonly path: string;
  readonly line: number;
  readonly name: string;
  readonly lines: number;
}

/** Measures every function of `paths`, files below `root`, largest first. */
export async function functionSizes(
  root: string,
  paths: readonly string[],
): Promise<FunctionSize[]> {
  const folder = await Deno.makeTempDir();
  try {
    const config = join(folder, "deno.json");
    const plugin = new URL("../lint/function_lines.ts", import.meta.url).href;
    const lint = { plugins: [plugin], rules: { tags: [], include: ["measure/functions"] } };
    await Deno.writeTextFile(config, JSON.stringify({ lint }));
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["lint", "--json", "--config", config, ...paths.map((path) => join(root, path))],
      env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
    }).output();
    const report: {
      diagnostics: { filename: string; message: string; range: { start: { line: number } } }[];
    } = JSON.parse(new TextDecoder().decode(output.stdout));
    const base = toFileUrl(root).href;
    return report.diagnostics.map(({ filename, message, range }) => {
      const [lines = "", ...name] = message.split(" ");
      const path = relative(base, filename);
      return { path, line: range.start.line, name: name.join(" "), lines: Number(lines) };
    }).sort((a, b) => b.lines - a.lines);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname ?? ".", "../..");
  const paths = sourceFiles(root);
  const files = paths.map((path) => ({ path, text: Deno.readTextFileSync(join(root, path)) }));
  const bySize = files.map((file) => ({ path: file.path, lines: lineCount(file.text) }))
    .sort((a, b) => b.lines - a.lines);
  console.log(`Largest of ${files.length} files`);
  for (const { path, lines } of bySize.slice(0, SHOWN)) {
    const reason = LONG_FILES[path];
    console.log(
      `${String(lines).padStart(6)}  ${path}${reason === undefined ? "" : `: ${reason}`}`,
    );
  }
  const functions = await functionSizes(root, paths.filter((path) => !path.startsWith("tests/")));
  console.log(`Largest of ${functions.length} functions outside of tests`);
  for (const { path, line, name, lines } of functions.slice(0, SHOWN)) {
    const mark = lines > FUNCTION_LINES_MAX ? "  past the mark" : "";
    console.log(`${String(lines).padStart(6)}  ${name}  ${path}:${line}${mark}`);
  }
  const found = oversize(files, LONG_FILES);
  for (const complaint of found) console.log(complaint);
  if (found.length > 0) Deno.exit(1);
}
