/**
 * Clients of transactions while their cluster is hurt: processes that transfer and that copy, which
 * are killed, and stopped while another takes their transactional id; and readers of committed
 * records all the while.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { type Admin, Consumer, Producer } from "../../../mod.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { between, pick } from "../../../actors/sim/random.ts";
import { type ChaosClients, type ChaosSurroundings, safeTopic } from "../chaos_clients.ts";
import { pause } from "../chaos_faults.ts";
import { judgeCopy, judgeEarlier, judgeTransfers, type ReadValues } from "./transaction_judge.ts";
import {
  INPUT,
  OUTPUT,
  PARTITIONS,
  readTransferEvents,
  TRANSACTION_TIMEOUT_MS,
  type TransactorJob,
  TRANSFERS,
} from "./transactor_events.ts";

const TRANSACTOR = fromFileUrl(new URL("./transactor.ts", import.meta.url));
const SLOTS = [
  { role: "transfer", transactionalId: "transfer-1" },
  { role: "transfer", transactionalId: "transfer-2" },
  { role: "copy", transactionalId: "copy-1" },
  { role: "copy", transactionalId: "copy-2" },
] as const;
const POLL_MS = 200;
/** How long everything may take that was begun, once nothing is hurt any more. */
const PATIENCE_MS = 60_000;

export interface TransactionClientsOptions extends ChaosSurroundings {
  /** Of what is copied. */
  readonly recordsPerSecond: number;
  readonly random: RandomStream;
}

export interface TransactionVerdict {
  readonly transfers: Readonly<Record<string, number>>;
  readonly copied: number;
  readonly clientFaults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

interface Slot {
  readonly role: TransactorJob["role"];
  readonly transactionalId: string;
  readonly names: string[];
  child: Deno.ChildProcess | undefined;
}

export class TransactionClients implements ChaosClients<TransactionVerdict> {
  readonly #options: TransactionClientsOptions;
  readonly #slots: Slot[] = SLOTS.map((slot) => ({ ...slot, names: [], child: undefined }));
  readonly #children: Deno.ChildProcess[] = [];
  readonly #faults: Record<string, number> = {};
  #producer: Producer<string, string> | undefined;
  #early: { readonly transfers: ReadValues; readonly output: ReadValues } | undefined;

  constructor(options: TransactionClientsOptions) {
    this.#options = options;
  }

  async connect(admin: Admin): Promise<void> {
    const { bootstrap, access, replicationFactor } = this.#options;
    await admin.createTopics(
      [TRANSFERS, INPUT, OUTPUT].map((name) => ({
        name,
        partitions: PARTITIONS,
        ...safeTopic(replicationFactor),
      })),
    );
    this.#producer = await Producer.connect(bootstrap, { ...access, acks: "all" });
    for (const slot of this.#slots) this.#start(slot);
    for (const { role, names } of this.#slots) {
      if (role !== "transfer") continue;
      while (!textOf(this.#file(names[0]!)).includes("committed")) await sleep(POLL_MS);
    }
  }

  async run(ending: AbortSignal): Promise<void> {
    const reading = Promise.all([
      this.#readUntil(TRANSFERS, ending),
      this.#readUntil(OUTPUT, ending),
    ]);
    await Promise.all([this.#produce(ending), this.#hurt(ending)]);
    for (const { role, child } of this.#slots) {
      if (role !== "transfer") continue;
      signal(child!, "SIGTERM");
      await child!.status;
    }
    const [transfers, output] = await reading;
    this.#early = { transfers, output };
  }

  async judge(): Promise<TransactionVerdict> {
    const input = await this.#readAll(INPUT);
    const count = input.flat().length;
    const deadline = performance.now() + PATIENCE_MS;
    let output = await this.#readAll(OUTPUT);
    while (output.flat().length < count && performance.now() < deadline) {
      await sleep(POLL_MS);
      output = await this.#readAll(OUTPUT);
    }
    for (const { role, child } of this.#slots) if (role === "copy") signal(child!, "SIGTERM");
    const hanging = [...await this.#hanging(TRANSFERS), ...await this.#hanging(OUTPUT)];
    const transfers = await this.#readAll(TRANSFERS);
    const events = this.#slots.filter(({ role }) => role === "transfer")
      .flatMap(({ names }) => names)
      .flatMap((name) => readTransferEvents(textOf(this.#file(name))));
    const outcomes: Record<string, number> = {};
    for (const { kind } of events) outcomes[kind] = (outcomes[kind] ?? 0) + 1;
    return {
      transfers: outcomes,
      copied: output.flat().length,
      clientFaults: this.#faults,
      violations: [
        ...judgeTransfers(events, transfers),
        ...judgeCopy(input, output),
        ...judgeEarlier(this.#early!.transfers, transfers, TRANSFERS),
        ...judgeEarlier(this.#early!.output, output, OUTPUT),
        ...hanging,
      ],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) signal(child, "SIGKILL");
    await Promise.all(this.#children.map(({ status }) => status));
    await this.#producer?.close({ timeoutMs: 0 });
  }

  #file(name: string): string {
    return join(this.#options.folder, `${name}.jsonl`);
  }

  #start(slot: Slot): void {
    const { role, transactionalId, names } = slot;
    const { bootstrap, access } = this.#options;
    const name = `${transactionalId}.${names.length}`;
    names.push(name);
    const file = this.#file(name);
    const job: TransactorJob = { role, transactionalId, name, bootstrap, access, file };
    slot.child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", TRANSACTOR, JSON.stringify(job)],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    this.#children.push(slot.child);
  }

  async #produce(ending: AbortSignal): Promise<void> {
    const perMs = this.#options.recordsPerSecond / 1000;
    const startedAt = performance.now();
    const sends: Promise<unknown>[] = [];
    for (let sent = 0; !ending.aborted;) {
      for (const due = (performance.now() - startedAt) * perMs; sent < due; sent++) {
        const record = { topic: INPUT, partition: sent % PARTITIONS, value: String(sent) };
        // What is in the topic in the end is what counts.
        sends.push(this.#producer!.send(record).catch(() => {}));
      }
      await pause(20, ending);
    }
    await Promise.all(sends);
  }

  /** Has one client after the other killed, or stopped while another follows it. */
  async #hurt(ending: AbortSignal): Promise<void> {
    const { random, note } = this.#options;
    while (!ending.aborted) {
      await pause(between(random, 2000, 6000), ending);
      if (ending.aborted) return;
      const slot = pick(random, this.#slots);
      const kind = pick(random, ["kill", "zombie"]);
      this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
      note(`${kind}: ${slot.names.at(-1)}`);
      const child = slot.child!;
      signal(child, kind === "kill" ? "SIGKILL" : "SIGSTOP");
      if (kind === "kill") await child.status;
      this.#start(slot);
      if (kind === "kill") continue;
      // It goes on where it was, and must find that it is fenced.
      await pause(between(random, 1000, 4000), ending);
      signal(child, "SIGCONT");
    }
  }

  async #readUntil(topic: string, ending: AbortSignal): Promise<ReadValues> {
    const values = noValues();
    await using consumer = await this.#reader(topic);
    while (!ending.aborted) {
      for (const record of await consumer.poll(POLL_MS)) {
        values[record.partition]!.push(record.text());
      }
    }
    return values;
  }

  /** Everything that is committed now. */
  async #readAll(topic: string): Promise<ReadValues> {
    const values = noValues();
    await using consumer = await this.#reader(topic);
    const ends = await consumer.endOffsets(partitionsOf(topic));
    const isRead = () => ends.every(({ offset, ...of }) => (consumer.position(of) ?? 0) >= offset);
    while (!isRead()) {
      for (const record of await consumer.poll(POLL_MS)) {
        values[record.partition]!.push(record.text());
      }
    }
    return values;
  }

  #reader(topic: string): Promise<Consumer> {
    const { bootstrap, access } = this.#options;
    return Consumer.connect(bootstrap, {
      ...access,
      assign: partitionsOf(topic),
      from: "earliest",
      isolationLevel: "read_committed",
    });
  }

  /** Waits until no transaction is open; tells those that stay open (P32). */
  async #hanging(topic: string): Promise<string[]> {
    const { bootstrap, access } = this.#options;
    const [committed, all] = await Promise.all(
      (["read_committed", "read_uncommitted"] as const).map((isolationLevel) =>
        Consumer.connect(bootstrap, { ...access, assign: partitionsOf(topic), isolationLevel })
      ),
    );
    const deadline = performance.now() + PATIENCE_MS + TRANSACTION_TIMEOUT_MS;
    try {
      for (;;) {
        const stable = await committed!.endOffsets(partitionsOf(topic));
        const ends = await all!.endOffsets(partitionsOf(topic));
        const open = ends.filter(({ offset }, index) => stable[index]!.offset < offset);
        if (open.length === 0) return [];
        if (performance.now() > deadline) {
          return open.map(({ partition }) => `${topic}-${partition}: a transaction stays open`);
        }
        await sleep(POLL_MS);
      }
    } finally {
      await Promise.all([committed!.close(), all!.close()]);
    }
  }
}

function partitionsOf(topic: string): { readonly topic: string; readonly partition: number }[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
}

function noValues(): string[][] {
  return Array.from({ length: PARTITIONS }, () => []);
}

function textOf(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    // It was killed before it began.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function signal(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}
