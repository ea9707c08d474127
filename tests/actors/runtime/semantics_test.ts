/** Holds docs/semantics.md and the tests of the runtime against each other. */
import { assertEquals } from "@std/assert";

const here = new URL(".", import.meta.url);
const page = new URL("../../../docs/semantics.md", here);

Deno.test("semantics: every promise has a test that carries its number, and no test another", async () => {
  const promised = [...(await Deno.readTextFile(page)).matchAll(/^- (\d+\.\d+) /gm)]
    .map((match) => match[1]);
  const tested = new Set<string | undefined>();
  for await (const { name } of Deno.readDir(here)) {
    if (!name.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(new URL(name, here));
    for (const match of text.matchAll(/Deno\.test\(\s*"runtime (\d+\.\d+):/g)) {
      tested.add(match[1]);
    }
  }
  assertEquals(promised.length, new Set(promised).size);
  assertEquals([...tested].sort(), [...promised].sort());
});
