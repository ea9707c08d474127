/**
 * Reads what one run of `deno test` left behind, and words the summary over several runs.
 *
 * The counts come from the run's own closing line, the names of ignored tests from its JUnit
 * report; a run that ends without its closing line, or badly without a failed test, counts as one
 * failure. Nothing here runs a process.
 */

/** What came of one group of tests. */
export interface GroupResult {
  readonly group: string;
  readonly passed: number;
  readonly failed: number;
  /** Names of the ignored tests, which say why: `… (ignored: reason)`. */
  readonly ignored: readonly string[];
  readonly seconds: number;
  /** What to show of the output: failures in full, passes not at all. */
  readonly report: string;
}

/** What a finished process of `deno test` leaves. */
export interface TestRun {
  readonly group: string;
  /** The standard output: the pretty reporter's, without colours. */
  readonly output: string;
  /** The standard error. */
  readonly errors: string;
  /** The JUnit report, empty if none was written. */
  readonly junit: string;
  readonly exitCode: number;
  readonly seconds: number;
}

/** The name of an ignored test ends so. */
const REASON = /\(ignored: \S.*\)$/;

const CLOSING_LINE =
  /^(?:ok|FAILED) \| (\d+) passed.* \| (\d+) failed\b.*\(\d+(?:\.\d+)?(?:ms|s|m).*\)$/gm;

/** Sums up one run. */
export function groupResult(run: TestRun): GroupResult {
  const { group, seconds } = run;
  const ignored = ignoredTests(run.junit);
  const closing = [...run.output.matchAll(CLOSING_LINE)].at(-1);
  const passed = Number(closing?.[1] ?? 0);
  const notes: string[] = [];
  let failed = Number(closing?.[2] ?? 0);
  if (failed === 0 && (run.exitCode !== 0 || closing === undefined)) {
    failed = 1;
    notes.push(`The run ended with exit code ${run.exitCode} and no failed test`);
  }
  const isFiltered = closing?.[0].includes(" filtered out") === true;
  if (passed + failed + ignored.length === 0 && !isFiltered) {
    failed = 1;
    notes.push("No test ran");
  }
  for (const name of ignored) {
    if (REASON.test(name)) continue;
    failed++;
    notes.push(`Ignored without a reason, "… (ignored: reason)": ${name}`);
  }
  const errors = run.errors.replace(/^error: Test failed$/m, "").trim();
  const shown = [failures(run.output).trim(), errors, ...notes].filter((text) => text !== "");
  const report = failed === 0 ? "" : shown.join("\n");
  return { group, passed, failed, ignored, seconds, report };
}

const TEST_CASE = /<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** The ignored tests and steps in a JUnit report, without those that only a filter left out. */
function ignoredTests(junit: string): string[] {
  const names: string[] = [];
  for (const [, attributes = "", content = ""] of junit.matchAll(TEST_CASE)) {
    if (!content.includes("<skipped") || !/ time="/.test(attributes)) continue;
    names.push(unescapeXml(/name="([^"]*)"/.exec(attributes)?.[1] ?? ""));
  }
  return names;
}

function unescapeXml(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'").replaceAll("&amp;", "&");
}

/** The output without the lines, and without the console output, of tests that passed. */
function failures(output: string): string {
  const kept: string[] = [];
  let pending: string[] = [];
  for (const line of output.split("\n")) {
    if (/^running \d+ tests? from /.test(line)) pending = [];
    else if (/^\S.* \.\.\. (?:ok|ignored) \(\d+(?:\.\d+)?(?:µs|ms|s|m).*\)$/.test(line)) {
      pending = [];
    } else {
      pending.push(line);
      if (!/^\S.* \.\.\. (?:FAILED|cancelled)\b/.test(line)) continue;
      kept.push(...pending);
      pending = [];
    }
  }
  return [...kept, ...pending].join("\n").replaceAll(/\n{3,}/g, "\n\n");
}

/**
 * The summary over all groups: one table, the ignored tests, and as the very last line
 * `N passed, N failed`, with `, N skipped` behind it if there were any.
 */
export function summary(results: readonly GroupResult[]): string {
  const sum = (count: (result: GroupResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const passed = sum((result) => result.passed);
  const failed = sum((result) => result.failed);
  const ignored = sum((result) => result.ignored.length);
  const rows = [
    ["group", "passed", "failed", "ignored", "seconds"],
    ...results.map((result) => [
      result.group,
      `${result.passed}`,
      `${result.failed}`,
      `${result.ignored.length}`,
      result.seconds.toFixed(1),
    ]),
  ];
  const lines = table(rows);
  if (ignored > 0) {
    lines.push("", "Ignored:");
    for (const { group, ignored } of results) {
      for (const name of ignored) lines.push(`  ${group}: ${name}`);
    }
  }
  const skipped = ignored > 0 ? `, ${ignored} skipped` : "";
  lines.push("", `${passed} passed, ${failed} failed${skipped}`);
  return lines.join("\n");
}

/** Aligns the first column to the left and the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  );
}
