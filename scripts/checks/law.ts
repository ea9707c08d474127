/**
 * The law of the layers: which room may import which. Think hard before changing it.
 *
 * A file belongs to the first room that one of whose `files` names it: a folder ("net/"), a file
 * ("mod.ts") or files by the start of their name ("storage/deno_*"). It may import its own room and
 * the rooms in `mayImport`, packages and built-ins only as listed; "*" stands for any. Arrows count
 * type imports too. `layers.ts` enforces it.
 */

export interface Room {
  readonly name: string;
  readonly files: readonly string[];
  readonly mayImport: readonly string[];
  /** Names of the import map of deno.json. */
  readonly packages?: readonly string[];
  /** Modules of the runtime, `node:…`. */
  readonly builtins?: readonly string[];
}

const BYTES_ON_DISK = ["bytes", "disk", "storage"];
const BYTES_ON_WIRE = ["wire", "messages"];
const GROUND = [...BYTES_ON_DISK, "compression", ...BYTES_ON_WIRE];
const BELOW_ROLES = [...GROUND, "runtime", "nearest name", "config"];
const ADAPTERS = ["disk adapter", "network adapter", "environment adapter"];
/** What the roles of a node say to each other: siblings know no more of each other than that. */
const SAID = ["said by controllers", "said by partitions"];
const BELOW_BROKER = [...BELOW_ROLES, "link", ...SAID, "controller", "partition", "coordinator"];
const EVERYTHING = [...BELOW_BROKER, "broker", "client", "node", "start", "sim", ...ADAPTERS];

export const LAW: readonly Room[] = [
  // Bytes on disk: no actor and no socket.
  {
    name: "bytes",
    files: ["storage/bytes/"],
    mayImport: [],
    packages: ["@node-rs/crc32"],
  },
  {
    name: "disk adapter",
    files: ["storage/deno_*"],
    mayImport: BYTES_ON_DISK,
    packages: ["@std/path"],
    builtins: ["*"],
  },
  {
    name: "disk",
    files: ["storage/disk*", "storage/memory_disk.ts"],
    mayImport: ["bytes"],
  },
  {
    // Apart only for the one built-in module that it may use.
    name: "compression",
    files: ["storage/compression.ts"],
    mayImport: ["bytes", "storage"],
    builtins: ["node:zlib"],
  },
  {
    name: "storage",
    files: ["storage/"],
    mayImport: ["bytes", "disk", "compression"],
    packages: ["snappy", "lz4-napi"],
  },

  // Bytes on the wire: no actor and no log.
  {
    name: "network adapter",
    files: ["net/deno_*"],
    mayImport: ["bytes", "wire"],
    builtins: ["*"],
  },
  {
    // The words: what a message says.
    name: "messages",
    files: ["net/messages/", "net/kafka/", "net/http/"],
    mayImport: ["bytes", "wire"],
  },
  {
    // What carries any message; the actor system builds on it without knowing Kafka.
    name: "wire",
    files: ["net/"],
    mayImport: ["bytes"],
    packages: ["msgpackr"],
  },

  // Behaviour: sim → client, node → broker → controller, partition, coordinator → link → runtime;
  // client → link.
  {
    name: "environment adapter",
    files: ["actors/runtime/deno_*"],
    mayImport: ["runtime", "bytes", "disk", "wire", "disk adapter", "network adapter"],
    builtins: ["*"],
  },
  {
    name: "runtime",
    files: ["actors/runtime/"],
    mayImport: ["bytes", "disk", "wire"],
  },
  {
    // A node's way to a node, which clients go too.
    name: "link",
    files: ["actors/link/"],
    mayImport: ["bytes", ...BYTES_ON_WIRE, "runtime"],
  },
  {
    // What nodes and clients say of a config that was mistyped.
    name: "nearest name",
    files: ["actors/config/nearest_name.ts"],
    mayImport: [],
  },
  {
    name: "config",
    files: ["actors/config/"],
    mayImport: [...GROUND, "nearest name"],
  },
  {
    // Requests, and the image of what is committed.
    name: "said by controllers",
    files: ["actors/controller/messages.ts", "actors/controller/cluster_image.ts"],
    mayImport: [...BELOW_ROLES, "controller"],
  },
  {
    name: "controller",
    files: ["actors/controller/"],
    mayImport: [...BELOW_ROLES, "link", "said by controllers"],
  },
  {
    name: "said by partitions",
    files: ["actors/partition/messages.ts", "actors/partition/verification.ts"],
    mayImport: [...BELOW_ROLES, "partition"],
  },
  {
    name: "partition",
    files: ["actors/partition/"],
    mayImport: [...BELOW_ROLES, "link", "said by partitions"],
  },
  {
    name: "coordinator",
    files: ["actors/coordinator/"],
    mayImport: [...BELOW_ROLES, ...SAID],
  },
  {
    name: "broker",
    files: ["actors/broker/"],
    mayImport: BELOW_BROKER,
  },
  {
    // Where a client that was given no environment meets Deno.
    name: "client's default",
    files: ["actors/client/default_environment.ts"],
    mayImport: ["runtime", "environment adapter"],
  },
  {
    // A client knows the protocol, never the broker.
    name: "client",
    files: ["actors/client/"],
    mayImport: [...GROUND, "link", "runtime", "nearest name", "client's default"],
  },
  {
    name: "node",
    files: [
      "actors/node.ts",
      "actors/protocol.ts",
      "actors/cluster_id.ts",
      "actors/cluster_plan.ts",
      "actors/join_cluster.ts",
      "actors/joining_node.ts",
      "actors/booted_node.ts",
      "actors/node_listeners.ts",
      "actors/wired_node.ts",
    ],
    mayImport: [...BELOW_BROKER, "broker"],
  },
  {
    // Where a node meets Deno: node.ts is given its environment.
    name: "start",
    files: ["actors/start_node.ts", "actors/start_cluster.ts"],
    mayImport: [...BELOW_BROKER, "broker", "node", "environment adapter", "disk adapter"],
  },
  {
    name: "sim",
    files: ["actors/sim/"],
    mayImport: [...BELOW_BROKER, "broker", "client", "node"],
  },

  // The edges.
  {
    name: "mod",
    files: ["mod.ts"],
    mayImport: EVERYTHING,
  },
  {
    // What users can write: they have nothing but the library.
    name: "examples",
    files: ["examples/"],
    mayImport: ["mod"],
    packages: ["fast-check"],
  },
  {
    name: "scripts",
    files: ["scripts/"],
    mayImport: [...EVERYTHING, "mod"],
    packages: ["*"],
    builtins: ["*"],
  },
  {
    name: "tests",
    files: ["tests/"],
    mayImport: [...EVERYTHING, "mod", "scripts"],
    packages: ["*"],
    builtins: ["*"],
  },
];
