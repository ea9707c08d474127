/** The lint plugins, rule by rule, on snippets. */
import { assertEquals } from "@std/assert";
import house from "../../scripts/lint/house.ts";
import purity from "../../scripts/lint/purity.ts";
import { isDeterministic, isSynchronous, pathInTree } from "../../scripts/lint/rooms.ts";

/** The messages of `plugin` for `source`, as if it were the file `path` of the tree. */
function messages(plugin: Deno.lint.Plugin, path: string, source: string): string[] {
  const filename = decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
  return Deno.lint.runPlugin(plugin, filename, source).map((diagnostic) => diagnostic.message);
}

/** How often `rule` of the plugin fires. */
function count(plugin: Deno.lint.Plugin, rule: string, path: string, source: string): number {
  const only = { name: plugin.name, rules: { [rule]: plugin.rules[rule]! } };
  return messages(only, path, source).length;
}

Deno.test("purity: names the clock, chance and scheduling wherever they are used", () => {
  const impure = [
    "const t = Date.now();",
    'const t = Date["now"]();',
    "const t = new Date();",
    "const t = Date();",
    "const { now } = Date;",
    "f(Date);",
    "const t = performance.now();",
    "const r = Math.random();",
    'const r = Math["random"]();',
    "const r = Math[name]();",
    "const { random } = Math;",
    "setTimeout(f, 1);",
    "const later = setInterval;",
    "setImmediate(f);",
    "queueMicrotask(f);",
    "const id = crypto.randomUUID();",
    "const r = new WeakRef(x);",
    "const r = new FinalizationRegistry(f);",
    "Atomics.wait(a, 0, 0);",
    "const w = new Worker(url);",
    "const c = new BroadcastChannel(name);",
    "const f = Deno.openSync(path);",
    "function f(file: Deno.FsFile) { return file; }",
    "const d = globalThis.Deno;",
    "const o = { setTimeout };",
    "console.log(1);",
    "const response = fetch(url);",
  ];
  for (const source of impure) {
    for (const path of ["storage/log.ts", "net/kafka/framing.ts", "actors/broker/b.ts", "mod.ts"]) {
      assertEquals(count(purity, "environment", path, source), 1, `${path}: ${source}`);
    }
  }
});

Deno.test("purity: leaves alone what replays, and names that only look alike", () => {
  const pure = [
    "const t = clock.now(); const d = new Date(t); const u = Date.UTC(2020, 1);",
    "const big = Math.max(1, 2); const isDate = x instanceof Date;",
    "type At = Date; interface Timers { setTimeout(after: number): void; crypto: string }",
    "timers.setTimeout(f, 1); env.performance.mark(); const o = { setTimeout: f, Deno: 1 };",
    "class Timers { setTimeout() {} performance = 1; get crypto() { return 1; } }",
    "function f(fetch: Fetch) { return fetch(1); }",
    "const fetch = 1; g(fetch);",
    "function g({ fetch }: Api) { return fetch; }",
    "function process(batch: Batch) { return batch; } process(b);",
    "Atomics.load(a, 0);",
    "type Job = (performance: number) => void;",
  ];
  for (const source of pure) {
    assertEquals(messages(purity, "storage/log.ts", source), [], source);
  }
});

Deno.test("purity: the Deno adapters, scripts and tests may touch the real world", () => {
  const source = "const t = Date.now() + Math.random(); setTimeout(f, Deno.pid);";
  for (
    const path of [
      "storage/deno_disk.ts",
      "net/deno_network.ts",
      "actors/runtime/deno_environment.ts",
      "scripts/bench/main.ts",
      "tests/storage/log_test.ts",
    ]
  ) assertEquals(messages(purity, path, source), [], path);
});

Deno.test("purity: an actor neither awaits nor makes promises", () => {
  const waiting = [
    "async function f() {}",
    "const f = async () => {};",
    "class A { async receive() {} }",
    "const x = await y;",
    "for await (const x of y) f(x);",
    "const p = new Promise(f);",
    "const p = Promise.resolve(1);",
  ];
  for (const source of waiting) {
    assertEquals(count(purity, "synchronous", "actors/partition/replica.ts", source), 1, source);
    for (
      const path of [
        "actors/client/producer/producer.ts",
        "actors/sim/simulation.ts",
        "actors/start_node.ts",
        "actors/start_cluster.ts",
      ]
    ) {
      assertEquals(count(purity, "synchronous", path, source), 0, `${path}: ${source}`);
    }
  }
  const type = "interface Producer { send(): Promise<void> }";
  assertEquals(count(purity, "synchronous", "actors/partition/replica.ts", type), 0);
});

Deno.test("rooms: only the deno_*.ts files of the three rooms are adapters", () => {
  assertEquals(isDeterministic("storage/deno_disk.ts"), false);
  assertEquals(isDeterministic("storage/denormal_disk.ts"), true);
  assertEquals(isDeterministic("scripts/deno_thing.ts"), false);
  assertEquals(isDeterministic("mod.ts"), true);
  assertEquals(isSynchronous("actors/runtime/deno_environment.ts"), false);
  assertEquals(isSynchronous("actors/client_session.ts"), true);
  assertEquals(pathInTree(import.meta.url), "tests/checks/lint_test.ts");
});

Deno.test("house: refuses the private keyword", () => {
  const rule = "private-fields";
  assertEquals(count(house, rule, "storage/log.ts", "class A { private x = 1; }"), 1);
  assertEquals(count(house, rule, "storage/log.ts", "class A { private f() {} }"), 1);
  assertEquals(count(house, rule, "storage/log.ts", "class A { private constructor() {} }"), 1);
  assertEquals(
    count(house, rule, "storage/log.ts", "class A { constructor(private readonly x: number) {} }"),
    1,
  );
  assertEquals(
    count(house, rule, "storage/log.ts", "class A { #x = 1; protected y = 2; readonly z = 3; }"),
    0,
  );
});

Deno.test("house: refuses default exports outside of the lint plugins", () => {
  const rule = "named-exports";
  assertEquals(count(house, rule, "storage/log.ts", "export default class A {}"), 1);
  assertEquals(count(house, rule, "storage/log.ts", "export default 1;"), 1);
  assertEquals(count(house, rule, "storage/log.ts", "const a = 1; export { a as default };"), 1);
  assertEquals(count(house, rule, "storage/log.ts", "export const a = 1; export { b };"), 0);
  assertEquals(count(house, rule, "scripts/lint/house.ts", "export default 1;"), 0);
});

Deno.test("house: refuses dynamic imports everywhere", () => {
  const rule = "static-imports";
  assertEquals(count(house, rule, "tests/x_test.ts", 'const m = await import("./m.ts");'), 1);
  assertEquals(count(house, rule, "tests/x_test.ts", 'type M = import("./m.ts").M;'), 0);
});

Deno.test("house: an error message has a capital first and no period last", () => {
  const rule = "error-messages";
  const at = (source: string) => count(house, rule, "storage/log.ts", source);
  assertEquals(at('throw new Error("cannot open it");'), 1);
  assertEquals(at('throw new RangeError("Cannot open it.");'), 1);
  assertEquals(at("throw new CorruptBatchError(`bad ${x}.`);"), 2);
  assertEquals(at("throw new Error(`Cannot open ${x}: header claims 9 bytes`);"), 0);
  assertEquals(at("throw new Error(`${name} is taken`, { cause });"), 0);
  assertEquals(at("throw new Error(message);"), 0);
  assertEquals(at('throw new NetworkError("timed-out", "Cannot reach the peer");'), 0);
  assertEquals(at('throw new NetworkError("timed-out", "cannot reach the peer");'), 1);
});

Deno.test("house: a function has at most 70 lines, outside of tests", () => {
  const rule = "function-size";
  const body = (lines: number) => "f();\n".repeat(lines);
  const at = (source: string) => count(house, rule, "net/frame.ts", source);
  assertEquals(at(`function f() {\n${body(68)}}`), 0);
  assertEquals(at(`function f() {\n${body(69)}}`), 1);
  assertEquals(at(`class A { f() {\n${body(69)}} }`), 1);
  assertEquals(at(`const f = () => {\n${body(69)}};`), 1);
  assertEquals(count(house, rule, "tests/x_test.ts", `const f = () => {\n${body(69)}};`), 0);
});

Deno.test("house: whoever silences a check says why", () => {
  const rule = "ignore-reasons";
  const at = (source: string) => count(house, rule, "net/frame.ts", source);
  assertEquals(at("// deno-lint-ignore no-explicit-any\nf();"), 1);
  assertEquals(at("// deno-lint-ignore no-explicit-any -- \nf();"), 1);
  assertEquals(at("// deno-lint-ignore-file\nf();"), 1);
  assertEquals(at("// @ts-expect-error\nf();"), 1);
  assertEquals(at("// @ts-expect-error: the wrong type on purpose\nf();"), 0);
  assertEquals(at("// deno-lint-ignore no-explicit-any -- a boundary\nf();"), 0);
  assertEquals(at("// We deno-lint-ignore nothing here\nf();"), 0);
});
