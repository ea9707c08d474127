/** The tree holds to the rules that `deno task ok` asks of a change. */
import { fromFileUrl } from "@std/path";
import { RULES } from "../../scripts/checks/ok.ts";

for (const { name, args } of RULES) {
  Deno.test(`rules: ${name}`, async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: fromFileUrl(new URL("../..", import.meta.url)),
      env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
    }).output();
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
    if (!success) throw new Error(`deno ${args.join(" ")}\n${said}`);
  });
}
