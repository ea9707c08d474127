/** Who waits for records is told when there are some, and when it is to be heard of again. */

import { assertEquals } from "@std/assert";
import { DataWaiters } from "../../../actors/partition/data_waiters.ts";
import type { AwaitData, DataAvailable } from "../../../actors/partition/messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";

const ENDS = { highWatermark: 5, logEndOffset: 5, lastStableOffset: () => 5 };

function waiter(askedAt?: number): { readonly message: AwaitData; readonly told: boolean[] } {
  const told: boolean[] = [];
  const replyTo = {
    tell: ({ readable }: DataAvailable) => told.push(readable) > 0,
  } as Partial<Ref<DataAvailable>> as Ref<DataAvailable>;
  const message: AwaitData = {
    kind: "await-data",
    follower: true,
    seenEndOffset: 5,
    seenHighWatermark: 5,
    bytes: 1,
    token: 1,
    replyTo,
    ...(askedAt === undefined ? {} : { askedAt }),
  };
  return { message, told };
}

Deno.test("data waiters: a follower whose request is from before is heard of with its next", () => {
  const waiters = new DataWaiters();
  const early = waiter(100);
  waiters.add(early.message, ENDS);
  assertEquals(early.told, []);
  waiters.countFrom(200);
  assertEquals(early.told, [false], "it goes on to wait for records");
  const same = waiter(200);
  waiters.add(same.message, ENDS);
  assertEquals(same.told, [false]);
  const later = waiter(201);
  waiters.add(later.message, ENDS);
  assertEquals(later.told, []);
  waiters.appended(1);
  assertEquals([early.told, same.told, later.told], [[false, true], [false, true], [true]]);
});
