/**
 * A group of three members, each a process of its own, of which one is killed without a word.
 *
 * While records are produced all the time: the others take its partitions over once its session is
 * over, every record is read at least once, and what the group has committed never goes back, but
 * where the client itself sets it back.
 *
 * @module
 */

import { Admin, Producer } from "../../mod.ts";
import type { MemberProcess } from "./clients.ts";
import { linesOf, type RunningCluster } from "./running_cluster.ts";

const PARTITIONS = 6;
const MEMBERS = 3;
/** As every member asks for, or as the cluster has it. */
const SESSION_MS = 6_000;
/** On top of that, on a busy machine: for the rest to hear of it, to join anew and to fetch. */
const REBALANCE_MS = 10_000;
const STEP_MS = 30_000;
const PRODUCE_EVERY_MS = 40;
const ASK_EVERY_MS = 50;
/** That must be committed of each partition after it was taken over: some seconds of them. */
const RECORDS_AFTER = 50;

/** @throws {Error} that says what did not come to pass */
export async function killMember(command: MemberProcess, cluster: RunningCluster): Promise<void> {
  const life = crypto.randomUUID().slice(0, 8);
  const [topic, group] = [`killed-${life}`, `group-${life}`];
  await using admin = await Admin.connect(cluster.native);
  await admin.createTopics([{ name: topic, partitions: PARTITIONS }]);
  await using feed = await Feed.start(cluster, topic);
  const members = Array.from(
    { length: MEMBERS },
    () => new Member(command, cluster.kafka, topic, group),
  );
  const watch = new CommitWatch(admin, group);
  try {
    const readers = () => feed.partitions.map((partition) => readerOf(members, partition));
    await until("each of three members reads", members, () => new Set(readers()).size === MEMBERS);
    const victim = members[0]!;
    const lost = feed.partitions.filter((partition) => readerOf(members, partition) === victim);
    victim.kill();
    const killedAt = performance.now();
    const rest = members.filter((member) => member !== victim);
    const ends = lost.map((partition) => feed.end(partition));
    const isTakenOver = () =>
      lost.every((partition, index) => rest.some((member) => member.end(partition) > ends[index]!));
    await until("the others take over", rest, isTakenOver);
    const tookMs = Math.round(performance.now() - killedAt);
    if (tookMs > SESSION_MS + REBALANCE_MS) throw new Error(`It took ${tookMs} ms to take over`);
    const settled = feed.partitions.map((partition) => feed.end(partition) + RECORDS_AFTER);
    await until(
      "all commit what comes after that",
      rest,
      () => feed.partitions.every((partition) => watch.end(partition) >= settled[partition]!),
    );
    await feed.stop();
    await until("every record is read", rest, () => feed.isRead(members));
    await until("all is committed", rest, () => watch.isAt(feed));
    await Promise.all(rest.map((member) => member.stop()));
    if (watch.setBack !== undefined && command.commitsLate !== true) throw new Error(watch.setBack);
  } finally {
    await watch.stop();
    for (const member of members) member.kill();
  }
}

/** Who read the last record of a partition that anybody has read. */
function readerOf(members: readonly Member[], partition: number): Member {
  return members.reduce((last, member) =>
    member.end(partition) > last.end(partition) ? member : last
  );
}

async function until(
  what: string,
  members: readonly Member[],
  ask: () => boolean,
): Promise<void> {
  const deadline = performance.now() + STEP_MS;
  while (!ask()) {
    const ended = members.find(({ hasEnded }) => hasEnded);
    if (ended !== undefined) throw new Error(`A member has ended: ${ended.said}`);
    if (performance.now() > deadline) {
      throw new Error(`Not within ${STEP_MS / 1000} s: ${what}; ${members.map(String).join(", ")}`);
    }
    await pause(ASK_EVERY_MS);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Produces to each partition in turn until it is told to stop. */
class Feed implements AsyncDisposable {
  readonly partitions = Array.from({ length: PARTITIONS }, (_, index) => index);
  readonly #producer: Producer;
  readonly #topic: string;
  readonly #ends = this.partitions.map(() => 0);
  readonly #running: Promise<void>;
  #isStopping = false;

  constructor(producer: Producer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
    this.#running = this.#run();
  }

  static async start(cluster: RunningCluster, topic: string): Promise<Feed> {
    return new Feed(await Producer.connect(cluster.native, { clientId: "feed" }), topic);
  }

  /** After the last record that a partition has. */
  end(partition: number): number {
    return this.#ends[partition]!;
  }

  /** Whether some member has read each record that is there. */
  isRead(members: readonly Member[]): boolean {
    return this.partitions.every((partition) => {
      const read = new Set(members.flatMap((member) => [...member.read(partition)]));
      return read.size === this.end(partition);
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      await Promise.all(this.partitions.map(async (partition) => {
        const value = `${partition}.${this.end(partition)}`;
        const { offset } = await this.#producer.send({ topic: this.#topic, partition, value });
        this.#ends[partition] = offset + 1;
      }));
      await pause(PRODUCE_EVERY_MS);
    }
  }
}

/** Looks again and again at what a group has committed. */
class CommitWatch {
  /** What went back, if anything did. */
  setBack: string | undefined;
  readonly #admin: Admin;
  readonly #group: string;
  readonly #committed = new Map<number, number>();
  readonly #running: Promise<void>;
  #isStopping = false;

  constructor(admin: Admin, group: string) {
    this.#admin = admin;
    this.#group = group;
    this.#running = this.#run();
  }

  /** What is committed of a partition. */
  end(partition: number): number {
    return this.#committed.get(partition) ?? 0;
  }

  /** Whether all that is there is committed. */
  isAt(feed: Feed): boolean {
    return feed.partitions.every((partition) => this.end(partition) === feed.end(partition));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      // There is no group yet, or its coordinator has yet to come.
      const offsets = await this.#admin.listConsumerGroupOffsets(this.#group).catch(() => []);
      for (const { partition, offset } of offsets) {
        if (offset === null) continue;
        const before = this.#committed.get(partition) ?? -1;
        if (offset < before) this.setBack ??= `Partition ${partition}: ${before}, then ${offset}`;
        this.#committed.set(partition, offset);
      }
      await pause(ASK_EVERY_MS);
    }
  }
}

/** A process that reads as part of the group, and prints `=[partition,offset]` of each record. */
class Member {
  hasEnded = false;
  said = "";
  readonly #child: Deno.ChildProcess;
  readonly #read = new Map<number, Set<number>>();
  readonly #ends = new Map<number, number>();

  constructor(command: MemberProcess, bootstrap: string, topic: string, group: string) {
    this.#child = new Deno.Command(command.command, {
      args: command.args(bootstrap, topic, group),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { KAFKAJS_NO_PARTITIONER_WARNING: "1" },
    }).spawn();
    void this.#listen();
    void this.#note();
    void this.#child.status.then(() => this.hasEnded = true);
  }

  /** The offsets that it has read. */
  read(partition: number): ReadonlySet<number> {
    return this.#read.get(partition) ?? new Set();
  }

  /** After the last record that it has read. */
  end(partition: number): number {
    return this.#ends.get(partition) ?? 0;
  }

  kill(): void {
    if (!this.hasEnded) this.#child.kill("SIGKILL");
  }

  /** Has it leave the group. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), STEP_MS);
    const { signal } = await this.#child.status;
    clearTimeout(timer);
    if (signal === "SIGKILL") throw new Error("A member did not stop");
  }

  toString(): string {
    return `[${Array.from(this.#ends, ([partition, end]) => `${partition}: ${end}`).join(" ")}]`;
  }

  async #listen(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      if (!line.startsWith("=")) continue;
      const [partition, offset] = JSON.parse(line.slice(1)) as [number, number];
      const read = this.#read.get(partition) ?? new Set();
      this.#read.set(partition, read.add(offset));
      this.#ends.set(partition, offset + 1);
    }
  }

  async #note(): Promise<void> {
    for await (const line of linesOf(this.#child.stderr)) {
      this.said = `${this.said} ${line}`.slice(-500);
    }
  }
}
