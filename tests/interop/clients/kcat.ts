/** kcat, as Debian has it: librdkafka on the command line. */

import { type Place, run, same, texts, type Trials, until } from "./trial.ts";

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function spawn(place: Place, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command("kcat", {
    args: ["-b", place.bootstrap, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs it to its end. @throws what it says if it fails */
async function kcat(place: Place, args: readonly string[], input = ""): Promise<Finished> {
  const child = spawn(place, args);
  const stdout = new Response(child.stdout).text();
  const stderr = new Response(child.stderr).text();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code } = await child.status;
  const finished = { code, stdout: await stdout, stderr: await stderr };
  if (code !== 0) throw new Error(`kcat ${args.join(" ")}: ${finished.stderr}`);
  return finished;
}

async function produce(
  place: Place,
  topic: string,
  lines: readonly string[],
  ...args: string[]
): Promise<void> {
  await kcat(place, ["-P", "-t", topic, ...args], lines.map((line) => `${line}\n`).join(""));
}

/** The lines that a format makes of a topic's records. */
async function consume(place: Place, topic: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await kcat(place, ["-C", "-t", topic, "-e", "-q", ...args]);
  return stdout.split("\n").slice(0, -1);
}

function compressed(codec: string) {
  return async (place: Place) => {
    const topic = place.fresh("compressed");
    await produce(place, topic, texts(100), "-z", codec);
    same(await consume(place, topic), texts(100));
  };
}

const NO_ADMIN = { cannot: "kcat only produces, consumes and lists" };

const trials: Trials = {
  "metadata": async (place) => {
    const { stdout } = await kcat(place, ["-L", "-J"]);
    const { brokers, controllerid } = JSON.parse(stdout);
    const names = brokers.map(({ name }: { name: string }) => name);
    same(names.sort(), [...place.brokers].sort(), "The list of brokers");
    same(brokers.some(({ id }: { id: number }) => id === controllerid), true, "The controller");
  },
  "produce, consume": compressed("none"),
  "gzip": compressed("gzip"),
  "snappy": compressed("snappy"),
  "lz4": compressed("lz4"),
  "zstd": compressed("zstd"),
  "headers, nulls, timestamps": async (place) => {
    const topic = place.fresh("fields");
    const begun = Date.now();
    await produce(place, topic, ["k:v"], "-K:", "-H", "a=b", "-H", "c=d");
    await produce(place, topic, [":keyless", "tombstone:"], "-K:", "-Z");
    const format = "%k %K %S %s %h %T\\n";
    const found = (await consume(place, topic, "-f", format)).map((line) => line.split(" "));
    same(found.map((parts) => parts.slice(1, 3)), [["1", "1"], ["-1", "7"], ["9", "-1"]], "sizes");
    same(found[0]?.slice(0, 5), ["k", "1", "1", "v", "a=b,c=d"], "The first");
    const times = found.map((parts) => Number(parts.at(-1)));
    same(times.every((time) => time >= begun - 1 && time <= Date.now()), true, "timestamps");
  },
  "10 MB batch": async (place) => {
    const topic = place.fresh("large");
    const value = "x".repeat(1_000_000);
    const limits = ["-X", "message.max.bytes=12000000", "-X", "batch.size=12000000"];
    await produce(place, topic, texts(10).map(() => value), ...limits, "-X", "linger.ms=500");
    const found = await consume(place, topic, "-X", "fetch.message.max.bytes=12000000");
    same(found.length, 10);
    same(found.every((line) => line === value), true, "Each value");
  },
  "idempotent producer": async (place) => {
    const topic = place.fresh("idempotent");
    await produce(place, topic, texts(50), "-X", "enable.idempotence=true");
    same(await consume(place, topic), texts(50));
  },
  "topics": NO_ADMIN,
  "configs": NO_ADMIN,
  "offsets by time": async (place) => {
    const topic = place.fresh("times");
    await produce(place, topic, texts(1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await produce(place, topic, texts(3));
    const time = (await consume(place, topic, "-f", "%T\\n"))[1];
    const { stdout } = await kcat(place, ["-Q", "-t", `${topic}:0:${time}`]);
    same(stdout.trim(), `${topic} [0] offset 1`);
  },
  "commit, resume": async (place) => {
    const topic = place.fresh("resume");
    const group = ["-G", place.fresh("group"), topic, "-q", "-X", "auto.offset.reset=earliest"];
    await produce(place, topic, texts(10));
    const first = await kcat(place, [...group, "-c", "10"]);
    same(first.stdout.split("\n").slice(0, -1), texts(10));
    await produce(place, topic, texts(5, "w"));
    const second = await kcat(place, [...group, "-c", "5"]);
    same(second.stdout.split("\n").slice(0, -1), texts(5, "w"));
  },
  "rebalance": async (place) => {
    const topic = place.fresh("shared");
    const group = place.fresh("group");
    await place.create(topic, 6);
    const members = [1, 2, 3].map(() => new Member(place, topic, group));
    await until("two partitions each", () => members.every(({ owned }) => owned === 2));
    // Nobody says good-bye: its session has to end.
    members[0]!.kill();
    const rest = members.slice(1);
    await until("three each", () => rest.every(({ owned }) => owned === 3));
    await produce(place, topic, texts(60).map((value) => `${value}:${value}`), "-K:");
    const found = () => members.flatMap((member) => member.found).sort();
    await until("all messages", () => found().length >= 60);
    same(found(), texts(60).sort());
    await Promise.all(rest.map((member) => member.stop()));
  },
  "transactions": { cannot: "kcat has no transactions" },
  "failover": async (place) => {
    const topic = place.fresh("replicated");
    await produce(place, topic, ["first"]);
    const { stdout } = await kcat(place, ["-L", "-J", "-t", topic]);
    const [{ partitions }] = JSON.parse(stdout).topics;
    const { leader } = partitions[0];
    const sender = spawn(place, ["-P", "-t", topic, "-p", "0", "-X", "enable.idempotence=true"]);
    const writer = sender.stdin.getWriter();
    const send = (lines: readonly string[]) =>
      writer.write(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
    await send(texts(500, "a"));
    await place.kill(leader);
    await send(texts(500, "b"));
    await writer.close();
    const [{ code }, errors] = await Promise.all([
      sender.status,
      new Response(sender.stderr).text(),
      sender.stdout.cancel(),
    ]);
    if (code !== 0) throw new Error(errors);
    await place.restart(leader);
    const found = await consume(place, topic, "-p", "0", "-o", "beginning");
    same(found.filter((line) => line !== "first"), [...texts(500, "a"), ...texts(500, "b")]);
  },
};

/** `kcat -G`, as long as it is wanted. */
class Member {
  readonly found: string[] = [];
  owned = 0;
  readonly #child: Deno.ChildProcess;

  constructor(place: Place, topic: string, group: string) {
    this.#child = spawn(place, [
      ...["-G", group, topic, "-u", "-X", "auto.offset.reset=earliest"],
      ...["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=100"],
      ...["-X", "auto.commit.interval.ms=100"],
    ]);
    void lines(this.#child.stdout, (line) => this.found.push(line));
    void lines(this.#child.stderr, (line) => {
      const [, assigned] = /rebalanced .*assigned: (.*)$/.exec(line) ?? [];
      if (assigned !== undefined) this.owned = assigned.split("],").length;
      else if (/rebalanced .*revoked: /.test(line)) this.owned = 0;
    });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}

async function lines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    parts.forEach(take);
  }
}

if (import.meta.main) await run(trials);
