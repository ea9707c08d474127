/**
 * Runs the tests, group by group, two groups at a time: a group is a first-level folder of tests/.
 *
 * A type check of the whole tree runs as a group of its own, so that the tests need none. A group
 * that passes prints one word, one that fails prints its failures in full; the summary over all
 * groups comes last (test_report.ts). The exit code is 0 only if at least one test passed and none
 * failed.
 *
 * Usage: deno task test [group…] [--filter text] [--no-types] [--folder tests] [--timeout seconds]
 */
import { parseArgs } from "@std/cli/parse-args";
import { join, resolve } from "@std/path";
import { type GroupResult, groupResult, summary } from "./test_report.ts";
import { sourceFiles } from "./source_files.ts";

const ROOT = resolve(import.meta.dirname ?? ".", "../..");
const CONCURRENT_GROUPS_MAX = 2;
/** The group that the type check counts as. */
const TYPES = "types";
/** Groups that run by a task of their own, and here only when named. */
const SEPARATE: ReadonlySet<string> = new Set(["interop"]);

interface Options {
  readonly folder: string;
  readonly filter: string | undefined;
  readonly timeoutMs: number;
}

interface Finished {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number;
  readonly seconds: number;
}

/** Runs Deno with `args` in the project root; kills it when it is late. */
async function runDeno(args: string[], timeoutMs: number): Promise<Finished> {
  const started = performance.now();
  const process = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
  }).spawn();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    process.kill("SIGKILL");
  }, timeoutMs);
  const [{ code }, output, text] = await Promise.all([
    process.status,
    new Response(process.stdout).text(),
    new Response(process.stderr).text(),
  ]);
  clearTimeout(timer);
  const late = isLate ? `\nStopped after ${timeoutMs / 1000} s: it did not end by itself` : "";
  const seconds = (performance.now() - started) / 1000;
  return { output, errors: text + late, exitCode: code, seconds };
}

async function checkTypes(options: Options): Promise<GroupResult> {
  const { errors, exitCode, seconds } = await runDeno(
    ["check", "--quiet", "."],
    options.timeoutMs,
  );
  const failed = exitCode === 0 ? 0 : 1;
  const report = failed === 0 ? "" : errors.trim();
  return { group: TYPES, passed: 1 - failed, failed, ignored: [], seconds, report };
}

async function runGroup(group: Group, options: Options): Promise<GroupResult> {
  const junitPath = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const filter = options.filter === undefined ? [] : ["--filter", options.filter];
    const finished = await runDeno(
      ["test", "-A", "--no-check", `--junit-path=${junitPath}`, ...filter, ...group.files],
      options.timeoutMs,
    );
    const junit = await Deno.readTextFile(junitPath);
    return groupResult({ group: group.name, junit, ...finished });
  } finally {
    await Deno.remove(junitPath);
  }
}

function missingGroup(group: string): GroupResult {
  const report = `There is no group ${group}: a group is a folder of tests`;
  return { group, passed: 0, failed: 1, ignored: [], seconds: 0, report };
}

interface Group {
  readonly name: string;
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/** The groups below `folder`, the one with the most code first. */
function findGroups(folder: string): Group[] {
  const files = new Map<string, string[]>();
  for (const path of sourceFiles(folder)) {
    if (!/(^|[/_])test\.ts$/.test(path)) continue;
    const name = path.includes("/") ? path.slice(0, path.indexOf("/")) : "(top)";
    files.set(name, [...files.get(name) ?? [], join(folder, path)]);
  }
  return [...files].map(([name, files]) => ({
    name,
    files,
    bytes: files.reduce((total, file) => total + Deno.statSync(file).size, 0),
  })).sort((a, b) => b.bytes - a.bytes);
}

/** Runs the jobs in order, at most two at a time, and tells how each came out as it ends. */
async function runAll(jobs: (() => Promise<GroupResult>)[]): Promise<GroupResult[]> {
  const results: GroupResult[] = [];
  const queue = [...jobs];
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const result = await job();
      results.push(result);
      if (result.failed === 0) console.log(`${result.group} ok`);
      else console.log(`${result.group} FAILED\n\n${result.report}\n`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_GROUPS_MAX }, work));
  return results.sort((a, b) => a.group < b.group ? -1 : 1);
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["folder", "filter", "timeout", "_"],
    boolean: ["types"],
    negatable: ["types"],
    default: { folder: join(ROOT, "tests"), timeout: "480", types: true },
  });
  const options: Options = {
    folder: resolve(args.folder),
    filter: args.filter,
    timeoutMs: Number(args.timeout) * 1000,
  };
  const all = findGroups(options.folder);
  const named = args._.map(String);
  const unknown = named.filter((name) => !all.some((group) => group.name === name));
  const groups = all.filter((group) =>
    named.length === 0 ? !SEPARATE.has(group.name) : named.includes(group.name)
  );
  const jobs = groups.map((group) => () => runGroup(group, options));
  if (args.types) jobs.unshift(() => checkTypes(options));
  for (const group of unknown) jobs.push(() => Promise.resolve(missingGroup(group)));
  const results = await runAll(jobs);
  const ran = results.filter((result) => result.group !== TYPES && result.passed > 0);
  if (ran.length === 0) console.log(`No test passed in ${options.folder}`);
  console.log(`\n${summary(results)}`);
  return ran.length > 0 && results.every((result) => result.failed === 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
