import { assert, assertEquals } from "@std/assert";
import type { Principal } from "../../../../actors/broker/sessions/access.ts";
import { ClientQuotaManager } from "../../../../actors/broker/sessions/client_quotas.ts";
import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import { ClusterImage } from "../../../../actors/controller/cluster_image.ts";
import { alterClientQuotas } from "../../../../actors/controller/client_quotas.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { contextOf, imageOf } from "../../controller/images.ts";

const ANN: Principal = { type: "User", name: "ann" };
const BOB: Principal = { type: "User", name: "bob" };

const CONFIG = parseBrokerConfig({ "quota.window.num": "1" });

type Names = readonly (string | null | undefined)[];

/** A broker's quotas, on a clock of its own. */
class Quotas {
  readonly image = new ClusterImage();
  now = 1000;
  readonly manager = new ClientQuotaManager({
    image: this.image,
    clock: { monotonic: () => this.now, wall: () => 0 },
    config: () => CONFIG,
  });

  set([user, clientId]: Names, key: string, value: number): void {
    const entity = [
      ...(user === undefined ? [] : [{ entityType: "user", entityName: user }]),
      ...(clientId === undefined ? [] : [{ entityType: "client-id", entityName: clientId }]),
    ];
    this.image.replay({
      kind: "ClientQuotaRecord",
      value: { entity, key, value, remove: value === 0 },
    });
  }

  produce(bytes: number, clientId = "c", principal = ANN): number {
    return this.manager.charge("produce", principal, clientId, bytes);
  }
}

Deno.test("client quotas: without any nobody is held back", () => {
  const quotas = new Quotas();
  assertEquals(quotas.manager.isUsed, false);
  assertEquals(quotas.produce(1e12), 0);
});

Deno.test("client quotas: what is overdrawn is made up for by a rest, and no more is asked", () => {
  const quotas = new Quotas();
  quotas.set([undefined, "c"], "producer_byte_rate", 1000);
  assertEquals(quotas.produce(900), 0);
  assertEquals(quotas.produce(300), 200);
  quotas.now += 200;
  assertEquals(quotas.produce(1), 1);
  quotas.now += 1e6;
  // A rest brings no more than a window.
  assertEquals(quotas.produce(1500), 500);
  assertEquals(quotas.produce(1e9), 30_000, "nobody waits for ever at a time");
  assertEquals(quotas.manager.charge("fetch", ANN, "c", 1e9), 0, "others are not limited");
});

Deno.test("client quotas: over time a client gets what it may, and no more", () => {
  const quotas = new Quotas();
  quotas.set([undefined, null], "producer_byte_rate", 10_000);
  let sent = 0;
  const until = quotas.now + 100_000;
  while (quotas.now < until) {
    sent += 777;
    quotas.now += 1 + quotas.produce(777);
  }
  assert(Math.abs(sent / 100 - 10_000) < 200, `${sent / 100} bytes a second`);
});

Deno.test("client quotas: the nearest quota counts, in Kafka's order", () => {
  const order: Names[] = [
    [undefined, null],
    [undefined, "c"],
    [null, undefined],
    [null, null],
    [null, "c"],
    ["ann", undefined],
    ["ann", null],
    ["ann", "c"],
  ];
  const quotas = new Quotas();
  order.forEach((names, index) => {
    const rate = 1000 * 2 ** index;
    quotas.set(names, "producer_byte_rate", rate);
    quotas.now += 1e6;
    assertEquals(quotas.produce(2 * rate), 1000, String(names));
  });
  quotas.set(["ann", "c"], "producer_byte_rate", 0);
  quotas.now += 1e6;
  assertEquals(quotas.produce(2 * 64_000), 1000, "one that is removed counts no more");
});

Deno.test("client quotas: clients share what names them, and have what is a default each", () => {
  const quotas = new Quotas();
  quotas.set([undefined, null], "producer_byte_rate", 1000);
  assertEquals([quotas.produce(1500, "a"), quotas.produce(1000, "b")], [500, 0]);
  quotas.set(["bob", undefined], "producer_byte_rate", 1000);
  assertEquals([quotas.produce(1000, "a", BOB), quotas.produce(500, "b", BOB)], [0, 500]);
});

Deno.test("client quotas: a share of the broker's time is counted in milliseconds", () => {
  const quotas = new Quotas();
  quotas.set([null, undefined], "request_percentage", 10);
  assertEquals(quotas.manager.charge("request", ANN, "c", 100), 0);
  assertEquals(quotas.manager.charge("request", ANN, "c", 5), 50);
});

/** As many clients as there may be accounts, and more. */
const CROWD = 30_000;

Deno.test("client quotas: who owes something owes it still, whatever others call themselves", () => {
  const quotas = new Quotas();
  quotas.set([undefined, null], "producer_byte_rate", 1000);
  assertEquals(quotas.produce(11_000, "debtor"), 10_000);
  assertEquals(quotas.produce(600, "spender"), 0);
  for (let i = 0; i < CROWD; i++) quotas.produce(1, `crowd ${i}`);
  assertEquals(quotas.produce(0, "debtor"), 10_000);
  assertEquals(quotas.produce(600, "spender"), 200, "it was not full when it came back");
});

Deno.test("client quotas: names that are made up for each request cost a bounded amount", () => {
  const quotas = new Quotas();
  quotas.set([undefined, null], "producer_byte_rate", 1000);
  for (let i = 0; i < 10; i++) quotas.produce(5000, `early ${i}`);
  const long = "x".repeat(30_000);
  for (let i = 0; i < CROWD; i++) quotas.produce(5000, `${i} ${long}`);
  const { size } = quotas.manager;
  assert(size <= 10_001, `${size} accounts`);
  assert(quotas.produce(1, "another") > 0, "beyond, all are one");
  quotas.set([undefined, "named"], "producer_byte_rate", 1000);
  assertEquals(quotas.produce(900, "named"), 0, "but for those that are named");
  // Once they owe nothing they are forgotten, as others come.
  quotas.now += 60_000;
  for (let i = 0; i < CROWD; i++) {
    quotas.now += 1;
    assertEquals(quotas.produce(1, `late ${i}`), 0);
  }
  assert(quotas.manager.size < 100, `${quotas.manager.size} accounts`);
});

Deno.test("client quotas: after an hour of rest nobody owes anything", () => {
  const quotas = new Quotas();
  quotas.set([undefined, null], "producer_byte_rate", 1);
  assertEquals(quotas.produce(1e6, "c"), 30_000);
  quotas.now += 3_599_000;
  quotas.produce(1, "other 1");
  assertEquals(quotas.produce(0, "c"), 30_000);
  quotas.now += 3_600_000;
  quotas.produce(1, "other 2");
  assertEquals(quotas.produce(0, "c"), 0);
});

Deno.test("client quotas: the controller refuses what nobody could keep to, entity by entity", () => {
  const image = imageOf();
  const ops = (key: string, value: number) => [{ key, value, remove: false }];
  const user = (entityName: string | null) => [{ entityType: "user", entityName }];
  const { records, response } = alterClientQuotas(contextOf(image), {
    entries: [
      { entity: user("a"), ops: ops("producer_byte_rate", 5) },
      { entity: user("b"), ops: ops("producer_byte_rate", 0) },
      { entity: user("c"), ops: ops("no_such_rate", 5) },
      { entity: [{ entityType: "ip", entityName: "1.1.1.1" }], ops: ops("request_percentage", 5) },
      { entity: user("a"), ops: ops("producer_byte_rate", 6) },
      { entity: [], ops: ops("producer_byte_rate", 6) },
      { entity: user(null), ops: [{ key: "consumer_byte_rate", value: 0, remove: true }] },
    ],
    validateOnly: false,
  });
  const { INVALID_REQUEST, NONE } = ErrorCode;
  const codes = response.entries.map(({ errorCode }) => errorCode);
  const wrong = [1, 2, 3, 4, 5];
  assertEquals(codes, codes.map((_, index) => wrong.includes(index) ? INVALID_REQUEST : NONE));
  // To remove what is not there is nothing to write.
  assertEquals(records.length, 1);
});

Deno.test("client quotas: they are in snapshots, and can be undone", () => {
  const { image, set } = makeSet();
  set(["ann", null], "producer_byte_rate", 7.5);
  set([undefined, "c"], "request_percentage", 50);
  const loaded = new ClusterImage();
  assertEquals(loaded.load(image.records()).map(({ kind }) => kind), ["client-quota"]);
  assert(loaded.clientQuotas.equals(image.clientQuotas));
  const undo: (() => void)[] = [];
  const entity = [{ entityType: "user", entityName: "ann" }, {
    entityType: "client-id",
    entityName: null,
  }];
  loaded.replay({
    kind: "ClientQuotaRecord",
    value: { entity, key: "producer_byte_rate", value: 0, remove: true },
  }, undo);
  assert(!loaded.clientQuotas.equals(image.clientQuotas));
  for (const step of undo) step();
  assert(loaded.clientQuotas.equals(image.clientQuotas));
});

function makeSet() {
  const quotas = new Quotas();
  return { image: quotas.image, set: quotas.set.bind(quotas) };
}
