/**
 * A group of consumers, each a process, that are killed, stopped, added and told to leave while
 * records are produced; judged by what each of them told, and by the committed offsets.
 *
 * In the end the group is left alone with three members; then one more joins, and leaves again:
 * no partition may change hands that need not.
 *
 * @module
 */

import { join } from "@std/path";
import { Admin, Consumer, Producer } from "../../../mod.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { between, pick, SeededRandom } from "../../../actors/sim/random.ts";
import { pause } from "../chaos_faults.ts";
import { ChaosNode } from "../chaos_node.ts";
import { freePorts } from "../free_ports.ts";
import {
  judgeGroup,
  type MemberLife,
  movesSince,
  ownedNow,
  type SeenOffset,
} from "./group_judge.ts";
import type { MemberJob } from "./member_events.ts";
import { MemberProcess } from "./member_process.ts";

export interface GroupChaosOptions {
  readonly nodes: number;
  readonly seconds: number;
  readonly seed: number;
  readonly protocol: MemberJob["protocol"];
  readonly recordsPerSecond: number;
  /** Takes a line on what goes on. */
  note(line: string): void;
  readonly stopping: AbortSignal;
}

export interface GroupChaosResult {
  readonly faults: Readonly<Record<string, number>>;
  readonly records: number;
  /** How often a record was processed, on average: more than once where a commit was lost. */
  readonly processed: number;
  readonly violations: readonly string[];
  /** Where the logs are, if something was wrong. */
  readonly folder: string | undefined;
}

const TOPIC = "chaos";
const GROUP = "chaos";
const PARTITIONS = 12;
const MEMBERS = 3;
const MEMBERS_MAX = 6;
const SESSION_MS = 3000;
const HEARTBEAT_MS = 500;
const WATCH_MS = 100;
/** A group that changes nothing for so long has settled. */
const SETTLED_MS = 2000;
const PATIENCE_MS = 60_000;

const PROPERTIES = {
  "group.initial.rebalance.delay.ms": "500",
  "group.min.session.timeout.ms": "1000",
  "group.consumer.session.timeout.ms": String(SESSION_MS),
  "group.consumer.heartbeat.interval.ms": String(HEARTBEAT_MS),
};

/** Runs a cluster and a group over it, hurts the group, and says what came of it. */
export async function runGroupChaos(options: GroupChaosOptions): Promise<GroupChaosResult> {
  const folder = await Deno.makeTempDir({ prefix: "strom-groups-" });
  const addresses = freePorts(options.nodes).map((port) => `127.0.0.1:${port}`);
  const voters = addresses.map((address, index) => `${index + 1}@${address}`).join(",");
  const nodes = addresses.map((listen, index) =>
    new ChaosNode({
      id: index + 1,
      folder,
      place: { launcher: [], listen, advertised: listen },
      voters,
      properties: PROPERTIES,
    })
  );
  const run = new GroupRun(options, folder, addresses.join(","));
  let keepsFolder = true;
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const result = await run.run();
    keepsFolder = result.violations.length > 0;
    return { ...result, folder: keepsFolder ? folder : undefined };
  } finally {
    await run.end();
    await Promise.all(nodes.map((node) => node.retire()));
    if (!keepsFolder) await Deno.remove(folder, { recursive: true });
  }
}

class GroupRun {
  readonly #options: GroupChaosOptions;
  readonly #folder: string;
  readonly #bootstrap: string;
  readonly #random: RandomStream;
  readonly #members: MemberProcess[] = [];
  readonly #seen: SeenOffset[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #startedAt = performance.now();
  #isEnding = false;

  constructor(options: GroupChaosOptions, folder: string, bootstrap: string) {
    this.#options = options;
    this.#folder = folder;
    this.#bootstrap = bootstrap;
    this.#random = new SeededRandom(options.seed).stream("groups");
  }

  async run(): Promise<Omit<GroupChaosResult, "folder">> {
    const { seconds, stopping, nodes } = this.#options;
    await using admin = await Admin.connect(this.#bootstrap);
    await admin.createTopics([
      { name: TOPIC, partitions: PARTITIONS, replicationFactor: Math.min(3, nodes) },
    ]);
    const ending = new AbortController();
    const end = () => ending.abort();
    stopping.addEventListener("abort", end);
    const watching = this.#watch();
    for (let index = 0; index < MEMBERS; index++) this.#add();
    while (ownedNow(this.#lives).size < MEMBERS) {
      stopping.throwIfAborted();
      await pause(WATCH_MS, ending.signal);
    }
    const timer = setTimeout(end, seconds * 1000);
    try {
      await Promise.all([this.#produce(ending.signal), this.#hurt(ending.signal)]);
      stopping.throwIfAborted();
      const ends = await this.#ends(admin);
      await this.#settleOn(MEMBERS, ends);
      const moves = await Array.fromAsync(this.#joinAndLeave(ends));
      this.#isEnding = true;
      await watching;
      const members = this.#lives;
      const records = ends.reduce((sum, offset) => sum + offset, 0);
      const violations = [...judgeGroup({ members, ends, seen: this.#seen }), ...moves];
      return { faults: this.#faults, records, processed: processedOf(members), violations };
    } finally {
      this.#isEnding = true;
      clearTimeout(timer);
      stopping.removeEventListener("abort", end);
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()));
  }

  get #lives(): MemberLife[] {
    return this.#members.map(({ life }) => life);
  }

  get #running(): MemberProcess[] {
    return this.#members.filter(({ isRunning }) => isRunning);
  }

  #add(): MemberProcess {
    const name = `member-${this.#members.length + 1}`;
    const member = new MemberProcess(name, {
      bootstrap: this.#bootstrap,
      group: GROUP,
      topic: TOPIC,
      protocol: this.#options.protocol,
      sessionTimeoutMs: SESSION_MS,
      heartbeatIntervalMs: HEARTBEAT_MS,
      file: join(this.#folder, `${name}.jsonl`),
    });
    this.#members.push(member);
    return member;
  }

  async #produce(ending: AbortSignal): Promise<void> {
    await using producer = await Producer.connect(this.#bootstrap, { acks: "all" });
    const perMs = this.#options.recordsPerSecond / 1000;
    const startedAt = performance.now();
    const sends: Promise<unknown>[] = [];
    for (let sent = 0; !ending.aborted;) {
      for (const due = (performance.now() - startedAt) * perMs; sent < due; sent++) {
        sends.push(
          producer.send({ topic: TOPIC, partition: sent % PARTITIONS, value: String(sent) }),
        );
      }
      await pause(20, ending);
    }
    await Promise.all(sends);
  }

  async #hurt(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      await pause(between(this.#random, 1000, 4000), ending);
      if (ending.aborted) return;
      // Whoever has just been started can be told nothing yet.
      const running = this.#running.filter(({ life }) => life.events.length > 0);
      const kinds = [
        ...running.length > 1 ? ["kill", "leave", "stop for long", "stop for a moment"] : [],
        ...this.#running.length < MEMBERS_MAX ? ["add", "add"] : [],
      ];
      const kind = pick(this.#random, kinds);
      this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
      await this.#befall(kind, running.length > 0 ? pick(this.#random, running) : undefined);
    }
  }

  async #befall(kind: string, member: MemberProcess | undefined): Promise<void> {
    this.#note(kind === "add" || member === undefined ? "add a member" : `${kind}: ${member.name}`);
    if (kind === "add" || member === undefined) return void this.#add();
    if (kind === "kill") return await member.kill();
    if (kind === "leave") return await member.leave();
    await member.pause(kind === "stop for long" ? 2 * SESSION_MS : SESSION_MS / 5, SESSION_MS);
  }

  /** Committed offsets, as they are seen all the time. */
  async #watch(): Promise<void> {
    const partitions = Array.from(
      { length: PARTITIONS },
      (_, partition) => ({ topic: TOPIC, partition }),
    );
    await using consumer = await Consumer.connect(this.#bootstrap, {
      group: GROUP,
      assign: partitions,
      enableAutoCommit: false,
    });
    while (!this.#isEnding) {
      const askedAt = Date.now();
      for (const { partition, offset } of await consumer.committed(partitions)) {
        this.#seen.push({ askedAt, partition, offset: offset ?? -1 });
      }
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    }
  }

  async #ends(admin: Admin): Promise<number[]> {
    const answers = await admin.listOffsets(
      Array.from(
        { length: PARTITIONS },
        (_, partition) => ({ topic: TOPIC, partition, at: "latest" as const }),
      ),
    );
    return answers.map(({ offset }) => offset);
  }

  /**
   * Waits until so many members own all partitions, unchanged for a while, and all is committed.
   */
  async #settleOn(count: number, ends: readonly number[]): Promise<void> {
    while (this.#running.length < count) this.#add();
    while (this.#running.length > count) await this.#endOne();
    this.#note(`settling on ${count} members`);
    const deadline = performance.now() + PATIENCE_MS;
    let [state, since] = ["", performance.now()];
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
      const owned = ownedNow(this.#lives);
      const now = JSON.stringify([...owned].sort());
      if (now !== state) [state, since] = [now, performance.now()];
      const isWhole = owned.size === count && [...owned.values()].flat().length === PARTITIONS;
      const latest = new Map(this.#seen.map(({ partition, offset }) => [partition, offset]));
      const isRead = ends.every((end, partition) => (latest.get(partition) ?? 0) >= end);
      if (isWhole && isRead && performance.now() - since > SETTLED_MS) return;
      if (performance.now() > deadline) {
        throw new Error(
          `The group did not settle on ${count} members: ${now}; see ${this.#folder}`,
        );
      }
    }
  }

  /** The youngest leaves; in order, where it has begun. */
  async #endOne(): Promise<void> {
    const member = this.#running.at(-1)!;
    await (member.life.events.length > 0 ? member.leave() : member.kill());
  }

  /** What changed hands without need when a member joined, and when it left. */
  async *#joinAndLeave(ends: readonly number[]): AsyncGenerator<string> {
    const share = PARTITIONS / (MEMBERS + 1);
    const joinedAt = Date.now();
    await this.#settleOn(MEMBERS + 1, ends);
    const joined = movesSince(this.#lives, joinedAt);
    if (joined.assigned !== share || joined.revoked !== share) {
      yield `a member joined: ${joined.revoked} partitions were given up, ${share} had to be`;
    }
    const leftAt = Date.now();
    await this.#settleOn(MEMBERS, ends);
    const stayed = this.#lives.filter(({ endedAt }) => endedAt === Infinity);
    const left = movesSince(stayed, leftAt);
    if (left.assigned !== share || left.revoked !== 0) {
      yield `a member left: those who stayed gave up ${left.revoked} partitions and were given ` +
        `${left.assigned}, ${share} were free`;
    }
  }

  #note(line: string): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.#options.note(`${seconds.toFixed(1)} s: ${line}`);
  }
}

function processedOf(members: readonly MemberLife[]): number {
  return members.flatMap(({ events }) => events).reduce(
    (sum, event) => event.kind === "processed" ? sum + event.to - event.from : sum,
    0,
  );
}
