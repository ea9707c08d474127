/**
 * Apache Kafka itself, from Maven's repository: its libraries, and a broker of it to be a client
 * of.
 *
 * Invariant: whatever it keeps is in folders that are gone when it has ended.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { uuidFrom } from "../../actors/runtime/random_stream.ts";
import { Admin } from "../../mod.ts";
import { freePorts } from "../../scripts/chaos/free_ports.ts";
import { whyNot } from "./why_not.ts";

const POM = fromFileUrl(new URL("apache/pom.xml", import.meta.url));
const START_MS = 60_000;
const STOP_MS = 15_000;

/** It shares the machine with everybody else, and lives for a minute. */
const JVM = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

/** What a JVM is told in order to run a class of Kafka, or of its clients. */
export class ApacheLibraries {
  readonly version: string;
  readonly #classpath: string;

  constructor(classpath: string) {
    this.#classpath = classpath;
    this.version = /kafka-clients-([\d.]+)\.jar/.exec(classpath)?.[1] ?? "";
  }

  /** A text is why they cannot be had. */
  static async find(): Promise<ApacheLibraries | string> {
    const file = await Deno.makeTempFile({ prefix: "strom-interop-" });
    try {
      const args = ["-q", "-B", "-f", POM, "dependency:build-classpath"];
      const why = await whyNot("mvn", [...args, `-Dmdep.outputFile=${file}`]);
      if (why !== undefined) return why;
      return new ApacheLibraries((await Deno.readTextFile(file)).trim());
    } finally {
      await Deno.remove(file);
    }
  }

  /** The arguments of `java` before the class's own. */
  args(mainClass: string, ...more: string[]): string[] {
    return [...JVM, "-cp", [...more, this.#classpath].join(":"), mainClass];
  }

  /** Compiles a source into a folder; a text is why it cannot be. */
  compile(source: string, folder: string): Promise<string | undefined> {
    return whyNot("javac", ["-cp", this.#classpath, "-d", folder, source]);
  }
}

/** One node that is broker and controller. */
export class ApacheKafka {
  readonly nodes = 1;
  readonly kafka: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;

  constructor(kafka: string, folder: string, child: Deno.ChildProcess) {
    this.kafka = kafka;
    this.#folder = folder;
    this.#child = child;
  }

  /** Resolves when it serves. */
  static async start(libraries: ApacheLibraries): Promise<ApacheKafka> {
    const folder = await Deno.makeTempDir({ prefix: "strom-interop-kafka-" });
    const [broker, controller] = freePorts(2) as [number, number];
    const properties = `${folder}/server.properties`;
    await Deno.writeTextFile(properties, propertiesOf(folder, broker, controller));
    const clusterId = uuidFrom((length) => crypto.getRandomValues(new Uint8Array(length)));
    const format = ["format", "--standalone", "-t", clusterId, "-c", properties];
    const why = await whyNot("java", [...libraries.args("kafka.tools.StorageTool"), ...format]);
    if (why !== undefined) throw new Error(why);
    const child = new Deno.Command("java", {
      args: [...libraries.args("kafka.Kafka"), properties],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const kafka = new ApacheKafka(`127.0.0.1:${broker}`, folder, child);
    try {
      await kafka.#serves();
      return kafka;
    } catch (error) {
      await kafka.close();
      throw error;
    }
  }

  /** What the trials ask of it: nothing so far. */
  order(): Promise<void> {
    return Promise.reject(new Error("Apache Kafka takes no orders here"));
  }

  async close(): Promise<void> {
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), STOP_MS);
    await this.#child.status;
    clearTimeout(timer);
    await Deno.remove(this.#folder, { recursive: true });
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  async #serves(): Promise<void> {
    const deadline = performance.now() + START_MS;
    let reason: unknown = "";
    let hasEnded = false;
    void this.#child.status.then(() => hasEnded = true);
    while (performance.now() < deadline && !hasEnded) {
      try {
        await using admin = await Admin.connect(`kafka://${this.kafka}`);
        if ((await admin.describeCluster()).brokers.length === 1) return;
      } catch (error) {
        reason = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`Apache Kafka did not start: ${reason}`);
  }
}

function propertiesOf(folder: string, broker: number, controller: number): string {
  const topics = ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"];
  return Object.entries({
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": `PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${broker}`,
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.bootstrap.servers": `127.0.0.1:${controller}`,
    "log.dirs": `${folder}/data`,
    "message.max.bytes": "12000000",
    "group.initial.rebalance.delay.ms": "300",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.min.isr": "1",
    ...Object.fromEntries(topics.flatMap((topic) => [
      [`${topic}.replication.factor`, "1"],
      [`${topic}.num.partitions`, "10"],
    ])),
  }).map(([name, value]) => `${name}=${value}\n`).join("");
}
