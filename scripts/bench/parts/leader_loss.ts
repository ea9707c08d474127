/**
 * The leader of a partition is killed, or ended in order, in the middle of a run of records: how
 * long producers wait, and whether every acknowledged record is there, once, at its offset.
 */

import { Admin, Consumer, Producer, textDeserializer } from "../../../mod.ts";
import { ChaosNode } from "../../chaos/chaos_node.ts";
import { freePorts } from "../../chaos/free_ports.ts";
import type { Bench, Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import { sleep } from "../node_process.ts";

interface Way {
  readonly name: string;
  readonly rounds: number;
  readonly signal: "SIGKILL" | "SIGTERM";
  readonly sessionMs: number;
  /** From the loss to the first record acknowledged after it. */
  readonly waitMaxMs: number;
}

const WAYS: readonly Way[] = [
  { name: "killed", rounds: 10, signal: "SIGKILL", sessionMs: 1000, waitMaxMs: 1500 },
  { name: "killed, defaults", rounds: 2, signal: "SIGKILL", sessionMs: 9000, waitMaxMs: 10_000 },
  { name: "ended in order", rounds: 3, signal: "SIGTERM", sessionMs: 9000, waitMaxMs: 500 },
];

const TOPIC = "survivor";
/** Of one round: ten make half a million. */
const RECORDS = 50_000;
const WINDOW = 2_000;
const IN_SYNC_TIMEOUT_MS = 60_000;

export const leaderLoss: Part = {
  name: "leader-loss",
  summary: "3 replicas, min.insync.replicas=2, the leader lost in the middle of each round",
  async run(bench) {
    for (const way of WAYS) await bench.withFolder((folder) => lose(bench, way, folder));
  },
};

async function lose(bench: Bench, way: Way, folder: string): Promise<void> {
  const nodes = makeNodes(folder, way.sessionMs);
  const bootstrap = nodes.map(({ address }) => address).join(",");
  try {
    await Promise.all(nodes.map(({ node }) => node.start()));
    await using admin = await Admin.connect(bootstrap);
    await admin.createTopics([{
      name: TOPIC,
      partitions: 1,
      replicationFactor: nodes.length,
      configs: { "min.insync.replicas": "2" },
    }]);
    const run = new Run(admin, nodes.map(({ node }) => node), way);
    await using producer = await Producer.connect<string, string>(bootstrap);
    for (let round = 1; round <= way.rounds; round++) {
      await run.round(producer);
      const waited = Math.round(run.waits.at(-1) ?? 0);
      bench.progress(`${way.name}, round ${round} of ${way.rounds}: waited ${waited} ms`);
    }
    await report(bench, way, run, bootstrap);
  } finally {
    await Promise.all(nodes.map(({ node }) => node.kill()));
  }
}

async function report(bench: Bench, way: Way, run: Run, bootstrap: string): Promise<void> {
  const { name, waitMaxMs } = way;
  bench.report({
    name: `${name}, longest wait for an acknowledgement`,
    value: Math.max(...run.waits),
    unit: "ms",
    target: atMost(waitMaxMs),
  });
  bench.report({ name: `${name}, acknowledged`, value: run.acknowledged.size, unit: "records" });
  bench.report({
    name: `${name}, sends that failed`,
    value: run.failures,
    unit: "",
    ...(way.signal === "SIGTERM" ? { target: atMost(0) } : {}),
  });
  bench.report({
    name: `${name}, lost, moved, repeated or out of order`,
    value: await countWrong(run, bootstrap),
    unit: "records",
    target: atMost(0),
  });
}

interface PlacedNode {
  readonly node: ChaosNode;
  readonly address: string;
}

function makeNodes(folder: string, sessionMs: number): PlacedNode[] {
  const addresses = freePorts(3).map((port) => `127.0.0.1:${port}`);
  const voters = addresses.map((address, index) => `${index + 1}@${address}`).join(",");
  return addresses.map((address, index) => ({
    address,
    node: new ChaosNode({
      id: index + 1,
      folder,
      place: { launcher: [], listen: address, advertised: address },
      voters,
      properties: sessionMs === 9000 ? {} : {
        "broker.session.timeout.ms": String(sessionMs),
        "broker.heartbeat.interval.ms": String(Math.floor(sessionMs / 4)),
      },
    }),
  }));
}

/** Rounds of records, and what became of each. */
class Run {
  /** Values by offset, as producers were told. */
  readonly acknowledged = new Map<number, number>();
  readonly waits: number[] = [];
  failures = 0;
  readonly #admin: Admin;
  readonly #nodes: readonly ChaosNode[];
  readonly #way: Way;
  #next = 0;

  constructor(admin: Admin, nodes: readonly ChaosNode[], way: Way) {
    this.#admin = admin;
    this.#nodes = nodes;
    this.#way = way;
  }

  async round(producer: Producer<string, string>): Promise<void> {
    const leader = await this.#leaderInSync();
    let lostAt = Infinity;
    let lastAt = 0;
    let wait = 0;
    const open = new Set<Promise<void>>();
    let ended: Promise<void> = Promise.resolve();
    for (let index = 0; index < RECORDS; index++) {
      if (index === RECORDS / 2) {
        lostAt = performance.now();
        ended = this.#way.signal === "SIGKILL" ? leader.kill() : leader.stop();
      }
      const value = this.#next++;
      const sent: Promise<void> = producer.send({ topic: TOPIC, partition: 0, value: `${value}` })
        .then(({ offset }) => {
          this.acknowledged.set(offset, value);
          // What was acknowledged before the loss may be told after it: the longest silence counts.
          const now = performance.now();
          if (now > lostAt) wait = Math.max(wait, now - Math.max(lostAt, lastAt));
          lastAt = now;
        }, () => {
          this.failures++;
        })
        .finally(() => open.delete(sent));
      open.add(sent);
      if (open.size >= WINDOW) await Promise.race(open);
    }
    await Promise.all(open);
    await ended;
    this.waits.push(wait);
    await leader.start();
  }

  async #leaderInSync(): Promise<ChaosNode> {
    const deadline = performance.now() + IN_SYNC_TIMEOUT_MS;
    for (;;) {
      const [topic] = await this.#admin.describeTopics([TOPIC]);
      const { leader, isr } = topic!.partitions[0]!;
      const node = this.#nodes.find(({ id }) => id === leader);
      if (node !== undefined && isr.length === this.#nodes.length) return node;
      if (performance.now() > deadline) throw new Error("The replicas do not get in sync");
      await sleep(50);
    }
  }
}

async function countWrong({ acknowledged }: Run, bootstrap: string): Promise<number> {
  await using consumer = await Consumer.connect<Uint8Array | null, number>(bootstrap, {
    assign: [{ topic: TOPIC, partition: 0 }],
    from: "earliest",
    valueDeserializer: (topic, bytes) => Number(textDeserializer(topic, bytes)),
  });
  const [end] = await consumer.endOffsets();
  const seen = new Set<number>();
  let wrong = 0;
  let last = -1;
  for (let read = 0; read < end!.offset;) {
    for (const { offset, value } of await consumer.poll(1000)) {
      read = offset + 1;
      if (seen.has(value) || value < last) wrong++;
      seen.add(value);
      last = value;
      const told = acknowledged.get(offset);
      if (told !== undefined && told !== value) wrong++;
    }
  }
  for (const value of acknowledged.values()) if (!seen.has(value)) wrong++;
  return wrong;
}
