/**
 * Runs everything that a change must pass and sums it up: each step with its time, the output of
 * those that fail in full. No step stops the others.
 *
 * Usage: deno task ok
 */
import { resolve } from "@std/path";

const ROOT = resolve(import.meta.dirname ?? ".", "../..");
const CHECKS = "scripts/checks";

/** One run of deno that must end well. */
interface Step {
  readonly name: string;
  /** Arguments of deno. */
  readonly args: readonly string[];
  /** Whether its last line sums it up. */
  readonly isSummedUp?: boolean;
}

/** What the tree must hold to beside its types; the tests run these, too. */
export const RULES: readonly Step[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint", "--quiet"] },
  { name: "docs", args: ["doc", "--lint", "--quiet", "mod.ts"] },
  { name: "layers", args: ["run", "-A", `${CHECKS}/layers.ts`], isSummedUp: true },
  { name: "sizes", args: ["run", "-A", `${CHECKS}/sizes.ts`] },
];

const STEPS: readonly Step[] = [
  { name: "types", args: ["check", "--quiet", "."] },
  ...RULES,
  { name: "tests", args: ["run", "-A", `${CHECKS}/test.ts`, "--no-types"], isSummedUp: true },
];

async function run(step: Step): Promise<boolean> {
  const started = performance.now();
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...step.args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
  }).output();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const verdict = output.success ? "ok" : "FAILED";
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stdout).trimEnd();
  const sum = step.isSummedUp === true ? text.split("\n").at(-1) : "";
  const line = `${step.name.padEnd(8)}${verdict.padEnd(8)}${seconds.padStart(6)} s  ${sum}`;
  console.log(line.trimEnd());
  if (!output.success) console.log(`\n${text}\n${decoder.decode(output.stderr)}`);
  return output.success;
}

if (import.meta.main) {
  const failed: string[] = [];
  for (const step of STEPS) {
    if (!await run(step)) failed.push(step.name);
  }
  console.log(failed.length === 0 ? "\nAll is well" : `\nFailed: ${failed.join(", ")}`);
  if (failed.length > 0) Deno.exit(1);
}
