/**
 * The texts of configs that say what a node is and where nodes are: `process.roles`,
 * `controller.quorum.voters` and `controller.quorum.bootstrap.servers`.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { SocketAddress } from "../../net/network.ts";
import { ConfigError } from "./definition.ts";

/** One of the first voters of the metadata quorum. */
export interface NamedVoter {
  readonly id: NodeId;
  readonly address: SocketAddress;
}

/** What a node is. */
export interface NodeRoles {
  readonly broker: boolean;
  readonly controller: boolean;
}

/**
 * `id@host:port,…`, by rising id.
 * @throws {ConfigError} naming what cannot be read
 */
export function parseVoters(text: string): NamedVoter[] {
  const voters = partsOf(text).map((part) => {
    const at = part.indexOf("@");
    const id = part.slice(0, at);
    if (at < 1 || !/^\d+$/.test(id) || Number(id) > 0x7fffffff) {
      throw new ConfigError([`controller.quorum.voters: ${part} is no id@host:port`]);
    }
    return { id: Number(id), address: addressOf(part.slice(at + 1), "controller.quorum.voters") };
  });
  const ids = new Set(voters.map(({ id }) => id));
  if (ids.size < voters.length) {
    throw new ConfigError([`controller.quorum.voters=${text} names a node twice`]);
  }
  return voters.sort((a, b) => a.id - b.id);
}

/**
 * `host:port,…`
 * @throws {ConfigError} naming what cannot be read
 */
export function parseBootstrapServers(text: string): SocketAddress[] {
  return partsOf(text).map((part) => addressOf(part, "controller.quorum.bootstrap.servers"));
}

/**
 * `broker`, `controller`, or both by a comma.
 * @throws {ConfigError} naming what is no role
 */
export function parseRoles(text: string): NodeRoles {
  const roles = new Set(partsOf(text));
  const wrong = [...roles].find((role) => role !== "broker" && role !== "controller");
  if (wrong !== undefined || roles.size === 0) {
    throw new ConfigError([`process.roles=${text} is not broker, controller, or both`]);
  }
  return { broker: roles.has("broker"), controller: roles.has("controller") };
}

function partsOf(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function addressOf(text: string, name: string): SocketAddress {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port > 0 && port <= 65535)) {
    throw new ConfigError([`${name}: ${text} is no host:port`]);
  }
  return { host, port };
}
