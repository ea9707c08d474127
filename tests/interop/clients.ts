/**
 * The clients that are tried, how each is run, and whether it is here at all.
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
  /** Exits with 0 where the client is installed. */
  readonly probe: { readonly command: string; readonly args: readonly string[] };
  /** How to have it. */
  readonly source: string;
}

const at = (name: string) => fromFileUrl(new URL(name, import.meta.url));
const CONFIG = ["--config", at("clients/deno.json")];

/** Debian's own Python is the one that Debian's packages are for. */
const PYTHON = "/usr/bin/python3";

export const CLIENTS: readonly Client[] = [
  {
    ...script("strom", "strom_client.ts", []),
    source: "this repository",
  },
  {
    ...script("kcat", "clients/kcat.ts"),
    probe: { command: "kcat", args: ["-V"] },
    source: "apt-get install kcat",
  },
  { ...script("kafkajs", "clients/kafkajs.ts"), source: "npm" },
  { ...script("platformatic", "clients/platformatic.ts"), source: "npm" },
  python("confluent-kafka", "clients/librdkafka.py", "confluent_kafka"),
  python("kafka-python", "clients/kafka_python.py", "kafka"),
];

/** A script for Deno; whatever it imports is there or can be had, or it cannot be loaded. */
function script(
  name: string,
  path: string,
  config: readonly string[] = CONFIG,
): Omit<Client, "source"> {
  const command = Deno.execPath();
  return {
    name,
    command,
    args: ["run", "-qA", "--no-check", ...config, at(path)],
    probe: { command, args: ["cache", "-q", ...config, at(path)] },
  };
}

function python(name: string, path: string, module: string): Client {
  return {
    name,
    command: PYTHON,
    args: [at(path)],
    probe: { command: PYTHON, args: ["-c", `import ${module}`] },
    source: `apt-get install python3-${name === "kafka-python" ? "kafka" : name}`,
  };
}

/** Whether a client is installed; undefined means that it is, a text is why not. */
export async function whyAbsent({ probe }: Client): Promise<string | undefined> {
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
