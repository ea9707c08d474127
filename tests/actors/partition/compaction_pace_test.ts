import { assert, assertEquals } from "@std/assert";
import { CompactionPace } from "../../../actors/partition/compaction_pace.ts";

/** A gap that is none: as long as it takes to give way where nobody is. */
const SHORT = 0.1;

Deno.test("compaction pace: alone it never rests", () => {
  const pace = new CompactionPace(7);
  for (let now = 0; now < 1000; now++) {
    pace.worked(0.9);
    assertEquals(pace.rest(now, SHORT, 7), 0);
  }
});

Deno.test("compaction pace: beside others it works for a fifth of the time", () => {
  const pace = new CompactionPace(0);
  let now = 0;
  let workedMs = 0;
  let others = 0;
  while (now < 10_000) {
    pace.worked(0.3);
    now += 0.3;
    workedMs += 0.3;
    const restMs = pace.rest(now, SHORT, ++others);
    if (restMs === 0) continue;
    assert(restMs >= 1, `no timer tells ${restMs} ms`);
    // Timers are late, each by another time.
    now += restMs + others % 3 / 2;
    pace.rested(now);
  }
  const share = workedMs / now;
  assert(share > 0.18 && share < 0.22, `${share} of the time`);
});

Deno.test("compaction pace: a timer that is far too late is not made up for by a long burst", () => {
  const pace = new CompactionPace(0);
  pace.worked(1);
  assertEquals(pace.rest(1, SHORT, 1), 4);
  pace.rested(1000);
  pace.worked(1);
  assertEquals(pace.rest(1001, SHORT, 2), 1);
});

Deno.test("compaction pace: it rests on for a moment after others, then owes them nothing", () => {
  const pace = new CompactionPace(0);
  pace.worked(1);
  assertEquals(pace.rest(1, SHORT, 1), 4);
  pace.rested(5);
  pace.worked(0.5);
  assertEquals(pace.rest(5.5, SHORT, 1), 2, "they will be back");
  pace.rested(7.5);
  pace.worked(0.5);
  assertEquals(pace.rest(8, SHORT, 1), 0);
  pace.worked(0.1);
  assertEquals(pace.rest(8.1, SHORT, 2), 0, "what it worked while it was alone it does not owe");
});

Deno.test("compaction pace: where others take long, it rests longer than it worked for", () => {
  const pace = new CompactionPace(0);
  pace.worked(0.1);
  assertEquals(pace.rest(1, 0.6, 1), 3);
  const alone = new CompactionPace(0);
  alone.worked(0.1);
  assertEquals(alone.rest(1, 0.6, 0), 0, "a gap that no message was handled in is nobody's");
});
