import { assertEquals } from "@std/assert";
import { logCleanerActor } from "../../../../actors/broker/replicas/log_cleaner.ts";
import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import type {
  AskCompactionNeed,
  Compact,
  Compactable,
  CompactionNeedReply,
} from "../../../../actors/partition/compaction_messages.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../../actors/runtime/system.ts";
import { ManualEnvironment } from "../../runtime/manual_environment.ts";

const BACKOFF_MS = 1000;

const NOT_DUE: CompactionNeedReply = {
  isDue: false,
  dirtyRatio: 0,
  overdueMs: 0,
  isUncleanable: false,
};

/** A cleaner with partitions that only say what they are asked. */
class Stage {
  readonly environment = new ManualEnvironment();
  readonly system = new ActorSystem({ environment: this.environment, node: 1 });
  readonly cleaner: Ref<Compactable>;
  readonly needs = new Map<string, CompactionNeedReply>();
  readonly running: { readonly name: string; readonly message: Compact }[] = [];
  readonly started: string[] = [];
  looks = 0;

  constructor(properties: Readonly<Record<string, string>> = {}) {
    const config = parseBrokerConfig({
      "log.cleaner.backoff.ms": String(BACKOFF_MS),
      ...properties,
    });
    this.cleaner = this.system.spawn("cleaner", logCleanerActor({ config: () => config }));
  }

  add(name: string, dirtyRatio: number, overdueMs = 0): Ref<AskCompactionNeed | Compact> {
    const isDue = dirtyRatio > 0.5 || overdueMs > 0;
    this.needs.set(name, { isDue, dirtyRatio, overdueMs, isUncleanable: false });
    const partition = this.system.spawn<AskCompactionNeed | Compact>(name, () => ({
      receive: (message) => {
        if (message.kind === "compaction-need") {
          this.looks++;
          return void message.replyTo.tell(this.needs.get(name)!);
        }
        this.started.push(name);
        this.running.push({ name, message });
      },
    }));
    this.cleaner.tell({ kind: "compactable", folder: name, partition });
    this.environment.run();
    return partition;
  }

  /** Ends the run that was begun first. */
  end(done = true): void {
    const { name, message } = this.running.shift()!;
    if (done) this.needs.set(name, NOT_DUE);
    message.replyTo.tell({ done, bytesRead: 1 });
    this.environment.run();
  }

  advance(ms: number): void {
    this.environment.advance(ms);
    this.environment.run();
  }
}

Deno.test("cleaner: without a partition to compact it keeps no timer", () => {
  const stage = new Stage();
  stage.environment.run();
  assertEquals(stage.environment.world.timers, 0);
  stage.add("a", 0.1);
  assertEquals(stage.environment.world.timers, 1);
  stage.cleaner.tell({ kind: "compactable", folder: "a", partition: undefined });
  stage.advance(BACKOFF_MS);
  assertEquals([stage.environment.world.timers, stage.looks], [0, 0]);
});

Deno.test("cleaner: the filthiest goes first, but before it whoever is overdue", () => {
  const stage = new Stage();
  stage.add("clean", 0.2);
  stage.add("dirty", 0.7);
  stage.add("filthy", 0.9);
  stage.add("overdue", 0.1, 5);
  stage.advance(BACKOFF_MS);
  for (let count = 0; count < 3; count++) stage.end();
  assertEquals(stage.started, ["overdue", "filthy", "dirty"]);
});

Deno.test("cleaner: as many run at a time as there are threads, with a share of memory each", () => {
  const stage = new Stage({
    "log.cleaner.threads": "2",
    "log.cleaner.dedupe.buffer.size": "10000",
    "log.cleaner.io.max.bytes.per.second": "500",
  });
  for (const name of ["a", "b", "c"]) stage.add(name, 0.9);
  stage.advance(BACKOFF_MS);
  assertEquals(stage.running.length, 2);
  const { mapBytesMax, bytesPerSecond } = stage.running[0]!.message;
  assertEquals([mapBytesMax, bytesPerSecond], [4500, 250]);
  stage.end();
  assertEquals(stage.running.length, 2);
});

Deno.test("cleaner: one that nothing came of is tried again only after a rest", () => {
  const stage = new Stage();
  stage.add("a", 0.9);
  stage.add("b", 0.8);
  stage.advance(BACKOFF_MS);
  stage.end(false);
  assertEquals(stage.started, ["a", "b"]);
  stage.end();
  assertEquals(stage.running.length, 0);
  stage.advance(BACKOFF_MS);
  assertEquals(stage.started, ["a", "b", "a"]);
});

Deno.test("cleaner: a partition that ends in the middle of its run is let go", () => {
  const stage = new Stage();
  const partition = stage.add("a", 0.9);
  stage.add("b", 0.8);
  stage.advance(BACKOFF_MS);
  assertEquals(stage.started, ["a"]);
  stage.cleaner.tell({ kind: "compactable", folder: "a", partition: undefined });
  stage.system.stop(partition);
  stage.environment.run();
  assertEquals(stage.started, ["a", "b"]);
});

Deno.test("cleaner: with log.cleaner.enable=false it looks at nothing", () => {
  const stage = new Stage({ "log.cleaner.enable": "false" });
  stage.add("a", 0.9);
  stage.advance(10 * BACKOFF_MS);
  assertEquals(stage.looks, 0);
});

Deno.test("cleaner: those that cannot be compacted are counted, and hinder no other", () => {
  const stage = new Stage();
  const count = () =>
    stage.environment.metrics.read().find(({ name }) => name === "uncleanable-partitions-count")
      ?.value;
  stage.add("damaged", 0.9);
  stage.add("well", 0.6);
  assertEquals(count(), 0);
  stage.advance(BACKOFF_MS);
  assertEquals(stage.started, ["damaged"]);
  stage.needs.set("damaged", { ...NOT_DUE, isUncleanable: true });
  stage.end(false);
  assertEquals(stage.started, ["damaged", "well"]);
  stage.end();
  stage.advance(BACKOFF_MS);
  assertEquals([stage.started.length, count()], [2, 1]);
  // What could not be read was taken away.
  stage.needs.set("damaged", { ...NOT_DUE, isDue: true, dirtyRatio: 0.9 });
  stage.advance(BACKOFF_MS);
  assertEquals([stage.started.length, count()], [3, 0]);
  stage.needs.set("damaged", { ...NOT_DUE, isUncleanable: true });
  stage.end(false);
  stage.advance(BACKOFF_MS);
  assertEquals(count(), 1);
  stage.cleaner.tell({ kind: "compactable", folder: "damaged", partition: undefined });
  stage.environment.run();
  assertEquals(count(), 0);
});
