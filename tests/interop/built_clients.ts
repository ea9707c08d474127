/**
 * The clients that are built before they can be run.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import type { ApacheLibraries } from "./apache_kafka.ts";
import { type Client, membersBy, PROTOCOLS } from "./clients.ts";
import { whyNot } from "./why_not.ts";

/** A client and how to have it. */
export interface BuiltClient {
  readonly name: string;
  /** What builds it. */
  readonly source: string;
  /** Builds it into a folder; a text is why it cannot be had. */
  build(folder: string, libraries: ApacheLibraries | string): Promise<Client | string>;
}

const at = (name: string) => fromFileUrl(new URL(name, import.meta.url));
const GO_MODULE = at("clients/go");

/** Apache Kafka's own client. */
export const JAVA: BuiltClient = {
  name: "java",
  source: "mvn, javac",
  async build(folder, libraries) {
    if (typeof libraries === "string") return libraries;
    const why = await libraries.compile(at("clients/JavaClient.java"), folder);
    return why ?? built("java", "java", libraries.args("JavaClient", folder), PROTOCOLS);
  },
};

export const BUILT_CLIENTS: readonly BuiltClient[] = [
  JAVA,
  go("franz-go", "franz", PROTOCOLS),
  // It has the classic protocol only.
  go("sarama", "sarama", ["classic"]),
];

/** A command of the module in clients/go. */
function go(name: string, command: string, protocols: readonly string[]): BuiltClient {
  return {
    name,
    source: "go, and the modules of clients/go",
    async build(folder) {
      // Whatever else is in this repository is no part of it, so that its version does not matter.
      const args = ["build", "-C", GO_MODULE, "-buildvcs=false", "-o", folder, `./${command}`];
      return await whyNot("go", args) ?? built(name, `${folder}/${command}`, [], protocols);
    },
  };
}

function built(
  name: string,
  command: string,
  args: readonly string[],
  protocols: readonly string[],
): Client {
  return { name, command, args, members: membersBy(protocols, command, args) };
}
