/**
 * The texts of configs that say where a node listens and where others reach it: `listeners` and
 * `advertised.listeners`, as `NAME://host:port,…`.
 *
 * @module
 */

import type { SocketAddress } from "../../net/network.ts";
import { ConfigError } from "./definition.ts";

/** The name of the listener that speaks the native encoding. */
export const NATIVE_LISTENER = "NATIVE";

/** Of the one that speaks Kafka's protocol: Kafka's name for a listener without TLS and SASL. */
export const KAFKA_LISTENER = "PLAINTEXT";

/** An address for each listener that has one. */
export interface ListenerAddresses {
  readonly native: SocketAddress | undefined;
  readonly kafka: SocketAddress | undefined;
}

const EVERY_INTERFACE = "0.0.0.0";

/**
 * `listeners`: no host is every interface, port 0 is any.
 * @throws {ConfigError} naming what cannot be read, or a listener that is not known
 */
export function parseListeners(text: string): ListenerAddresses {
  return parse("listeners", text, 0);
}

/**
 * `advertised.listeners`
 * @throws {ConfigError} naming what cannot be read or reached, or a listener that is not known
 */
export function parseAdvertised(text: string): ListenerAddresses {
  const addresses = parse("advertised.listeners", text, 1);
  for (const address of [addresses.native, addresses.kafka]) {
    if (address?.host !== EVERY_INTERFACE) continue;
    throw new ConfigError([
      `advertised.listeners: nobody reaches ${EVERY_INTERFACE}, name the node's own host`,
    ]);
  }
  return addresses;
}

function parse(config: string, text: string, portMin: number): ListenerAddresses {
  const found = new Map<string, SocketAddress>();
  for (const part of text.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
    const match = /^(\w+):\/\/(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/@]*)):(\d{1,5})$/.exec(part);
    const name = match?.[1] ?? "";
    const port = Number(match?.[4]);
    if (match === null || port < portMin || port > 65_535) {
      throw new ConfigError([`${config}: ${part} is no NAME://host:port`]);
    }
    if (name !== NATIVE_LISTENER && name !== KAFKA_LISTENER) {
      throw new ConfigError([
        `${config}: ${part} is neither ${NATIVE_LISTENER} nor ${KAFKA_LISTENER}`,
      ]);
    }
    if (found.has(name)) throw new ConfigError([`${config}=${text} names ${name} twice`]);
    found.set(name, { host: match[2] ?? (match[3] || EVERY_INTERFACE), port });
  }
  return { native: found.get(NATIVE_LISTENER), kafka: found.get(KAFKA_LISTENER) };
}
