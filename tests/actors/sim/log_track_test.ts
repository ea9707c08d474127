/** What a restart may make of a log that was cut. */

import { assertEquals } from "@std/assert";
import { LogTrack } from "../../../actors/sim/checkers/log_track.ts";
import { Verdicts } from "../../../actors/sim/checkers/verdicts.ts";
import { FakeLog } from "../../simulation/fake_cluster.ts";

/** A log that a leader of epoch 1 has made a follower cut, with the batch that was cut. */
function cutLog() {
  const verdicts = new Verdicts();
  const track = new LogTrack("t-0 at 1", verdicts);
  const log = new FakeLog();
  track.attach(log);
  track.look();
  log.append(0, 1);
  const cut = log.append(0, 2);
  track.look();
  log.truncateTo(1);
  track.look();
  const restartAs = (how: "killed" | "power-lost", change: () => void) => {
    track.detach(how);
    change();
    log.truncations = 0;
    track.attach(log);
    track.look();
    return verdicts.violations.map(({ rule }) => rule);
  };
  return { track, log, cut, restartAs };
}

Deno.test("log track: a power cut may bring back what was cut, as the cut was not durable", () => {
  const { log, cut, restartAs } = cutLog();
  assertEquals(restartAs("power-lost", () => log.batches.push(cut)), []);
});

Deno.test("log track: the end of a process brings back nothing", () => {
  const { log, cut, restartAs } = cutLog();
  assertEquals(restartAs("killed", () => log.batches.push(cut)), ["P40 recovery"]);
});

Deno.test("log track: nothing is back once something is durable behind the cut", () => {
  const { track, log, cut, restartAs } = cutLog();
  log.append(1, 3);
  track.look();
  const before = [log.batches[0]!, cut];
  // One for what is gone, one for what is back.
  assertEquals(restartAs("power-lost", () => log.batches = before), Array(2).fill("P40 recovery"));
});
