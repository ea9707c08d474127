import { assertEquals } from "@std/assert";
import { ReplicationQuota } from "../../../../actors/broker/replicas/replication_quota.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAAQ";

Deno.test("replication quota: those are throttled that the config names with this broker", () => {
  const quota = new ReplicationQuota(2, () => 1000);
  assertEquals([quota.isUsed, quota.isThrottled(TOPIC, 0)], [false, false]);
  quota.throttle(TOPIC, ["0:2", "1:1", "3:2"]);
  assertEquals([0, 1, 2, 3].map((partition) => quota.isThrottled(TOPIC, partition)), [
    true,
    false,
    false,
    true,
  ]);
  quota.throttle(TOPIC, ["*"]);
  assertEquals(quota.isThrottled(TOPIC, 7), true);
  quota.throttle(TOPIC, ["0:1"]);
  assertEquals([quota.isUsed, quota.isThrottled(TOPIC, 0)], [false, false]);
});

Deno.test("replication quota: what is overdrawn is made up for before more may pass", () => {
  const quota = new ReplicationQuota(1, () => 1000);
  assertEquals(quota.exceededUntil(0), undefined);
  // A second's worth may pass at once.
  quota.record(1000, 0);
  assertEquals(quota.exceededUntil(0), undefined);
  quota.record(500, 0);
  assertEquals(quota.exceededUntil(0), 500);
  assertEquals(quota.exceededUntil(400), 500);
  assertEquals(quota.exceededUntil(500), undefined);
});

Deno.test("replication quota: over a long time the rate is kept, and rest is saved for a second", () => {
  const quota = new ReplicationQuota(1, () => 1000);
  let passed = 0;
  let now = 50_000;
  quota.exceededUntil(now);
  now += 60_000;
  const start = now;
  while (now < start + 10_000) {
    const until = quota.exceededUntil(now);
    if (until === undefined) {
      quota.record(300, now);
      passed += 300;
    } else {
      now = until;
    }
  }
  assertEquals(passed >= 10_000 && passed <= 11_300 + 300, true, `${passed} bytes`);
});

Deno.test("replication quota: a new rate counts from now on, and none lets nothing pass", () => {
  let rate = 0;
  const quota = new ReplicationQuota(1, () => rate);
  assertEquals(quota.exceededUntil(0) !== undefined, true);
  assertEquals(quota.exceededUntil(100_000) !== undefined, true);
  rate = 1000;
  assertEquals(quota.exceededUntil(100_001), undefined);
});
