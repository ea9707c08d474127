import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const README = await Deno.readTextFile(`${ROOT}README.md`);

function codeBlocks(language: string): string[] {
  const pattern = new RegExp("^```" + language + "\\n(.*?)^```$", "gms");
  return [...README.matchAll(pattern)].map(([, code]) => code ?? "");
}

const PRINTED = [
  /^record 0 of partition \d\n0 paid\n$/,
  /^record 1, on another leader\n$/,
];

Deno.test("readme: its TypeScript runs as written", async () => {
  const examples = codeBlocks("ts");
  assertEquals(examples.length, PRINTED.length);
  for (const [index, example] of examples.entries()) {
    const data = await Deno.makeTempDir();
    const program = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--check", "--ext=ts", "-"],
      cwd: ROOT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = program.stdin.getWriter();
    await writer.write(new TextEncoder().encode(example.replace("./data/example", data)));
    await writer.close();
    const { code, stdout, stderr } = await program.output();
    await Deno.remove(data, { recursive: true });
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertMatch(new TextDecoder().decode(stdout), PRINTED[index]!);
  }
});

Deno.test("readme: each task that it names is a task", async () => {
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const named = [...README.matchAll(/deno(?:@2\.9\.6)? task ([a-z]+)/g)].map(([, task]) => task);
  assert(named.length > 5);
  for (const task of named) assert(task !== undefined && task in config.tasks, `no task ${task}`);
});

Deno.test("readme: each file that it links to is there", async () => {
  const links = [...README.matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path ?? "");
  for (const path of links) await Deno.stat(`${ROOT}${path}`);
});
