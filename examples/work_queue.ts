/**
 * A work queue: two workers of one group share the partitions of a topic, and when one of them goes
 * the other takes over what is left.
 *
 * Run it with `deno run -A examples/work_queue.ts`.
 */
import { Admin, Consumer, Producer, startNode } from "../mod.ts";

const JOBS = 60;

const data = await Deno.makeTempDir();
await using node = await startNode({
  data,
  native: { port: 0 },
  // Members hear of each other at their next heartbeat; five seconds are for larger groups.
  properties: { "group.consumer.heartbeat.interval.ms": "200" },
});
await using admin = await Admin.connect(node.address);
await admin.createTopics([{ name: "jobs", partitions: 6 }]);

const done = new Set<string>();
const shares = new Map<string, number>();

/** Works until `mayStop` says so; then what it has done is committed, and the group is left. */
async function work(worker: string, mayStop: () => boolean): Promise<void> {
  await using consumer = await Consumer.connect(node.address, {
    group: "workers",
    topics: ["jobs"],
    from: "earliest",
    rebalanceListener: {
      assigned: (partitions) => {
        shares.set(worker, (shares.get(worker) ?? 0) + partitions.length);
      },
      revoked: (partitions) => {
        shares.set(worker, (shares.get(worker) ?? 0) - partitions.length);
      },
    },
  });
  while (!mayStop()) {
    for (const record of await consumer.poll(100)) done.add(record.text());
  }
}

const isShared = () => shares.get("Ada") === 3 && shares.get("Grace") === 3;
let adaLeaves = false;
const ada = work("Ada", () => adaLeaves);
const grace = work("Grace", () => done.size === JOBS);
while (!isShared()) await new Promise((resolve) => setTimeout(resolve, 10));
console.log("Ada and Grace have three partitions each");

await using producer = await Producer.connect(node.address);
const send = (from: number, to: number) => {
  const jobs = Array.from({ length: to - from }, (_, index) => `job ${from + index}`);
  return producer.sendBatch("jobs", jobs.map((job) => ({ key: job, value: job })));
};
await send(0, JOBS / 2);
adaLeaves = true;
await ada;
console.log("Ada has gone home");

await send(JOBS / 2, JOBS);
await grace;
console.log(`${done.size} of ${JOBS} jobs are done`);
