/** Chaos runs: that they judge, what their proxies cut, and that nothing is left behind. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { PeerRole } from "../../net/handshake.ts";
import { NATIVE_HANDSHAKE } from "../../net/handshake.ts";
import { parseChaosFaults, runChaos, runTransactionChaos } from "../../scripts/chaos/chaos.ts";
import { runGroupChaos } from "../../scripts/chaos/groups/group_chaos.ts";
import { CHAOS_FAULTS } from "../../scripts/chaos/chaos_faults.ts";
import { CutProxy } from "../../scripts/chaos/cut_proxy.ts";
import { HANDSHAKE, requestFrame } from "../actors/broker/test_client.ts";
import { spawnStrom } from "./strom_process.ts";

/** Windows has no signals that stop a process and let it go on. */
const HAS_SIGNALS = Deno.build.os !== "windows";

Deno.test("chaos: faults are named by a list, all of them by one word", () => {
  assertEquals(parseChaosFaults("all"), CHAOS_FAULTS);
  assertEquals(parseChaosFaults("pause,kill"), ["kill", "pause"]);
  for (const text of ["", "kill,", "kill,flood", "All", "kill,kill"]) {
    assertEquals(parseChaosFaults(text), undefined, text);
  }
});

/** A node as a proxy sees it: it sends back what comes. */
function echo(): Disposable & { readonly port: number; accepted: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = {
    port: listener.addr.port,
    accepted: 0,
    [Symbol.dispose]: () => listener.close(),
  };
  const serve = async () => {
    for await (const connection of listener) {
      server.accepted++;
      connection.readable.pipeTo(connection.writable).catch(() => {});
    }
  };
  serve();
  return server;
}

/** Connects, and says who it is: a node's id, or -1 for a client. */
async function greet({ port }: CutProxy, nodeId: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const role = nodeId < 0 ? PeerRole.CLIENT : PeerRole.NODE;
  await connection.write(requestFrame(NATIVE_HANDSHAKE, { ...HANDSHAKE, role, nodeId }));
  return connection;
}

/** Whether something comes back; false where the connection ends. */
async function answers(connection: Deno.Conn): Promise<boolean> {
  const count = await connection.read(new Uint8Array(4096)).catch(() => null);
  return count !== null;
}

Deno.test("cut proxy: cuts off one node, and neither the others nor the clients", async () => {
  using first = echo();
  using second = echo();
  const [proxy, other] = [new CutProxy(first.port), new CutProxy(second.port)];
  const [cut, kept, client] = [
    await greet(proxy, 2),
    await greet(proxy, 3),
    await greet(proxy, -1),
  ];
  for (const one of [cut, kept, client]) assert(await answers(one));
  proxy.cut(2);
  assertEquals(await answers(cut), false);
  for (const one of [kept, client]) {
    await one.write(new Uint8Array([1]));
    assert(await answers(one));
  }
  const elsewhere = await greet(other, 2);
  assert(await answers(elsewhere));
  const hanging = await greet(proxy, 2);
  while (proxy.hangingCount === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(first.accepted, 3);
  proxy.heal();
  assertEquals(await answers(hanging), false);
  const again = await greet(proxy, 2);
  assert(await answers(again));
  for (const one of [cut, kept, client, elsewhere, hanging, again]) one.close();
  for (const one of [proxy, other]) one.close();
});

Deno.test("cut proxy: where no node listens the connection ends", async () => {
  const gone = echo();
  const { port } = gone;
  gone[Symbol.dispose]();
  const proxy = new CutProxy(port);
  const connection = await greet(proxy, -1);
  assertEquals(await answers(connection), false);
  connection.close();
  proxy.close();
});

Deno.test({
  name: "chaos: a cluster that is killed, stopped and cut loses, repeats and moves nothing",
  // Processes are stopped by signals.
  ignore: !HAS_SIGNALS,
  fn: async () => {
    const { counts, faults, verdict, folder } = await runChaos({
      nodes: 3,
      seconds: 10,
      seed: 4,
      faults: ["kill", "pause", "cut"],
      links: "proxy",
      recordsPerSecond: 200,
      note: () => {},
      stopping: new AbortController().signal,
    });
    assertEquals(verdict.violations, []);
    assertEquals(folder, undefined);
    assertGreater(Object.values(faults).reduce((sum, count) => sum + count, 0), 0);
    assertGreater(counts.sends.ok, 1000);
    assert(counts.recordsRead >= counts.sends.ok);
  },
});

Deno.test({
  name: "chaos: transactions are whole when their clients are hurt",
  ignore: !HAS_SIGNALS,
  fn: async () => {
    const { transfers, copied, violations } = await runTransactionChaos({
      nodes: 1,
      seconds: 5,
      seed: 3,
      faults: ["pause"],
      links: "proxy",
      recordsPerSecond: 100,
      note: () => {},
      stopping: new AbortController().signal,
    });
    assertEquals(violations, []);
    assertGreater(transfers["committed"] ?? 0, 0);
    assertGreater(copied, 0);
  },
});

Deno.test({
  name: "chaos: members of a group share and change hands as they may",
  ignore: !HAS_SIGNALS,
  fn: async () => {
    const { records, processed, violations } = await runGroupChaos({
      nodes: 1,
      seconds: 5,
      seed: 3,
      protocol: "consumer",
      recordsPerSecond: 200,
      note: () => {},
      stopping: new AbortController().signal,
    });
    assertEquals(violations, []);
    assertGreater(records, 0);
    assert(processed >= records);
  },
});

Deno.test({
  name: "chaos: a run that is interrupted ends soon, and leaves no folder",
  // It is interrupted by a signal.
  ignore: !HAS_SIGNALS,
  fn: async () => {
    const folders = () =>
      [...Deno.readDirSync(tmp)].filter(({ name }) => name.startsWith("strom-chaos-")).length;
    const tmp = await Deno.makeTempDir();
    const args = ["chaos", "--seconds", "60", "--seed", "1", "--faults", "kill,pause,cut"];
    const process = spawnStrom(args, "null", { TMPDIR: tmp });
    const reader = process.stderr.getReader();
    const decoder = new TextDecoder();
    let told = "";
    // The first fault comes when everything runs.
    while (!/of node/.test(told)) told += decoder.decode((await reader.read()).value);
    assertEquals(folders(), 1);
    process.kill("SIGINT");
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      told += decoder.decode(value);
    }
    assertEquals((await process.status).code, 1);
    await process.stdout.cancel();
    assert(told.includes("Stopped before the end"), told);
    assertEquals(folders(), 0);
    await Deno.remove(tmp);
  },
});
