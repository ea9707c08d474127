import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AppendedBytes, HotTail } from "../../storage/hot_tail.ts";

Deno.test("hot tail: all that was appended is hot, until too much was appended to any log", () => {
  const all = new AppendedBytes(1_000);
  const [one, other] = [new HotTail(all), new HotTail(all)];
  assertEquals(one.bytes, 0);
  one.appended(300);
  one.appended(200);
  assertEquals([one.bytes, other.bytes], [500, 0]);
  other.appended(500);
  assertEquals([one.bytes, other.bytes], [500, 500]);
  other.appended(1);
  assertEquals([one.bytes, other.bytes], [200, 501]);
  other.appended(300);
  assertEquals([one.bytes, other.bytes], [0, 801]);
});

Deno.test("hot tail: the newest append is hot, however seldom a log is appended to", () => {
  const all = new AppendedBytes(1_000);
  const [seldom, busy] = [new HotTail(all), new HotTail(all)];
  for (let round = 0; round < 10; round++) {
    seldom.appended(10);
    assertEquals(seldom.bytes, 10);
    busy.appended(5_000);
    assertEquals(seldom.bytes, 0);
  }
});

Deno.test("hot tail: nothing is hot that was there when the end was cut", () => {
  const tail = new HotTail(new AppendedBytes(1_000));
  tail.appended(500);
  tail.clear();
  assertEquals(tail.bytes, 0);
  tail.appended(20);
  assertEquals(tail.bytes, 20);
});

Deno.test("hot tail: the guess is never high, and low by little", () => {
  const appends = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 400 })));
  fc.assert(fc.property(appends, (appends) => {
    const all = new AppendedBytes(1_600);
    const tails = [0, 1, 2].map(() => new HotTail(all));
    appends.forEach(([log, bytes]) => tails[log]!.appended(bytes));
    let since = 0;
    const hot = [0, 0, 0];
    const nearly = [0, 0, 0];
    for (const [log, bytes] of appends.toReversed()) {
      since += bytes;
      if (since <= 1_600) hot[log]! += bytes;
      // Less the space between two marks, and an append that crosses it.
      if (since <= 1_600 - 100 - 400) nearly[log]! += bytes;
    }
    tails.forEach((tail, log) => {
      assert(tail.bytes <= hot[log]!);
      assert(tail.bytes >= nearly[log]!);
    });
  }));
});
