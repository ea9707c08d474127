/**
 * The clients that are tried, how each is run, and whether it is here at all; those that are built
 * first are in built_clients.ts.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** A client: a script of trials. */
export interface Client {
  readonly name: string;
  readonly command: string;
  /** What comes before the bootstrap addresses. */
  readonly args: readonly string[];
  /** How members of groups are run, by each protocol that it speaks. */
  readonly members: readonly MemberProcess[];
}

/** A client that is here when it is installed. */
export interface InstalledClient extends Client {
  /** Exits with 0 where the client is installed. */
  readonly probe: { readonly command: string; readonly args: readonly string[] };
  /** How to have it. */
  readonly source: string;
}

/**
 * Reads a topic as part of a group, from its start where the group has committed nothing, and
 * prints `=[partition,offset]` of each record; leaves at SIGTERM. It asks for a session of 6 s.
 */
export interface MemberProcess {
  readonly command: string;
  /** Whether it commits, after a rebalance, what it had read of partitions that others have now. */
  readonly commitsLate?: boolean;
  args(bootstrap: string, topic: string, group: string): string[];
}

const at = (name: string) => fromFileUrl(new URL(name, import.meta.url));
const CONFIG = ["--config", at("clients/deno.json")];

/** What a script is told that is to be a member of a group. */
const MEMBER = "--member";

/** Both protocols of groups; a script is told by which to be a member where it speaks both. */
export const PROTOCOLS: readonly string[] = ["classic", "consumer"];

/** Debian's own Python is the one that Debian's packages are for. */
const PYTHON = "/usr/bin/python3";

export const CLIENTS: readonly InstalledClient[] = [
  strom(),
  {
    ...script("kcat", "clients/kcat.ts"),
    probe: { command: "kcat", args: ["-V"] },
    source: "apt-get install kcat",
    members: [{
      command: "kcat",
      args: (bootstrap, topic, group) => [
        ...["-b", bootstrap, "-G", group, topic, "-q", "-u", "-f", "=[%p,%o]\\n"],
        ...["-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000"],
        ...["-X", "heartbeat.interval.ms=200", "-X", "auto.commit.interval.ms=100"],
      ],
    }],
  },
  { ...script("kafkajs", "clients/kafkajs.ts"), source: "npm" },
  platformatic(),
  python("confluent-kafka", "clients/librdkafka.py", "confluent_kafka"),
  python("kafka-python", "clients/kafka_python.py", "kafka"),
];

/** What our own client can do besides: strom_admin.ts. */
export const OWN_SCRIPT: Pick<Client, "command" | "args"> = script("strom", "strom_admin.ts", []);

/** Clients that cannot be had where trials of them could be written. */
export const UNTRIED: readonly Pick<InstalledClient, "name" | "source" | "probe">[] = [{
  name: "@confluentinc/kafka-javascript",
  source: "npm, and a binary that its install step downloads",
  probe: {
    command: "bash",
    args: [
      "-c",
      `folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder" &&
       npm install --silent --no-audit --ignore-scripts --prefix . "$0" >&2 &&
       cd "node_modules/$0" && ../../.bin/node-pre-gyp install >&2 && node -e 'require(".")'`,
      "@confluentinc/kafka-javascript",
    ],
  },
}];

/** A script for Deno; whatever it imports is there or can be had, or it cannot be loaded. */
function script(
  name: string,
  path: string,
  config: readonly string[] = CONFIG,
): Omit<InstalledClient, "source"> {
  const command = Deno.execPath();
  const args = ["run", "-qA", "--no-check", ...config, at(path)];
  return {
    name,
    command,
    args,
    members: [{ command, args: (...place) => [...args, MEMBER, ...place] }],
    probe: { command, args: ["cache", "-q", ...config, at(path)] },
  };
}

/** The members of a script, one by each of the protocols. */
export function membersBy(
  protocols: readonly string[],
  command: string,
  args: readonly string[],
): MemberProcess[] {
  return protocols.map((protocol) => ({
    command,
    args: (...place) => [...args, MEMBER, ...place, protocol],
  }));
}

/** 2.12.1 keeps offsets that wait to be committed over a rebalance, and sends them all after it. */
function platformatic(): InstalledClient {
  const client = script("platformatic", "clients/platformatic.ts");
  const members = client.members.map((member) => ({ ...member, commitsLate: true }));
  return { ...client, members, source: "npm" };
}

/** Its members speak either protocol of groups. */
function strom(): InstalledClient {
  const client = script("strom", "strom_client.ts", []);
  const { command, args } = client;
  return { ...client, members: membersBy(PROTOCOLS, command, args), source: "this repository" };
}

function python(name: string, path: string, module: string): InstalledClient {
  return {
    name,
    command: PYTHON,
    args: [at(path)],
    members: [{ command: PYTHON, args: (...place) => [at(path), MEMBER, ...place] }],
    probe: { command: PYTHON, args: ["-c", `import ${module}`] },
    source: `apt-get install python3-${name === "kafka-python" ? "kafka" : name}`,
  };
}

/** Whether a client is installed; undefined means that it is, a text is why not. */
export async function whyAbsent(
  { probe }: Pick<InstalledClient, "probe">,
): Promise<string | undefined> {
  try {
    const { command, args } = probe;
    const { code, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (code === 0) return undefined;
    return new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? `exit code ${code}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
