import { assertEquals } from "@std/assert";
import { invocation, quoted } from "../../scripts/commands/invocation.ts";

Deno.test("invocation: who has npm only is told to run it as it was started", () => {
  assertEquals(invocation("exec"), `npx -y deno@${Deno.version.deno} task strom`);
  assertEquals(invocation(""), "deno task strom");
  assertEquals(invocation("run-script"), "deno task strom");
});

Deno.test("invocation: arguments that a shell would take apart are quoted", () => {
  const args = ["--set", "a.b=c", "--data", "./my data", "it's", ""];
  assertEquals(quoted(args), `--set a.b=c --data './my data' 'it'\\''s' ''`);
});
