/**
 * The wires between the nodes of a cluster of processes, and how they are cut: by proxies that
 * everybody goes through, or in the kernel, where each node has a network namespace of its own.
 *
 * @module
 */

import { CutProxy } from "./cut_proxy.ts";
import { freePorts } from "./free_ports.ts";

/** Where a node listens and where others reach it. */
export interface NodePlace {
  /** What to put before the command that starts the node. */
  readonly launcher: readonly string[];
  readonly listen: string;
  readonly advertised: string;
}

/** The wires of a cluster. */
export interface ChaosLinks {
  readonly kind: "proxy" | "namespaces";
  place(id: number): NodePlace;
  /** Nothing passes between the two nodes. */
  cut(first: number, second: number): Promise<void>;
  /** Everything passes. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** Proxies on loopback. */
export class ProxyLinks implements ChaosLinks {
  readonly kind = "proxy";
  readonly #proxies = new Map<number, CutProxy>();
  readonly #ports = new Map<number, number>();

  constructor(ids: readonly number[]) {
    // Nodes are reached while they start, so their ports must be known before.
    const ports = freePorts(ids.length);
    ids.forEach((id, index) => {
      const port = ports[index]!;
      this.#ports.set(id, port);
      this.#proxies.set(id, new CutProxy(port));
    });
  }

  place(id: number): NodePlace {
    const advertised = `127.0.0.1:${this.#proxy(id).port}`;
    return { launcher: [], listen: `127.0.0.1:${this.#ports.get(id)}`, advertised };
  }

  cut(first: number, second: number): Promise<void> {
    this.#proxy(first).cut(second);
    this.#proxy(second).cut(first);
    return Promise.resolve();
  }

  heal(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.heal();
    return Promise.resolve();
  }

  close(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.close();
    return Promise.resolve();
  }

  #proxy(id: number): CutProxy {
    const proxy = this.#proxies.get(id);
    if (proxy === undefined) throw new RangeError(`Cannot find node ${id}: there is none`);
    return proxy;
  }
}

const PORT = 9192;
const OWN_HOST = 254;

/** A namespace for each node, all of them on one bridge; needs root and `ip`. */
export class NamespaceLinks implements ChaosLinks {
  readonly kind = "namespaces";
  readonly #name: string;
  readonly #net: string;
  readonly #ids: readonly number[];
  #cuts: { readonly from: number; readonly to: number }[] = [];

  constructor(ids: readonly number[], number: number) {
    this.#ids = ids;
    this.#name = `strom${number}`;
    this.#net = `10.77.${number}`;
  }

  /** Whether this machine lets us; the reason where it does not. */
  static async refusal(): Promise<string | undefined> {
    if (Deno.uid() !== 0) return "network namespaces need root";
    const probe = `strom-probe-${Deno.pid}`;
    const failure = await ip("netns", "add", probe);
    if (failure !== undefined) return failure;
    await ip("netns", "del", probe);
    return undefined;
  }

  static async make(ids: readonly number[], number: number): Promise<NamespaceLinks> {
    const links = new NamespaceLinks(ids, number);
    try {
      await links.#build();
      return links;
    } catch (error) {
      await links.close();
      throw error;
    }
  }

  place(id: number): NodePlace {
    const address = `${this.#host(id)}:${PORT}`;
    return {
      launcher: ["ip", "netns", "exec", this.#namespace(id)],
      listen: address,
      advertised: address,
    };
  }

  async cut(first: number, second: number): Promise<void> {
    for (const [from, to] of [[first, second], [second, first]] as const) {
      await this.#inside(from, "route", "add", "blackhole", `${this.#host(to)}/32`);
      this.#cuts.push({ from, to });
    }
  }

  async heal(): Promise<void> {
    for (const { from, to } of this.#cuts.splice(0)) {
      await this.#inside(from, "route", "del", "blackhole", `${this.#host(to)}/32`);
    }
  }

  async close(): Promise<void> {
    for (const id of this.#ids) await ip("netns", "del", this.#namespace(id));
    await ip("link", "del", this.#name);
  }

  async #build(): Promise<void> {
    await must("link", "add", this.#name, "type", "bridge");
    await must("addr", "add", `${this.#net}.${OWN_HOST}/24`, "dev", this.#name);
    await must("link", "set", this.#name, "up");
    for (const id of this.#ids) {
      const namespace = this.#namespace(id);
      const [outer, inner] = [`${this.#name}o${id}`, `${this.#name}i${id}`];
      await must("netns", "add", namespace);
      await must("link", "add", outer, "type", "veth", "peer", "name", inner);
      await must("link", "set", inner, "netns", namespace);
      await must("link", "set", outer, "master", this.#name, "up");
      await this.#inside(id, "addr", "add", `${this.#host(id)}/24`, "dev", inner);
      await this.#inside(id, "link", "set", inner, "up");
      await this.#inside(id, "link", "set", "lo", "up");
    }
  }

  #inside(id: number, ...command: readonly string[]): Promise<void> {
    return must("-n", this.#namespace(id), ...command);
  }

  #namespace(id: number): string {
    return `${this.#name}-${id}`;
  }

  #host(id: number): string {
    return `${this.#net}.${id}`;
  }
}

/** Runs `ip`; what went wrong, if anything. */
async function ip(...args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command("ip", { args: [...args] }).output();
    return success ? undefined : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function must(...args: readonly string[]): Promise<void> {
  const failure = await ip(...args);
  if (failure !== undefined) throw new Error(`Cannot run ip ${args.join(" ")}: ${failure}`);
}
