/**
 * Strom as a library: what a project of one's own needs to use `mod.ts`.
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

const PROGRAM = `
import { Producer, type RecordMetadata, startNode } from "strom";

await using node = await startNode({ data: Deno.args[0]!, native: { port: 0 } });
await using producer = await Producer.connect(node.address, { compression: "lz4" });
const sent: RecordMetadata = await producer.send({ topic: "orders", value: "paid" });
console.log(sent.offset);
`;

Deno.test("library: one entry in a project's import map is enough, types included", async () => {
  const project = await Deno.makeTempDir();
  const config = { imports: { strom: join(ROOT, "mod.ts") }, compilerOptions: { strict: true } };
  await Deno.writeTextFile(join(project, "deno.json"), JSON.stringify(config));
  await Deno.writeTextFile(join(project, "main.ts"), PROGRAM);
  // The same packages as here: the test asks no registry for others.
  await Deno.copyFile(join(ROOT, "deno.lock"), join(project, "deno.lock"));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--check", "main.ts", join(project, "data")],
    cwd: project,
    stdout: "piped",
    stderr: "piped",
  }).output();
  await Deno.remove(project, { recursive: true });
  assertEquals(
    [code, new TextDecoder().decode(stdout)],
    [0, "0\n"],
    new TextDecoder().decode(stderr),
  );
});
