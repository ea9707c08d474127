/**
 * A node whose machine loses power in full flow, on a real disk, and one that is killed: what it
 * acknowledged is there.
 */

import { assert, assertEquals } from "@std/assert";
import { denoEnvironment } from "../../actors/runtime/deno_environment.ts";
import type { Logger } from "../../actors/runtime/environment.ts";
import { type Node, startNode } from "../../actors/start_node.ts";
import { DenoDisk } from "../../storage/deno_disk.ts";
import type { Disk } from "../../storage/disk.ts";
import { TestProcess } from "../actors/broker/processes/spawn.ts";
import { wrapDisk } from "../actors/broker/wrapped_disk.ts";
import {
  cleanUp,
  copyWhileMounted,
  createImage,
  mount,
  powerCutFolder,
  powerCutSupported,
  unmount,
} from "./image.ts";
import { ProduceRun, TOPIC } from "./produce_run.ts";

const unsupported = powerCutSupported();
const skipped = unsupported === undefined ? "" : ` (skipped: ${unsupported})`;

const CUTS = 20;
const KILLS = 20;
const IMAGE_BYTES = 96 << 20;
const PROPERTIES = { "flush.before.ack": "true", "log.segment.bytes": "400000" };
const SILENT: Logger = { log: () => {}, with: () => SILENT };

interface RunningNode {
  readonly node: Node;
  end(): Promise<void>;
}

async function start(root: string, change: (disk: Disk) => Disk): Promise<RunningNode> {
  const real = new DenoDisk(root);
  const environment = denoEnvironment({ dataRoot: root, disk: change(real), logger: SILENT });
  const node = await startNode({
    data: root,
    native: { port: 0 },
    properties: PROPERTIES,
    environment,
  });
  return {
    node,
    end: async () => {
      await node.close();
      real.close();
    },
  };
}

/** Cuts the power that often during a produce run; returns what each recovered node lacks. */
async function cutPower(cuts: number, change: (disk: Disk) => Disk): Promise<string[][]> {
  const folder = powerCutFolder();
  const image = `${folder}/disk.img`;
  const root = `${folder}/mounted`;
  try {
    createImage(image, IMAGE_BYTES);
    mount(image, root);
    const { node, end } = await start(`${root}/data`, change);
    const run = new ProduceRun();
    await run.createTopic(node.address);
    await run.start(node.address);
    const outcomes: string[][] = [];
    for (let cut = 0; cut < cuts; cut++) {
      const until = run.count + 20 + Math.floor(Math.random() * 150);
      while (run.count < until) await new Promise((resolve) => setTimeout(resolve));
      const acknowledged = run.snapshot();
      const copy = `${folder}/copy-${cut}`;
      copyWhileMounted(image, `${copy}.img`);
      mount(`${copy}.img`, copy);
      const recovered = await start(`${copy}/data`, (disk) => disk);
      outcomes.push(await run.check(recovered.node.address, acknowledged));
      await recovered.end();
      unmount(copy);
      Deno.removeSync(`${copy}.img`);
    }
    await run.stop();
    await end();
    return outcomes;
  } finally {
    cleanUp(folder);
  }
}

Deno.test(
  {
    name: `power cut: ${CUTS} in a produce run lose nothing that was acknowledged${skipped}`,
    ignore: unsupported !== undefined,
  },
  async () => {
    const outcomes = await cutPower(CUTS, (disk) => disk);
    assertEquals(outcomes, Array.from({ length: CUTS }, () => []));
  },
);

Deno.test(
  {
    name: `power cut: without fdatasync the same run is seen to lose records${skipped}`,
    ignore: unsupported !== undefined,
  },
  async () => {
    const unsynced = (disk: Disk) =>
      wrapDisk(disk, {
        sync: (path, proceed, skip) => path.startsWith(`${TOPIC}-`) ? skip() : proceed(),
      });
    const outcomes = await cutPower(3, unsynced);
    assert(outcomes.every((problems) => problems.some((text) => text.includes("nothing at"))));
  },
);

Deno.test(`kill -9: ${KILLS} in a produce run lose nothing that was acknowledged`, async () => {
  const data = await Deno.makeTempDir({ prefix: "strom-kill-" });
  const properties = Object.entries(PROPERTIES).map((entry) => entry.join("="));
  const run = new ProduceRun();
  let node: TestProcess | undefined;
  try {
    for (let kill = 0; kill <= KILLS; kill++) {
      node = new TestProcess("node_process.ts", [data, ...properties]);
      const { address } = await node.line<{ address: string }>();
      if (kill === 0) await run.createTopic(address);
      assertEquals(await run.check(address), [], `after ${kill} kills`);
      if (kill === KILLS) break;
      await run.start(address);
      const until = run.count + 20 + Math.floor(Math.random() * 150);
      while (run.count < until) await new Promise((resolve) => setTimeout(resolve));
      await node.kill();
      await run.stop();
    }
    assertEquals((await node!.end()).code, 0);
  } catch (error) {
    await node?.kill().catch(() => {});
    throw error;
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});
