/** Runs the network suite on the network in memory, calm and uneven, and on the real one. */

import { DenoNetwork } from "../../net/deno_network.ts";
import { FAULTLESS, type LinkFaults, MemoryNetwork } from "../../net/memory_network.ts";
import { networkSuite, type NetworkUnderTest } from "./network_suite.ts";
import { AUTHORITY, CERTIFICATE, KEY } from "./tls_certificate.ts";

function memory(faults: LinkFaults): NetworkUnderTest {
  const network = new MemoryNetwork({ faults });
  const rest = () => {
    network.run();
    return Promise.resolve();
  };
  return {
    server: network.host("server"),
    client: network.host("client"),
    host: "server",
    rest,
    until: (condition, what) => {
      network.run();
      if (!condition()) throw new Error(`Nothing is left to do, but no ${what}`);
      return Promise.resolve();
    },
  };
}

/** Delays that would reorder, and reads of all sizes, from a small fixed sequence of chance. */
function unevenLinks(): LinkFaults {
  let state = 12_345;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % limit;
  };
  return {
    ...FAULTLESS,
    delay: () => below(50),
    bandwidth: () => 100_000,
    chunk: (_from, _to, available) => below(3) === 0 ? 1 : 1 + below(available),
  };
}

const TURNS_MAX = 20_000;

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function real(tls: boolean): NetworkUnderTest {
  const network = new DenoNetwork({ lingerMs: 500 });
  const sides = { server: network, client: network, host: "127.0.0.1" };
  const secrets = {
    serverTls: { cert: CERTIFICATE, key: KEY },
    clientTls: { caCerts: [AUTHORITY] },
  };
  return {
    ...sides,
    ...(tls ? secrets : {}),
    rest: async () => {
      for (let i = 0; i < 10; i++) await turn();
    },
    until: async (condition, what) => {
      for (let i = 0; !condition(); i++) {
        if (i === TURNS_MAX) throw new Error(`Waited for ${what} in vain`);
        await turn();
      }
    },
  };
}

networkSuite("memory network", () => memory(FAULTLESS));
networkSuite("memory network with uneven links", () => memory(unevenLinks()));
networkSuite("deno network", () => real(false));
networkSuite("deno network with TLS", () => real(true));
