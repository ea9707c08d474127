/** The sizes check. */
import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { functionSizes, oversize } from "../../scripts/checks/sizes.ts";

const lines = (count: number) => "f();\n".repeat(count);

Deno.test("sizes: a file past the mark needs a reason", () => {
  const files = [{ path: "a.ts", text: lines(600) }, { path: "b.ts", text: lines(601) }];
  assertEquals(oversize(files, {}), ["b.ts: 601 lines, the most is 600: split it"]);
  assertEquals(oversize(files, { "b.ts": "one table" }), []);
});

Deno.test("sizes: a reason that is no longer needed is taken off the list", () => {
  const files = [{ path: "a.ts", text: lines(600) }];
  for (const path of ["a.ts", "gone.ts"]) {
    assertEquals(oversize(files, { [path]: "one table" }), [
      `${path}: no longer past the mark: take it off the list in sizes.ts`,
    ]);
  }
});

Deno.test("sizes: a comment is at most 100 columns wide, code is the formatter's business", () => {
  const wide = "x".repeat(98);
  const text = `// ${wide}\n * ${wide}\n  /** ${wide}\nconst a = "${wide}";\n// ${wide.slice(1)}\n`;
  assertEquals(oversize([{ path: "a.ts", text }], {}), [
    "a.ts:1: a comment wider than 100 columns",
    "a.ts:2: a comment wider than 100 columns",
    "a.ts:3: a comment wider than 100 columns",
  ]);
});

Deno.test("sizes: functions are measured by name, the largest first", async () => {
  const root = await Deno.makeTempDir();
  try {
    const text = "export function small() {}\nclass A {\n  receive() {\n    f();\n  }\n" +
      "  #b = () => {\n  };\n}\nconst c = [1].map(() =>\n  2\n);\nexport const d = () => {};\n";
    await Deno.mkdir(dirname(join(root, "low/a.ts")));
    await Deno.writeTextFile(join(root, "low/a.ts"), text);
    const sizes = await functionSizes(root, ["low/a.ts"]);
    assertEquals(sizes.slice(0, 2), [
      { path: "low/a.ts", line: 3, name: "receive", lines: 3 },
      { path: "low/a.ts", line: 6, name: "#b", lines: 2 },
    ]);
    assertEquals(sizes.map((size) => size.name).sort(), [
      "#b",
      "(argument of [1].map)",
      "d",
      "receive",
      "small",
    ]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("sizes: the measure covers the checks themselves", async () => {
  const root = fromFileUrl(new URL("../../", import.meta.url));
  const sizes = await functionSizes(root, ["scripts/checks/sizes.ts"]);
  assertEquals(sizes.some((size) => size.name === "functionSizes" && size.lines > 20), true);
});
