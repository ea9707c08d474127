/** From the command to a node that serves, and what an idle node takes. */

import { Producer } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import { NodeProcess, sleep } from "../node_process.ts";
import { median } from "../percentiles.ts";

const READY_MAX_MS = 300;
const FIRST_RECORD_MAX_MS = 500;
const NPX_READY_MAX_MS = 1_500;
const IDLE_RSS_MAX_MB = 100;
const IDLE_SECONDS = 4;

interface Start {
  readonly readyMs: number;
  readonly firstRecordMs: number;
}

export const start: Part = {
  name: "start",
  summary: "from `deno run` to ready and to the first acknowledged record; the idle node",
  async run(bench) {
    const attempts = 2 * bench.rounds + 1;
    const starts: Start[] = [];
    for (let attempt = 0; attempt <= attempts; attempt++) {
      const measured = await bench.withFolder((folder) => startOnce(folder));
      // The first one may have to compile.
      if (attempt > 0) starts.push(measured);
    }
    const unit = "ms";
    bench.report({
      name: "ready",
      value: median(starts.map(({ readyMs }) => readyMs)),
      unit,
      target: atMost(READY_MAX_MS),
      note: `the median of ${attempts} starts on an empty folder`,
    });
    bench.report({
      name: "first acknowledged record",
      value: median(starts.map(({ firstRecordMs }) => firstRecordMs)),
      unit,
      target: atMost(FIRST_RECORD_MAX_MS),
    });
    await measureNpx(bench);
    await bench.withFolder((folder) => measureIdle(bench, folder));
  },
};

async function startOnce(folder: string): Promise<Start> {
  await using node = await NodeProcess.start({ data: `${folder}/node` });
  await using producer = await Producer.connect(node.bootstrap);
  await producer.send({ topic: "first", value: "record" });
  return { readyMs: node.readyMs, firstRecordMs: performance.now() - node.startedAt };
}

/** Left out where npx, or what it would run, is not at hand. */
async function measureNpx(bench: Bench): Promise<void> {
  const launcher = ["npx", "-y", `deno@${Deno.version.deno}`];
  const [npx, ...args] = launcher;
  bench.progress("through npx");
  try {
    const { success } = await new Deno.Command(npx!, {
      args: [...args, "--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) return bench.progress("npx cannot run deno here: left out");
  } catch {
    return bench.progress("there is no npx here: left out");
  }
  const times: number[] = [];
  for (let attempt = 0; attempt < bench.rounds; attempt++) {
    times.push(
      await bench.withFolder(async (folder) => {
        await using node = await NodeProcess.start({ data: `${folder}/node`, launcher });
        return node.readyMs;
      }),
    );
  }
  bench.report({
    name: "ready, through npx",
    value: median(times),
    unit: "ms",
    target: atMost(NPX_READY_MAX_MS),
  });
}

async function measureIdle(bench: Bench, folder: string): Promise<void> {
  bench.progress("idle node");
  await using node = await NodeProcess.start({ data: `${folder}/node` });
  await sleep(1_000);
  const before = node.usage;
  await sleep(IDLE_SECONDS * 1000);
  const after = node.usage;
  if (before === undefined || after === undefined) return;
  bench.report({
    name: "idle RSS",
    value: after.rssBytes / 1e6,
    unit: "MB",
    target: atMost(IDLE_RSS_MAX_MB),
  });
  bench.report({
    name: "idle CPU",
    value: (after.cpuMs - before.cpuMs) / (IDLE_SECONDS * 1000) * 100,
    unit: "% of a core",
  });
}
