import { assert, assertEquals } from "@std/assert";
import type {
  Compactable,
  CompactionEnded,
  CompactionNeedReply,
} from "../../../actors/partition/compaction_messages.ts";
import type { AppendReply, ReadReply } from "../../../actors/partition/messages.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { CLEANER_CHECKPOINT, readOffsetCheckpoint } from "../../../storage/checkpoint.ts";
import { BatchView } from "../../../storage/record_batch.ts";
import { decodeRecords } from "../../../storage/record.ts";
import { fold, keyedBatch, type Pairs } from "../../storage/compaction_fixture.ts";
import { FOLDER, type Member, PartitionStage } from "./partition_stage.ts";

const COMPACTED = {
  "cleanup.policy": "compact",
  "segment.bytes": "600",
  "min.cleanable.dirty.ratio": "0.1",
};

function append(member: Member, pairs: Pairs): AppendReply {
  return member.ask<AppendReply>((replyTo) => ({
    kind: "append",
    records: keyedBatch(pairs),
    acks: "leader",
    replyTo,
    release: () => {},
  }))!;
}

function fill(member: Member, count = 60): void {
  for (let index = 0; index < count; index++) {
    append(member, [[`key-${index % 5}`, `${index}`], [`other-${index % 3}`, null]]);
  }
}

function need(member: Member): CompactionNeedReply {
  return member.ask<CompactionNeedReply>((replyTo) => ({ kind: "compaction-need", replyTo }))!;
}

function compact(member: Member, bytesPerSecond = Infinity): CompactionEnded | undefined {
  return member.ask<CompactionEnded>((replyTo) => ({
    kind: "compact",
    mapBytesMax: 100_000,
    bufferBytes: 1024,
    bytesPerSecond,
    replyTo,
  }));
}

Deno.test("compactor: a log is compacted once it is dirty and flushed, and then not again", () => {
  const stage = new PartitionStage(1, COMPACTED);
  const member = stage.member(1);
  assertEquals(need(member).isDue, false);
  fill(member);
  const map = fold(member.log);
  assertEquals(need(member).isDue, false, "what is not durable is not compacted");
  const { isDue, dirtyRatio } = need(member);
  assertEquals([isDue, dirtyRatio], [true, 1]);
  const size = member.log.sizeInBytes;
  assertEquals(compact(member)?.done, true);
  assert(member.log.sizeInBytes < size / 2);
  assertEquals([...fold(member.log)].sort(), [...map].sort());
  assertEquals(need(member).isDue, false);
  assert(member.directory.compactedTo(FOLDER) > 0);
  const lines = member.environment.lines.filter(({ event }) => event === "log compacted");
  assertEquals(lines.length, 1);
});

Deno.test("compactor: a follower takes what is left, jumps over gaps, and compacts for itself", () => {
  const stage = new PartitionStage(2, COMPACTED);
  const [leader, follower] = [stage.member(1), stage.member(2)];
  fill(leader, 30);
  stage.replicate();
  need(leader);
  assertEquals(compact(leader)?.done, true);
  fill(leader, 30);
  stage.replicate();
  assertEquals(follower.log.logEndOffset, leader.log.logEndOffset);
  assertEquals([...fold(follower.log)].sort(), [...fold(leader.log)].sort());
  assert(follower.log.sizeInBytes > leader.log.sizeInBytes, "it has not compacted yet");
  need(follower);
  assertEquals(compact(follower)?.done, true);
  // Another that comes later finds only what is left.
  const late = new PartitionStage(2, COMPACTED);
  fill(late.member(1), 60);
  late.assign({ isr: [1] });
  need(late.member(1));
  assertEquals(compact(late.member(1))?.done, true);
  late.replicate();
  assertEquals(late.member(2).log.logEndOffset, late.member(1).log.logEndOffset);
  assertEquals([...fold(late.member(2).log)].sort(), [...fold(late.member(1).log)].sort());
  assertEquals(late.member(2).log.sizeInBytes, late.member(1).log.sizeInBytes);
});

Deno.test("compactor: where a log is cut, it counts as compacted to there at most, durably", () => {
  const stage = new PartitionStage(2, { ...COMPACTED, "unclean.leader.election.enable": "true" });
  const [leader, other] = [stage.member(1), stage.member(2)];
  fill(leader, 10);
  stage.replicate();
  stage.assign({ isr: [1] });
  fill(leader, 40);
  need(leader);
  assertEquals(compact(leader)?.done, true);
  leader.directory.writeCheckpoints();
  const { disk } = leader.environment;
  const noted = () => readOffsetCheckpoint(disk, CLEANER_CHECKPOINT).get(FOLDER) ?? 0;
  const end = other.log.logEndOffset;
  assert(noted() > end);
  // It leads, who lacks what was compacted.
  stage.assign({ leader: 2, isr: [2] });
  fill(other, 40);
  stage.replicate();
  assertEquals(leader.log.logEndOffset, other.log.logEndOffset);
  assert(noted() <= end, `${noted()} is no place of the log that ended at ${end}`);
  assert(leader.directory.compactedTo(FOLDER) <= end);
});

Deno.test("compactor: a log that opens with less than was compacted is compacted anew from its end", () => {
  const stage = new PartitionStage(1, COMPACTED);
  const member = stage.member(1);
  fill(member);
  member.directory.noteCompacted(FOLDER, member.log.logEndOffset + 7);
  member.directory.writeCheckpoints();
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  member.start(stage.assignment, stage.config);
  const { disk } = member.environment;
  const noted = readOffsetCheckpoint(disk, CLEANER_CHECKPOINT).get(FOLDER);
  assertEquals(noted, member.log.logEndOffset);
});

Deno.test("compactor: a log that cannot be read is left alone until that is taken away", () => {
  const stage = new PartitionStage(1, { ...COMPACTED, "cleanup.policy": "compact,delete" });
  const member = stage.member(1);
  fill(member);
  need(member);
  const { disk } = member.environment;
  const names = disk.list(FOLDER).map(({ name }) => name);
  const segments = names.filter((name) => name.endsWith(".log")).sort();
  const damaged = disk.open(`${FOLDER}/${segments[0]}`);
  damaged.write(Uint8Array.of(0xff, 0xff, 0xff), 70);
  damaged.close();
  const before = member.log.sizeInBytes;
  assertEquals(compact(member)?.done, false);
  const warnings = () =>
    member.environment.lines.filter(({ event }) => event === "log cannot be compacted");
  assertEquals(warnings().length, 1);
  assertEquals(warnings()[0]!.fields?.["partition"], FOLDER);
  for (let time = 0; time < 3; time++) {
    append(member, [["more", `${time}`]]);
    assertEquals([need(member).isDue, need(member).isUncleanable], [false, true]);
    assertEquals(compact(member)?.done, false);
  }
  assert(member.log.sizeInBytes > before);
  assertEquals(warnings().length, 1, "it is not tried again");
  // Records are deleted, and the segment goes with them.
  const second = Number(segments[1]!.slice(0, 20));
  member.ask((replyTo) => ({ kind: "delete-records", before: second, replyTo }));
  member.tell({ kind: "maintain" });
  const { isDue, isUncleanable } = need(member);
  assertEquals([isDue, isUncleanable], [true, false]);
  assertEquals(compact(member)?.done, true);
});

Deno.test("compactor: nothing at or above the high watermark is compacted", () => {
  const stage = new PartitionStage(2, COMPACTED);
  const leader = stage.member(1);
  fill(leader);
  need(leader);
  assertEquals([need(leader).isDue, leader.state.highWatermark], [false, 0]);
  assertEquals(compact(leader)?.done, false);
});

Deno.test("compactor: a reader who goes on meanwhile gets every latest record, in order", () => {
  const stage = new PartitionStage(1, COMPACTED);
  const member = stage.member(1);
  fill(member);
  need(member);
  const map = fold(member.log);
  const seen = new Map<string, string>();
  let offset = 0;
  let readers = 0;
  const step = () => {
    member.environment.disk.drain();
    member.environment.run();
  };
  const readOne = () => {
    let reply: ReadReply | undefined;
    const replyTo = member.system.spawn<ReadReply>(`reader-${++readers}`, () => ({
      receive: (told) => void (reply = told),
    }));
    member.tell({
      kind: "read",
      fetchOffset: offset,
      maxBytes: 100,
      atLeastOneBatch: true,
      currentLeaderEpoch: -1,
      readCommitted: false,
      replyTo,
    });
    while (reply === undefined) step();
    const { records, error, release } = reply;
    assertEquals(error, ErrorCode.NONE);
    if (records === null) return false;
    const view = new BatchView(records.slice());
    release();
    assert(view.nextOffset > offset);
    offset = view.nextOffset;
    for (const [key, value] of foldBatch(view)) {
      if (value === null) seen.delete(key);
      else seen.set(key, value);
    }
    return true;
  };
  // What is asked of the disk is done a step at a time.
  member.holdsSyncs = true;
  readOne();
  const ended = compact(member);
  assertEquals(ended, undefined, "it waits for the disk");
  while (readOne()) step();
  member.holdsSyncs = false;
  member.run();
  assertEquals([...seen].sort(), [...map].sort());
});

Deno.test("compactor: it is no faster than it may be", () => {
  const stage = new PartitionStage(1, COMPACTED);
  const member = stage.member(1);
  fill(member, 400);
  need(member);
  const bytes = member.log.sizeInBytes;
  assertEquals(compact(member, 10_000), undefined);
  let waitedMs = 0;
  while (member.environment.lines.every(({ event }) => event !== "log compacted")) {
    member.environment.advance(100);
    member.run();
    waitedMs += 100;
    assert(waitedMs < 100_000);
  }
  assert(waitedMs >= 2 * bytes / 10 - 4000, `${waitedMs} ms for ${bytes} bytes`);
});

Deno.test("compactor: beside others it rests between its slices, alone it does not", () => {
  for (const others of [0, 5000]) {
    const stage = new PartitionStage(1, COMPACTED);
    const member = stage.member(1);
    fill(member, 400);
    need(member);
    // Work takes time.
    let workedMs = 0;
    member.environment.clock.monotonic = () => member.environment.world.now + (workedMs += 0.1);
    const other = member.system.spawn<number>("other", ({ self }) => ({
      receive: (left) => void (left > 0 && self.tell(left - 1)),
    }));
    if (others > 0) other.tell(others);
    const ended = compact(member);
    if (others === 0) {
      assertEquals(ended?.done, true, "nobody has anything to do");
      continue;
    }
    assertEquals(ended, undefined, "it rests");
    member.environment.advance(1000);
    member.run();
    assert(member.environment.lines.some(({ event }) => event === "log compacted"));
  }
});

Deno.test("compactor: a log that is closed meanwhile is whole, and its cleaner is told", () => {
  const stage = new PartitionStage(1, COMPACTED);
  const member = stage.member(1);
  fill(member);
  need(member);
  const map = fold(member.log);
  member.holdsSyncs = true;
  const replies: CompactionEnded[] = [];
  const replyTo = member.system.spawn<CompactionEnded>("cleaner", () => ({
    receive: (reply) => void replies.push(reply),
  }));
  member.tell({
    kind: "compact",
    mapBytesMax: 100_000,
    bufferBytes: 1024,
    bytesPerSecond: Infinity,
    replyTo,
  });
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  member.holdsSyncs = false;
  member.run();
  assertEquals(replies.map(({ done }) => done), [false]);
  member.start(stage.assignment, stage.config);
  member.run();
  assertEquals([...fold(member.log)].sort(), [...map].sort());
  const names = member.environment.disk.list(FOLDER).map(({ name }) => name);
  assertEquals(names.filter((name) => /cleaned|swap/.test(name)), []);
});

Deno.test("compactor: the cleaner is told of those that may be compacted, and when no more", () => {
  const told: boolean[] = [];
  const stage = new PartitionStage(1);
  const member = stage.member(1);
  const cleaner = member.system.spawn<Compactable>("cleaner", () => ({
    receive: ({ partition }) => void told.push(partition !== undefined),
  }));
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  const config = new PartitionStage(1, COMPACTED).config;
  member.start(stage.assignment, stage.config, { cleaner });
  assertEquals(told, []);
  member.tell({ kind: "configure", config });
  assertEquals(told, [true]);
  member.tell({ kind: "configure", config: stage.config });
  assertEquals(told, [true, false]);
  member.tell({ kind: "configure", config });
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  assertEquals(told, [true, false, true, false]);
});

function foldBatch(view: BatchView): [string, string | null][] {
  const decoder = new TextDecoder();
  return decodeRecords(view).map(({ key, value }) => [
    decoder.decode(key!),
    value === null ? null : decoder.decode(value),
  ]);
}
