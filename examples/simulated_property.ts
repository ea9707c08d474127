/**
 * A property of one's own clients, held against a cluster that fails in every way there is: nodes
 * crash and lose power, links break, disks fill up, clocks jump. It takes place in a simulated
 * world: minutes pass in a moment, and a seed that breaks the property breaks it each time.
 *
 * The property: of a counter that is kept in a topic no increment that was acknowledged is lost.
 *
 * Run it with `deno run -A examples/simulated_property.ts [how often]`.
 */
import fc from "fast-check";
import {
  Admin,
  ClientError,
  CLUSTER_KINDS,
  Consumer,
  Producer,
  simulate,
  type SimulatedWorld,
} from "../mod.ts";

const COUNTER = {
  name: "counter",
  partitions: 1,
  replicationFactor: 3,
  configs: {
    "min.insync.replicas": "2",
    // All may lose power at once: what was not flushed is gone then.
    "flush.before.ack": "true",
    // Clocks may be hours wrong there: a broker would refuse times that are far from its own.
    "message.timestamp.type": "LogAppendTime",
  },
};
/** Faults may last: whoever wants an answer has to be patient. */
const PATIENCE_MS = 300_000;

/** Tries until it succeeds: nobody may be there at first, or fewer brokers than replicas. */
async function patiently<Result>(
  world: SimulatedWorld,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      await world.sleep(500);
    }
  }
}

/** Creates the topic, also where an attempt before did that and did not hear of it. */
async function createTopic(admin: Admin): Promise<void> {
  if ((await admin.listTopics()).includes(COUNTER.name)) return;
  await admin.createTopics([COUNTER]);
}

async function workload(world: SimulatedWorld, increments: readonly number[]): Promise<void> {
  // Clients live in the simulated world by its environment: their time, chance and network.
  const { bootstrap, environment, sleep, mend } = world;
  const config = { environment, deliveryTimeoutMs: PATIENCE_MS };
  await using admin = await patiently(world, () => Admin.connect(bootstrap, { environment }));
  await patiently(world, () => createTopic(admin));
  await using producer = await patiently(world, () => Producer.connect(bootstrap, config));
  let acknowledged = 0;
  for (const increment of increments) {
    await producer.send({ topic: COUNTER.name, value: String(increment) });
    acknowledged += increment;
    await sleep(1000);
  }

  mend();
  const reading = { environment, topics: [COUNTER.name], from: "earliest" } as const;
  await using consumer = await patiently(world, () => Consumer.connect(bootstrap, reading));
  const partition = { topic: COUNTER.name, partition: 0 };
  const [end] = await consumer.endOffsets([partition]);
  let total = 0;
  while ((consumer.position(partition) ?? 0) < end!.offset) {
    for (const record of await consumer.poll(1000)) total += Number(record.text());
  }
  if (total !== acknowledged) throw new Error(`Counted ${total}, acknowledged ${acknowledged}`);
}

/** All but one: of a folder that was lost with its records nobody can promise anything. */
const FAULTS = CLUSTER_KINDS.filter((kind) => kind !== "disk-wipe");

let simulatedMs = 0;
let faults = 0;
const increments = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 });
await fc.assert(
  fc.asyncProperty(fc.nat(), increments, async (seed, increments) => {
    const result = await simulate({
      seed,
      faults: FAULTS,
      workload: (world) => workload(world, increments),
    });
    simulatedMs += result.virtualMs;
    faults += Object.values(result.faultCounts).reduce((sum, count) => sum + count, 0);
    if (result.violations.length > 0) throw new Error(JSON.stringify(result.violations));
  }),
  { numRuns: Number(Deno.args[0] ?? 20) },
);
console.log(`held through ${faults} faults in ${Math.round(simulatedMs / 1000)} simulated seconds`);
