/** The layers check: its rules on made-up edges, and the reading of a small real tree. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  circles,
  type Edge,
  type Graph,
  readGraph,
  roomOf,
  violations,
} from "../../scripts/checks/layers.ts";
import { LAW, type Room } from "../../scripts/checks/law.ts";

const SMALL_LAW: readonly Room[] = [
  { name: "adapter", files: ["low/deno_*"], mayImport: ["low"], builtins: ["*"] },
  { name: "low", files: ["low/"], mayImport: [], packages: ["@std/assert"] },
  { name: "high", files: ["high/", "mod.ts"], mayImport: ["low"], builtins: ["node:zlib"] },
];

function edge(from: string, to: string, parts: Partial<Edge> = {}): Edge {
  const isFile = to.endsWith(".ts");
  return {
    from,
    line: 1,
    specifier: to,
    to: isFile ? to : undefined,
    isCode: true,
    isDynamic: false,
    ...parts,
  };
}

function graph(...edges: Edge[]): Graph {
  const files = edges.flatMap((edge) => edge.to === undefined ? [edge.from] : [edge.from, edge.to]);
  return { files: [...new Set(files)], edges, errors: [] };
}

Deno.test("layers: an arrow of the law may be followed, its reverse may not", () => {
  assertEquals(violations(graph(edge("high/a.ts", "low/b.ts")), SMALL_LAW), []);
  assertEquals(violations(graph(edge("low/a.ts", "low/b.ts")), SMALL_LAW), []);
  assertEquals(violations(graph(edge("low/b.ts", "high/a.ts", { line: 7 })), SMALL_LAW), [
    "low/b.ts:7 → high/a.ts: low may not import high, none",
  ]);
});

Deno.test("layers: a type import counts as an arrow", () => {
  assertEquals(violations(graph(edge("low/b.ts", "mod.ts", { isCode: false })), SMALL_LAW), [
    "low/b.ts:1 → mod.ts: low may not import high, none",
  ]);
});

Deno.test("layers: a file that no room claims is refused", () => {
  assertEquals(violations(graph(edge("attic/a.ts", "low/b.ts")), SMALL_LAW), [
    "attic/a.ts: belongs to no room of the law",
  ]);
});

Deno.test("layers: an adapter is its own room inside a folder of another", () => {
  assertEquals(roomOf(SMALL_LAW, "low/deno_disk.ts")?.name, "adapter");
  assertEquals(roomOf(SMALL_LAW, "low/disk.ts")?.name, "low");
  assertEquals(roomOf(SMALL_LAW, "low/deno_things/disk.ts")?.name, "low");
  assertEquals(violations(graph(edge("low/a.ts", "low/deno_disk.ts")), SMALL_LAW).length, 1);
});

Deno.test("layers: packages and built-ins are used where the law lists them", () => {
  const found = (from: string, to: string) => violations(graph(edge(from, to)), SMALL_LAW);
  assertEquals(found("low/a.ts", "@std/assert"), []);
  assertEquals(found("low/deno_disk.ts", "node:fs"), []);
  assertEquals(found("high/a.ts", "node:zlib"), []);
  assertEquals(found("low/a.ts", "snappy"), [
    "low/a.ts:1 → snappy: low may not import packages, only @std/assert",
  ]);
  assertEquals(found("high/a.ts", "node:fs"), [
    "high/a.ts:1 → node:fs: high may not use built-in modules, only node:zlib",
  ]);
  assertEquals(found("low/a.ts", "npm:snappy@7"), [
    "low/a.ts:1 → npm:snappy@7: packages are imported by their name in deno.json",
  ]);
});

Deno.test("layers: a dynamic import is refused even along an arrow", () => {
  assertEquals(violations(graph(edge("high/a.ts", "low/b.ts", { isDynamic: true })), SMALL_LAW), [
    "high/a.ts:1 → low/b.ts: dynamic imports are refused",
  ]);
});

Deno.test("layers: circles count code imports and not type imports", () => {
  const there = edge("low/a.ts", "low/b.ts");
  const back = edge("low/b.ts", "low/a.ts");
  assertEquals(circles(graph(there, { ...back, isCode: false })), []);
  assertEquals(circles(graph(there, back)), [["low/a.ts", "low/b.ts", "low/a.ts"]]);
  assertEquals(violations(graph(there, back), SMALL_LAW), [
    "low/a.ts → low/b.ts → low/a.ts: code imports must not run in a circle",
  ]);
});

Deno.test("layers: the graph of a real tree has code, type, dynamic and broken imports", async () => {
  const root = await Deno.makeTempDir();
  try {
    const write = (path: string, text: string) => Deno.writeTextFile(join(root, path), text);
    await Deno.mkdir(join(root, "low"));
    await Deno.mkdir(join(root, ".hidden"));
    await write("deno.json", "{}");
    await write(".hidden/c.ts", "");
    await write("low/a.ts", 'import "../mod.ts";\nimport type { B } from "./b.ts";\nlet b: B;\n');
    await write("low/b.ts", 'export type B = 1;\nawait import("./a.ts");\nimport "./gone.ts";\n');
    await write("mod.ts", 'import "node:fs";\n');
    const { files, edges, errors } = await readGraph(root);
    assertEquals(files, ["low/a.ts", "low/b.ts", "mod.ts"]);
    assertEquals(
      edges.map((edge) => [edge.from, edge.line, edge.to ?? edge.specifier, edge.isCode]),
      [
        ["low/a.ts", 1, "mod.ts", true],
        ["low/a.ts", 2, "low/b.ts", false],
        ["low/b.ts", 2, "low/a.ts", true],
        ["low/b.ts", 3, "low/gone.ts", true],
        ["mod.ts", 1, "node:fs", true],
      ],
    );
    assertEquals(edges.map((edge) => edge.isDynamic), [false, false, true, false, false]);
    assertEquals(errors.length, 1);
    assertEquals(errors[0]?.includes("low/gone.ts"), true);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("layers: the law names only rooms that exist", () => {
  const names = new Set(LAW.map((room) => room.name));
  assertEquals(names.size, LAW.length);
  assertEquals(LAW.flatMap((room) => room.mayImport).filter((name) => !names.has(name)), []);
});

Deno.test("layers: the law forbids what the house plan forbids", () => {
  const forbidden = [
    ["storage/log.ts", "net/frame.ts"],
    ["storage/log.ts", "actors/runtime/actor.ts"],
    ["storage/log.ts", "storage/deno_disk.ts"],
    ["net/kafka/framing.ts", "storage/log.ts"],
    ["net/frame.ts", "net/messages/fetch.ts"],
    ["actors/runtime/remoting.ts", "net/messages/fetch.ts"],
    ["actors/controller/election.ts", "actors/partition/replica.ts"],
    ["actors/coordinator/group.ts", "actors/partition/replica.ts"],
    ["actors/partition/replica.ts", "actors/broker/broker_actor.ts"],
    ["actors/client/producer/producer.ts", "actors/broker/broker_actor.ts"],
    ["actors/broker/broker_actor.ts", "actors/client/producer/producer.ts"],
    ["actors/broker/broker_actor.ts", "actors/sim/simulation.ts"],
    ["actors/sim/simulation.ts", "actors/runtime/deno_environment.ts"],
    ["actors/node.ts", "mod.ts"],
    ["mod.ts", "scripts/strom.ts"],
    ["scripts/strom.ts", "tests/storage/log_test.ts"],
    ["storage/log.ts", "node:fs"],
    ["storage/log.ts", "node:zlib"],
    ["mod.ts", "node:fs"],
    ["actors/client/producer/producer.ts", "msgpackr"],
  ] as const;
  for (const [from, to] of forbidden) {
    assertEquals(violations(graph(edge(from, to)), LAW).length, 1, `${from} → ${to}`);
  }
  const allowed = [
    ["storage/deno_disk.ts", "node:fs"],
    ["storage/compression.ts", "node:zlib"],
    ["net/messages/fetch.ts", "storage/bytes/ids.ts"],
    ["actors/partition/replica.ts", "storage/log.ts"],
    ["actors/broker/broker_actor.ts", "actors/partition/messages.ts"],
    ["actors/node.ts", "actors/controller/controller_actor.ts"],
    ["actors/sim/simulation.ts", "actors/node.ts"],
    ["actors/runtime/environment.ts", "storage/disk.ts"],
    ["scripts/strom.ts", "mod.ts"],
    ["tests/storage/log_test.ts", "fast-check"],
  ] as const;
  for (const [from, to] of allowed) {
    assertEquals(violations(graph(edge(from, to)), LAW), [], `${from} → ${to}`);
  }
});
