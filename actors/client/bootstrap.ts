/**
 * Reads the addresses that a client is first told: `host:port`, several by commas or as a list.
 *
 * @module
 */

import { formatAddress, type SocketAddress } from "../../net/network.ts";
import { InvalidConfigError } from "./errors.ts";

/** The native port of a node that was not told another. */
export const DEFAULT_PORT = 9192;

/** Where to find a first broker: `"127.0.0.1:9192"`, `"a:9192,b:9192"`, or a list of such. */
export type Bootstrap = string | readonly string[];

/**
 * The addresses in the order given, each once; a port that is left out is 9192.
 * @throws {InvalidConfigError} when there is none, or one cannot be read.
 */
export function parseBootstrap(bootstrap: Bootstrap): SocketAddress[] {
  const texts = (typeof bootstrap === "string" ? [bootstrap] : bootstrap)
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (texts.length === 0) throw new InvalidConfigError("Cannot connect: no address was given");
  const addresses = texts.map(parseAddress);
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

function parseAddress(text: string): SocketAddress {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port > 65535 || port === 0) {
    throw new InvalidConfigError(`Cannot connect to ${JSON.stringify(text)}: it is no host:port`);
  }
  return { host, port };
}
