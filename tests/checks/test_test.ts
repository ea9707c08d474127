/** The test runner as a process, on folders of made-up tests. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";

const RUNNER = fromFileUrl(new URL("../../scripts/checks/test.ts", import.meta.url));

/** Runs the runner on a folder that holds `files`. */
async function runTests(files: Record<string, string>, ...args: string[]) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", RUNNER, "--no-types", "--folder", folder, ...args],
      env: { RUST_BACKTRACE: "0" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    return { code, text, lastLine: text.trimEnd().split("\n").at(-1) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const GOOD = 'Deno.test("good", () => {});';
const IGNORED = 'Deno.test({ name: "later (ignored: no kcat)", ignore: true, fn() {} });';

Deno.test("test runner: passes with one table and the totals last", async () => {
  const { code, text, lastLine } = await runTests({
    "a/x_test.ts": GOOD + IGNORED,
    "a/deep/y_test.ts": GOOD,
    "b/test.ts": GOOD,
    "b/not_a_suite.ts": "throw 1;",
    "fixtures/data.ts": "",
    "interop/z_test.ts": "throw 1;",
  });
  assertEquals(code, 0);
  assertEquals(lastLine, "3 passed, 0 failed, 1 skipped");
  assertMatch(text, /^a +2 +0 +1 /m);
  assertMatch(text, /^b +1 +0 +0 /m);
  assertStringIncludes(text, "a: later (ignored: no kcat)");
  assertEquals(text.includes("interop") || text.includes("fixtures"), false);
});

Deno.test("test runner: shows a failure in full and exits with 1", async () => {
  const { code, text, lastLine } = await runTests({
    "a/x_test.ts": `${GOOD}\nDeno.test("bad", () => { throw new Error("boom"); });`,
    "b/y_test.ts": 'throw new Error("cannot load");',
  });
  assertEquals(code, 1);
  assertEquals(lastLine, "1 passed, 2 failed");
  assertStringIncludes(text, "boom");
  assertStringIncludes(text, "cannot load");
  assertEquals(text.includes("good"), false);
});

Deno.test("test runner: a process that dies or hangs is a failure of its group", async () => {
  const { code, text, lastLine } = await runTests(
    {
      "a/x_test.ts": GOOD + 'Deno.test("dies", () => Deno.kill(Deno.pid, "SIGKILL"));',
      "b/y_test.ts": 'Deno.test("hangs", () => new Promise(() => setInterval(() => {}, 1)));',
    },
    "--timeout",
    "2",
  );
  assertEquals(code, 1);
  assertEquals(lastLine, "0 passed, 2 failed");
  assertStringIncludes(text, "Stopped after 2 s");
});

Deno.test("test runner: no test at all, or a group that is not there, is no success", async () => {
  const none = await runTests({ "a/x.ts": GOOD });
  assertEquals([none.code, none.lastLine], [1, "0 passed, 0 failed"]);
  const missing = await runTests({ "a/x_test.ts": GOOD }, "a", "nowhere");
  assertEquals([missing.code, missing.lastLine], [1, "1 passed, 1 failed"]);
  assertStringIncludes(missing.text, "nowhere");
  const onlyIgnored = await runTests({ "a/x_test.ts": IGNORED });
  assertEquals([onlyIgnored.code, onlyIgnored.lastLine], [1, "0 passed, 0 failed, 1 skipped"]);
});

Deno.test("test runner: runs only what it is asked for", async () => {
  const files = { "a/x_test.ts": GOOD, "b/y_test.ts": 'Deno.test("other", () => {});' };
  assertEquals((await runTests(files, "b")).lastLine, "1 passed, 0 failed");
  const filtered = await runTests(files, "--filter", "other");
  assertEquals([filtered.code, filtered.lastLine], [0, "1 passed, 0 failed"]);
});
