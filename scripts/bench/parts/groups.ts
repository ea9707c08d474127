/** A thousand groups: what they commit on one node, and how soon they are coordinated anew. */

import { Admin } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atLeast, atMost } from "../figure.ts";
import { type BenchGroup, GroupMembers } from "../load/group_members.ts";
import { startNodeCluster } from "../node_cluster.ts";
import { sleep } from "../node_process.ts";
import { startNodeWithTopic } from "../node_with_topic.ts";
import { percentile } from "../percentiles.ts";

const GROUPS = 1000;
const PARTITIONS = 10;
const SECONDS = 8;
const COMMITTED_MIN = 10_000;
/** Of one group; a little more than what must come of it. */
const COMMITS_PER_SECOND = 1.1;
const HEARTBEAT_SECONDS = 3;
const FAILOVER_MAX_MS = 3000;
const SESSION_MS = 1000;
const TOPIC = "bench";

export const groups: Part = {
  name: "groups",
  summary: `${GROUPS} groups that commit offsets, and whose coordinator is lost`,
  async run(bench) {
    await bench.withFolder((folder) => commit(bench, folder));
    await bench.withFolder((folder) => lose(bench, folder));
  },
};

async function commit(bench: Bench, folder: string): Promise<void> {
  await using node = await startNodeWithTopic(bench, folder, PARTITIONS);
  await using members = await GroupMembers.connect(node.bootstrap, node.topic, GROUPS);
  await joinAll(bench, members);
  bench.progress("committing");
  const delays: number[] = [];
  const before = node.process.usage?.cpuMs ?? Number.NaN;
  const start = performance.now();
  const work: Promise<void>[] = [];
  const timed = async (work: Promise<void>) => {
    const begin = performance.now();
    await work;
    delays.push(performance.now() - begin);
  };
  // Each group in its turn.
  const perMs = GROUPS * COMMITS_PER_SECOND / 1000;
  const total = Math.ceil(perMs * SECONDS * 1000);
  for (let done = 0; done < total;) {
    const due = Math.min(total, Math.ceil((performance.now() - start) * perMs));
    for (; done < due; done++) {
      const group = members.groups[done % GROUPS]!;
      work.push(timed(members.commit(group, done, PARTITIONS)));
      if (done % HEARTBEAT_SECONDS === 0) work.push(members.heartbeat(group));
    }
    await sleep(2);
  }
  await Promise.all(work);
  const seconds = (performance.now() - start) / 1000;
  const cpuMs = (node.process.usage?.cpuMs ?? Number.NaN) - before;
  const rate = total * PARTITIONS / seconds;
  bench.report({
    name: "offsets committed",
    value: rate,
    unit: "/s",
    target: atLeast(COMMITTED_MIN),
  });
  const unit = "ms";
  bench.report({ name: "commit p50", value: percentile(Float64Array.from(delays), 50), unit });
  bench.report({ name: "commit p99", value: percentile(Float64Array.from(delays), 99), unit });
  bench.report({ name: "node", value: cpuMs / seconds / 10, unit: "% of a core" });
}

async function lose(bench: Bench, folder: string): Promise<void> {
  await using cluster = await startNodeCluster(bench, folder, {
    "broker.session.timeout.ms": String(SESSION_MS),
    "broker.heartbeat.interval.ms": "250",
  });
  await using admin = await Admin.connect(cluster.bootstrap);
  await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 }]);
  await using members = await GroupMembers.connect(cluster.bootstrap, TOPIC, GROUPS);
  await joinAll(bench, members);
  await Promise.all(members.groups.map((group) => members.commit(group, 7, PARTITIONS)));
  bench.progress("losing a coordinator");
  const lost = members.groups[0]!.coordinator;
  const moved = members.groups.filter(({ coordinator }) => coordinator === lost);
  cluster.kill(lost);
  const electedAt = await elected(admin, lost);
  const committed = await Promise.all(moved.map((group) => members.committed(group)));
  bench.report({
    name: `${moved.length} groups coordinated anew, since the election`,
    value: performance.now() - electedAt,
    unit: "ms",
    target: atMost(FAILOVER_MAX_MS),
  });
  bench.report({
    name: "commits lost",
    value: committed.filter((offset) => offset !== 7).length,
    unit: "",
    target: atMost(0),
  });
}

async function joinAll(bench: Bench, members: GroupMembers): Promise<void> {
  bench.progress("joining");
  // The first to ask has the topic of offsets made.
  const left = () => members.groups.filter(({ coordinator }) => coordinator < 0);
  for (let missing = left(); missing.length > 0; missing = left()) {
    await members.find(missing);
    await sleep(50);
  }
  await Promise.all(members.groups.map((group: BenchGroup) => members.join(group)));
}

/** When all that the node coordinated has another leader. */
async function elected(admin: Admin, lost: number): Promise<number> {
  for (;;) {
    const [topic] = await admin.describeTopics(["__consumer_offsets"]);
    if (topic!.partitions.every(({ leader }) => leader >= 0 && leader !== lost)) {
      return performance.now();
    }
    await sleep(5);
  }
}
