/** The continuous integration script, with a stand-in for npx that only prints. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";

const SCRIPT = fromFileUrl(new URL("../../.ci/run", import.meta.url));

/** What the stand-in prints for each task, and the exit code it ends with. */
interface Task {
  readonly output: string;
  readonly code?: number;
}

async function runCi(tasks: Record<string, Task>) {
  const root = await Deno.makeTempDir();
  try {
    const write = async (path: string, text: string) => {
      await Deno.mkdir(dirname(join(root, path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), text, { mode: 0o755 });
    };
    const cases = Object.entries(tasks).map(([name, { output, code = 0 }]) =>
      `"task --quiet ${name}") printf '%s\\n' '${output}'; exit ${code};;`
    );
    await write(".ci/run", await Deno.readTextFile(SCRIPT));
    await write("bin/npx", `#!/bin/sh\nshift 2\ncase "$*" in ${cases.join("\n")} esac\n`);
    await write("bin/kcat", "");
    const commands = Object.fromEntries(Object.keys(tasks).map((name) => [name, "true"]));
    await write("deno.json", JSON.stringify({ tasks: commands }, null, 2));
    const { code, stdout } = await new Deno.Command("bash", {
      args: [join(root, ".ci/run")],
      cwd: "/",
      stdin: "null",
      env: { PATH: `${join(root, "bin")}:${Deno.env.get("PATH")}`, CI: "true" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    return { code, text, lastLine: text.trimEnd().split("\n").at(-1) };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("ci: runs the tests and ends with their totals", async () => {
  const { code, text, lastLine } = await runCi({
    test: { output: "storage ok\n12 passed, 0 failed" },
    bench: { output: "99 passed, 0 failed" },
  });
  assertEquals([code, lastLine], [0, "12 passed, 0 failed"]);
  assertStringIncludes(text, "storage ok");
});

Deno.test("ci: adds up the parts", async () => {
  const { code, lastLine } = await runCi({
    test: { output: "12 passed, 1 failed, 2 skipped", code: 1 },
    interop: { output: "3 passed, 0 failed, 4 skipped" },
  });
  assertEquals([code, lastLine], [1, "15 passed, 1 failed, 6 skipped"]);
});

Deno.test("ci: a part that ends badly or without totals has failed", async () => {
  const crashed = await runCi({ test: { output: "12 passed, 0 failed", code: 3 } });
  assertEquals([crashed.code, crashed.lastLine], [1, "12 passed, 1 failed"]);
  const silent = await runCi({ test: { output: "nothing to say" } });
  assertEquals([silent.code, silent.lastLine], [1, "0 passed, 1 failed"]);
});

Deno.test("ci: no test is no success", async () => {
  const { code, lastLine } = await runCi({ test: { output: "0 passed, 0 failed" } });
  assertEquals([code, lastLine], [1, "0 passed, 0 failed"]);
});
