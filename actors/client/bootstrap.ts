/**
 * Reads the addresses that a client is first told: `host:port`, several by commas or as a list, and
 * with `kafka://` before them where Kafka's protocol is to be spoken.
 *
 * @module
 */

import { formatAddress, type SocketAddress } from "../../net/network.ts";
import { InvalidConfigError } from "./errors.ts";

/** The native port of a node that was not told another. */
export const DEFAULT_PORT = 9192;

/** Kafka's. */
export const KAFKA_PORT = 9092;

const KAFKA_SCHEME = "kafka://";

/** An address, and how its brokers are spoken to: natively where nothing is said. */
export interface BrokerAddress extends SocketAddress {
  readonly encoding?: "kafka";
}

/**
 * Where to find a first broker: `"127.0.0.1:9192"`, `"a:9192,b:9192"`, or a list of such; or by
 * Kafka's protocol, any broker that speaks it: `"kafka://127.0.0.1:9092"`,
 * `"kafka://a:9092,b:9092"`.
 */
export type Bootstrap = string | readonly string[];

/**
 * The addresses in the order given, each once; a port that is left out is 9192, or Kafka's 9092.
 * One `kafka://` is for all of them.
 * @throws {InvalidConfigError} when there is none, or one cannot be read.
 */
export function parseBootstrap(bootstrap: Bootstrap): BrokerAddress[] {
  const texts = (typeof bootstrap === "string" ? [bootstrap] : bootstrap)
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (texts.length === 0) throw new InvalidConfigError("Cannot connect: no address was given");
  const isKafka = texts.some((text) => text.startsWith(KAFKA_SCHEME));
  const addresses = texts.map((text) => parseAddress(text, isKafka));
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

function parseAddress(text: string, isKafka: boolean): BrokerAddress {
  const place = text.startsWith(KAFKA_SCHEME) ? text.slice(KAFKA_SCHEME.length) : text;
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(place);
  const host = match?.[1] ?? match?.[2];
  const defaultPort = isKafka ? KAFKA_PORT : DEFAULT_PORT;
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port > 65535 || port === 0) {
    throw new InvalidConfigError(`Cannot connect to ${JSON.stringify(text)}: it is no host:port`);
  }
  return isKafka ? { host, port, encoding: "kafka" } : { host, port };
}
