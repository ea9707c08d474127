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
import { Admin, ClientError, Consumer, Producer, simulate, type SimulatedWorld } from "../mod.ts";

const COUNTER = {
  name: "counter",
  partitions: 1,
  replicationFactor: 3,
  // Clocks may be hours wrong there: a broker would refuse times that are far from its own.
  configs: { "min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime" },
};
/** Faults may last: whoever wants an answer has to be patient. */
const PATIENCE_MS = 300_000;

/** Creates the topic once as many brokers are there as it has replicas. */
async function isCreated(admin: Admin): Promise<boolean> {
  try {
    await admin.createTopics([COUNTER]);
    return true;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return error.errorName === "TOPIC_ALREADY_EXISTS";
  }
}

async function workload(world: SimulatedWorld, increments: readonly number[]): Promise<void> {
  // Clients live in the simulated world by its environment: their time, chance and network.
  const { bootstrap, environment, sleep, mend } = world;
  await using admin = await Admin.connect(bootstrap, {
    environment,
    defaultApiTimeoutMs: PATIENCE_MS,
  });
  while (!await isCreated(admin)) await sleep(500);

  await using producer = await Producer.connect(bootstrap, {
    environment,
    deliveryTimeoutMs: PATIENCE_MS,
  });
  let acknowledged = 0;
  for (const increment of increments) {
    await producer.send({ topic: COUNTER.name, value: String(increment) });
    acknowledged += increment;
    await sleep(1000);
  }

  mend();
  await using consumer = await Consumer.connect(bootstrap, {
    environment,
    topics: [COUNTER.name],
    from: "earliest",
  });
  let total = 0;
  let records = 0;
  for await (const record of consumer) {
    total += Number(record.text());
    if (++records === increments.length) break;
  }
  if (total !== acknowledged) throw new Error(`Counted ${total}, acknowledged ${acknowledged}`);
}

let simulatedMs = 0;
let faults = 0;
const increments = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 10 });
await fc.assert(
  fc.asyncProperty(fc.nat(), increments, async (seed, increments) => {
    const result = await simulate({ seed, workload: (world) => workload(world, increments) });
    simulatedMs += result.virtualMs;
    faults += Object.values(result.faultCounts).reduce((sum, count) => sum + count, 0);
    if (result.violations.length > 0) throw new Error(JSON.stringify(result.violations));
  }),
  { numRuns: Number(Deno.args[0] ?? 20) },
);
console.log(`held through ${faults} faults in ${Math.round(simulatedMs / 1000)} simulated seconds`);
