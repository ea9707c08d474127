/** The ceiling itself. */

import type { Part } from "../bench.ts";

export const sockets: Part = {
  name: "sockets",
  summary: "empty sockets, writes of 1 MiB: the ceiling",
  async run(bench) {
    const { hop, relay } = await bench.ceiling();
    bench.report({ name: "from process to process", value: hop / 1e6, unit: "MB/s" });
    bench.report({ name: "through a third", value: relay / 1e6, unit: "MB/s" });
  },
};
