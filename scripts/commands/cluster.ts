/**
 * `strom cluster`: the brokers, the metadata quorum, elections and reassignments.
 *
 * @module
 */

import {
  Admin,
  type ClusterDescription,
  type QuorumDescription,
  type Reassignment,
} from "../../mod.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { command, type Terminal } from "./command.ts";
import { configChanges } from "./config_changes.ts";
import {
  flag,
  type HostAndPort,
  integer,
  maybeAddress,
  pairs,
  requiredInteger,
  requiredText,
  text,
  texts,
  UsageError,
} from "./option.ts";

const describe = command({
  name: "cluster describe",
  summary: "Show the brokers, the controller quorum and what is being reassigned",
  options: { json, ...cluster },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    const [cluster, quorum, reassignments] = await Promise.all([
      admin.describeCluster(),
      admin.describeQuorum(),
      admin.listPartitionReassignments(),
    ]);
    if (options.json) {
      return terminal.output.writeLine(JSON.stringify({ ...cluster, quorum, reassignments }));
    }
    printCluster(cluster, quorum, terminal);
    for (const { topic, partition, adding, removing } of reassignments) {
      const parts = [...adding.map((id) => `+${id}`), ...removing.map((id) => `-${id}`)].join(" ");
      terminal.output.writeLine(`reassigning ${topic}-${partition}  ${parts}`);
    }
  },
});

const logDirs = command({
  name: "cluster log-dirs",
  summary: "Show the data folders of the brokers, and how much each log in them takes",
  options: { json, ...cluster },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    const folders = await admin.describeLogDirs();
    if (options.json) return terminal.output.writeLine(JSON.stringify(folders));
    for (const { nodeId, path, usableBytes, logs } of folders) {
      const bytes = logs.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
      const room = usableBytes < 0 ? "" : `  usable ${usableBytes}`;
      terminal.output.writeLine(`broker ${nodeId}  ${path}  bytes ${bytes}${room}`);
      const filled = logs.filter(({ sizeInBytes }) => sizeInBytes > 0);
      const rows = filled.toSorted((a, b) => b.sizeInBytes - a.sizeInBytes);
      for (const { topic, partition, sizeInBytes, offsetLag } of rows) {
        const lag = offsetLag > 0 ? `  lag ${offsetLag}` : "";
        terminal.output.writeLine(`  ${topic}-${partition}  bytes ${sizeInBytes}${lag}`);
      }
      const empty = logs.length - filled.length;
      if (empty > 0) terminal.output.writeLine(`  ${empty} more, empty`);
    }
  },
});

const alter = command({
  name: "cluster alter",
  summary: "Change configs of brokers while they run",
  details: ["What may change so, `strom configs` says. It stays when they start again."],
  options: {
    broker: integer("ID", "One broker; all when absent", { min: 0 }),
    config: pairs("A config to set, as leader.replication.throttled.rate=1048576"),
    deleteConfig: texts("KEY", "A config that goes back to what it was"),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { broker } = options;
    const changes = configChanges(options);
    if (changes === undefined) {
      throw new UsageError("Nothing to alter: give --config or --delete-config");
    }
    await using admin = await connect(options);
    const name = broker === undefined ? "" : String(broker);
    await admin.alterConfigs([{ type: "broker", name, ...changes }]);
    terminal.output.writeLine(`${name === "" ? "All brokers" : `Broker ${name}`} altered`);
  },
});

const elect = command({
  name: "cluster elect",
  summary: "Have partitions led by their preferred replicas, or by any that lives",
  options: {
    topic: requiredText("T", "Its name"),
    partition: texts("N", "Its partitions; all when absent"),
    unclean: flag("Any replica that lives may lead: records may be lost"),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { topic, partition: named, unclean } = options;
    await using admin = await connect(options);
    const [described] = await admin.describeTopics([topic]);
    const partitions = named.length > 0
      ? named.map(partitionNumber)
      : described!.partitions.map(({ partition }) => partition);
    const type = unclean ? "unclean" : "preferred";
    await admin.electLeaders(type, partitions.map((partition) => ({ topic, partition })));
    terminal.output.writeLine(`Elections of topic ${topic} are done`);
  },
});

const reassign = command({
  name: "cluster reassign",
  summary: "Give partitions other replicas",
  details: [
    "The first replica of each is the one that leads where it can. It ends when the new replicas",
    "have caught up: `strom cluster describe` shows what goes on. A throttle stays until",
    "--unthrottle, or --cancel, takes it off.",
  ],
  options: {
    topic: requiredText("T", "Its name"),
    replicas: text("P:IDS;…", "As 0:1,2,3;1:2,3,1: the replicas of each partition"),
    cancel: flag("Take back what is under way"),
    throttle: integer("B", "The most bytes a second that it may take of each broker", { min: 1 }),
    unthrottle: flag("Take the throttle off"),
    ...cluster,
  },
  exclusive: [["replicas", "cancel", "unthrottle"], ["throttle", "cancel", "unthrottle"]],
  async run({ options, terminal }) {
    const { topic, replicas, cancel, throttle, unthrottle } = options;
    if (replicas === undefined && !cancel && !unthrottle) {
      throw new UsageError("Give --replicas, --cancel or --unthrottle");
    }
    const wanted = replicas === undefined ? [] : parseReplicas(topic, replicas);
    await using admin = await connect(options);
    if (throttle !== undefined) await limit(admin, topic, throttle);
    if (!unthrottle) {
      await admin.alterPartitionReassignments(cancel ? await underWay(admin, topic) : wanted);
    }
    if (cancel || unthrottle) await limitNoMore(admin, topic);
    const what = unthrottle ? "throttled no more" : cancel ? "taken back" : "under way";
    terminal.output.writeLine(`Reassignment of topic ${topic} is ${what}`);
  },
});

const addVoter = command({
  name: "cluster add-voter",
  summary: "Let a node vote that follows the metadata: so one node grows to three",
  options: {
    id: requiredInteger("N", "The node's id, which cluster describe shows as an observer", {
      min: 0,
    }),
    native: maybeAddress(
      "127.0.0.1:9192",
      "Where the node listens (default: as cluster describe shows)",
    ),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { id, native } = options;
    await using admin = await connect(options);
    const { observers, voters } = await admin.describeQuorum();
    if (voters.some(({ nodeId }) => nodeId === id)) throw new Error(`Node ${id} votes already`);
    const observer = observers.find(({ nodeId }) => nodeId === id);
    if (observer === undefined) throw new Error(`Node ${id} does not follow the metadata`);
    const address = native ?? await addressOf(admin, id);
    await admin.addVoter({ nodeId: id, directoryId: observer.directoryId, address });
    terminal.output.writeLine(`Node ${id} votes`);
  },
});

const removeVoter = command({
  name: "cluster remove-voter",
  summary: "Take a node out of those that vote",
  options: { id: requiredInteger("N", "The node's id", { min: 0 }), ...cluster },
  async run({ options, terminal }) {
    const { id } = options;
    await using admin = await connect(options);
    const { voters } = await admin.describeQuorum();
    const voter = voters.find(({ nodeId }) => nodeId === id);
    if (voter === undefined) throw new Error(`Node ${id} does not vote`);
    await admin.removeVoter({ nodeId: id, directoryId: voter.directoryId });
    terminal.output.writeLine(`Node ${id} votes no more`);
  },
});

export const CLUSTER = [describe, logDirs, alter, elect, reassign, addVoter, removeVoter];

function connect(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, { clientId: "strom-cluster", ...access(options) });
}

function partitionNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`--partition ${text} is no whole number`);
  return Number(text);
}

/** Where a node that is a broker listens; one that is none has told nobody. */
async function addressOf(admin: Admin, id: number): Promise<HostAndPort> {
  const { brokers } = await admin.describeCluster();
  const broker = brokers.find(({ nodeId }) => nodeId === id);
  if (broker === undefined) {
    throw new UsageError(`Node ${id} is no broker: give --native, where it listens`);
  }
  return broker;
}

async function underWay(admin: Admin, topic: string): Promise<Reassignment[]> {
  const ongoing = await admin.listPartitionReassignments();
  return ongoing.filter((one) => one.topic === topic)
    .map(({ topic, partition }) => ({ topic, partition, replicas: null }));
}

/** `0:1,2,3;1:2,3,1` */
function parseReplicas(topic: string, text: string): Reassignment[] {
  return text.split(";").map((part) => {
    const [, partition, ids] = /^(\d+):(\d+(?:,\d+)*)$/.exec(part.trim()) ?? [];
    if (partition === undefined || ids === undefined) {
      throw new UsageError(`--replicas: ${part} is not as 0:1,2,3`);
    }
    return { topic, partition: Number(partition), replicas: ids.split(",").map(Number) };
  });
}

const THROTTLED_REPLICAS = [
  "leader.replication.throttled.replicas",
  "follower.replication.throttled.replicas",
];

/** Sets Kafka's four configs that slow down the replication of one topic (KIP-73). */
async function limit(admin: Admin, topic: string, bytesPerSecond: number): Promise<void> {
  await admin.alterConfigs([{
    type: "broker",
    name: "",
    set: {
      "leader.replication.throttled.rate": String(bytesPerSecond),
      "follower.replication.throttled.rate": String(bytesPerSecond),
    },
  }, {
    type: "topic",
    name: topic,
    set: Object.fromEntries(THROTTLED_REPLICAS.map((name) => [name, "*"])),
  }]);
}

/** The rates stay: other topics may be under way with them, and alone they slow nothing down. */
async function limitNoMore(admin: Admin, topic: string): Promise<void> {
  await admin.alterConfigs([{ type: "topic", name: topic, delete: THROTTLED_REPLICAS }]);
}

function printCluster(
  { clusterId, brokers }: ClusterDescription,
  quorum: QuorumDescription,
  { output }: Terminal,
): void {
  const { leaderId, leaderEpoch, highWatermark, voters, observers } = quorum;
  const ends = new Map([...voters, ...observers].map((one) => [one.nodeId, one.logEndOffset]));
  const leaderEnd = ends.get(leaderId) ?? highWatermark;
  output.writeLine(`cluster ${clusterId}`);
  output.writeLine(
    `controller ${leaderId}  leaderEpoch ${leaderEpoch}  highWatermark ${highWatermark}  ` +
      `voters ${voters.map(({ nodeId }) => nodeId).join(",")}` +
      (observers.length > 0
        ? `  observers ${observers.map(({ nodeId }) => nodeId).join(",")}`
        : ""),
  );
  for (const { nodeId, host, port, rack, isFenced } of brokers) {
    const end = ends.get(nodeId);
    output.writeLine([
      `broker ${nodeId}`,
      `${host}:${port}`,
      ...(rack === null ? [] : [`rack ${rack}`]),
      isFenced ? "fenced" : "serving",
      ...(end === undefined || end < 0 ? [] : [`metadata lag ${Math.max(0, leaderEnd - end)}`]),
    ].join("  "));
  }
}
