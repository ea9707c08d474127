/** The programs in examples/ run as their heads say, and print what they are to show. */
import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

const PRINTED: Readonly<Record<string, RegExp>> = {
  "linked_actors.ts": /^total 6\ntotal terminated\n$/,
  "simulated_property.ts": /^held through \d+ faults in \d+ simulated seconds\n$/,
  "word_count.ts": /^the 3\nriver 2\nand 1\nsea 2\na 1\n$/,
  "work_queue.ts":
    /^Ada and Grace have three partitions each\nAda has gone home\n60 of 60 jobs are done\n$/,
};

/** Runs of the property: enough to see that it works. */
const ARGS: Readonly<Record<string, readonly string[]>> = { "simulated_property.ts": ["3"] };

Deno.test("examples: each of them is run here", () => {
  const files = [...Deno.readDirSync(`${ROOT}examples`)].map(({ name }) => name);
  assertEquals(files.sort(), Object.keys(PRINTED));
});

for (const [file, printed] of Object.entries(PRINTED)) {
  Deno.test(`examples: ${file} prints what it is to show`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `examples/${file}`, ...ARGS[file] ?? []],
      cwd: ROOT,
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertMatch(new TextDecoder().decode(stdout), printed);
  });
}
