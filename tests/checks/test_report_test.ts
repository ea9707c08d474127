/** What the test runner makes of the output of `deno test`, and its summary. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { groupResult, summary, type TestRun } from "../../scripts/checks/test_report.ts";

const PASSED = `running 2 tests from ./tests/a/x_test.ts
a: one ... ok (868µs)
a: two ...
------- output -------
noise
----- output end -----
a: two ... ok (1ms)

ok | 2 passed | 0 failed (47ms)
`;

const FAILED = `running 3 tests from ./tests/a/x_test.ts
a: one ...
------- output -------
noise
----- output end -----
a: one ... ok (868µs)
a: two ...
------- output -------
seed 42
----- output end -----
a: two ... FAILED (1ms)
a: three ... ignored (0ms)

 ERRORS 

a: two => ./tests/a/x_test.ts:2:6
error: Error: boom

 FAILURES 

a: two => ./tests/a/x_test.ts:2:6

FAILED | 1 passed (1 step) | 1 failed (1 step) | 1 ignored (1 step) (1m2s)
`;

function run(parts: Partial<TestRun>): TestRun {
  return { group: "a", output: "", errors: "", junit: "", exitCode: 0, seconds: 1.25, ...parts };
}

function skipped(name: string): string {
  return `<testcase name="${name}" classname="./x_test.ts" time="0.000" line="1" col="6">
            <skipped/>
        </testcase>`;
}

Deno.test("test report: a run that passes shows nothing", () => {
  assertEquals(groupResult(run({ output: PASSED })), {
    group: "a",
    passed: 2,
    failed: 0,
    ignored: [],
    seconds: 1.25,
    report: "",
  });
});

Deno.test("test report: a run that fails shows its failures and not its passes", () => {
  const errors = "error: Test failed\n";
  const result = groupResult(run({ output: FAILED, errors, exitCode: 1 }));
  assertEquals([result.passed, result.failed], [1, 1]);
  assertStringIncludes(result.report, "seed 42\n----- output end -----\na: two ... FAILED (1ms)");
  assertStringIncludes(result.report, "error: Error: boom");
  for (const absent of ["noise", "a: one", "running", "ignored (0ms)", "Test failed"]) {
    assertEquals(result.report.includes(absent), false, absent);
  }
});

Deno.test("test report: a run without its closing line is a failure and shows all it said", () => {
  const output = "running 1 test from ./tests/a/x_test.ts\na: one ...\n";
  const result = groupResult(run({ output, errors: "Killed", exitCode: 137 }));
  assertEquals([result.passed, result.failed], [0, 1]);
  assertStringIncludes(result.report, "a: one ...\nKilled\nThe run ended with exit code 137");
});

Deno.test("test report: a bad exit code without a failed test is a failure", () => {
  const errors = 'error: Test failed because the "only" option was used';
  const result = groupResult(run({ output: PASSED, errors, exitCode: 1 }));
  assertEquals([result.passed, result.failed], [2, 1]);
  assertStringIncludes(result.report, 'the "only" option');
});

Deno.test("test report: a run without a test is a failure, except under a filter", () => {
  const none = groupResult(run({ output: "\nok | 0 passed | 0 failed (2ms)\n" }));
  assertEquals([none.failed, none.report], [1, "ok | 0 passed | 0 failed (2ms)\nNo test ran"]);
  const output = "\nok | 0 passed | 0 failed | 3 filtered out (2ms)\n";
  assertEquals(groupResult(run({ output })).failed, 0);
});

Deno.test("test report: an ignored test gives its reason or fails the group", () => {
  const named = 'a: &lt;x&gt; &amp; "y" (ignored: no kcat)'.replaceAll('"', "&quot;");
  const good = groupResult(run({ output: PASSED, junit: skipped(named) }));
  assertEquals([good.failed, good.ignored], [0, ['a: <x> & "y" (ignored: no kcat)']]);
  for (const name of ["a: three", "a: three (ignored: )", "a: (ignored: why) three"]) {
    const bad = groupResult(run({ output: PASSED, junit: skipped(name) }));
    assertEquals(bad.failed, 1, name);
    assertStringIncludes(bad.report, `Ignored without a reason, "… (ignored: reason)": ${name}`);
  }
});

Deno.test("test report: a test that only a filter left out is not an ignored one", () => {
  const junit = skipped("a: three").replace(' time="0.000"', "");
  assertEquals(groupResult(run({ output: PASSED, junit })).ignored, []);
});

Deno.test("test report: the summary ends with the plain totals", () => {
  const a = groupResult(run({ output: PASSED }));
  const b = groupResult(run({
    group: "longer",
    output: FAILED,
    junit: skipped("b: three (ignored: no kcat)"),
    exitCode: 1,
    seconds: 12,
  }));
  assertEquals(summary([a]).split("\n").at(-1), "2 passed, 0 failed");
  assertEquals(
    summary([a, b]),
    [
      "group   passed  failed  ignored  seconds",
      "a            2       0        0      1.3",
      "longer       1       1        1     12.0",
      "",
      "Ignored:",
      "  longer: b: three (ignored: no kcat)",
      "",
      "3 passed, 1 failed, 1 skipped",
    ].join("\n"),
  );
});
