import { assert, assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { FETCH, type FetchRequest } from "../../net/messages/fetch.ts";
import { PARTITION_CHANGE_RECORD } from "../../net/messages/records/partition_change_record.ts";
import {
  api,
  array,
  bool,
  bytes,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  make,
  records,
  string,
  struct,
  table,
  uint16,
  uuid,
} from "../../net/schema.ts";

/** True only if the two types are each other's. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** Fails to compile unless told that the types are the same. */
function same<_A, _B>(_: Same<_A, _B>): void {}

Deno.test("schema: types are inferred: readonly, required, nullable where declared", () => {
  const _table = struct({
    plain: int32(),
    nullable: string({ nullableVersions: "3+" }),
    list: array(struct({ flag: bool() }), { nullableVersions: "1+", default: null }),
    raw: bytes(),
    batches: records({ nullableVersions: "0+" }),
    inner: struct({ x: int8() }),
  });
  interface Expected {
    readonly plain: number;
    readonly nullable: string | null;
    readonly list: readonly { readonly flag: boolean }[] | null;
    readonly raw: Uint8Array;
    readonly batches: Uint8Array | null;
    readonly inner: { readonly x: number };
  }
  same<Infer<typeof _table>, Expected>(true);
  same<FetchRequest["topics"][number]["partitions"][number]["fetchOffset"], number>(true);
  // @ts-expect-error a field that the table lacks
  make(FETCH.request, { maxWait: 1 });
  // @ts-expect-error null where it is not allowed
  const refused = () => make(FETCH.request, { rackId: null });
  assert(refused !== undefined);
});

Deno.test("make: absent fields take their defaults, at every depth", () => {
  const request = make(FETCH.request, {
    maxWaitMs: 5,
    topics: [{ partitions: [{ partition: 1 }, {}] }],
  });
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: 0,
    replicaDirectoryId: "AAAAAAAAAAAAAAAAAAAAAA",
  };
  assertEquals(request, {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 5,
    minBytes: 0,
    maxBytes: 0x7fffffff,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{
      topic: "",
      topicId: "AAAAAAAAAAAAAAAAAAAAAA",
      partitions: [{ ...partition, partition: 1 }, partition],
    }],
    forgottenTopicsData: [],
    rackId: "",
  });
  assertEquals(Object.keys(request), FETCH.request.fields.map((field) => field.name));
});

Deno.test("make: null stays null, undefined counts as absent, zero and empty are values", () => {
  const change = make(PARTITION_CHANGE_RECORD, { isr: [], leader: 0, replicas: undefined });
  assertEquals([change.isr, change.leader, change.replicas], [[], 0, null]);
  assertEquals(make(FETCH.request, { clusterId: null, maxBytes: 0 }).maxBytes, 0);
});

Deno.test("make: two messages share no default that could be changed", () => {
  const first = make(FETCH.request, {});
  const second = make(FETCH.request, {});
  assertNotStrictEquals(first.topics, second.topics);
  assertNotStrictEquals(first.replicaState, second.replicaState);
});

Deno.test("schema: a declaration that cannot be meant is refused", () => {
  const refusals: [() => unknown, string][] = [
    [() => int8({ default: 128 }), "default 128 is no int8"],
    [() => uint16({ default: -1 }), "default -1 is no uint16"],
    [() => int64({ default: 2 ** 53 }), "is no int64"],
    [() => int32({ default: 1.5 }), "is no int32"],
    [() => int32({ tag: 1 }), "a tag needs tagged versions"],
    [() => int32({ taggedVersions: "1+" }), "a tag needs tagged versions"],
    [() => string({ default: null }), "never nullable"],
    [() => int32({ versions: "3-1" }), "it is empty"],
    [() => int32({ versions: "new" }), 'Cannot parse version range "new"'],
    [() => array(array(int32())), "an array in an array"],
    [() => struct({ "a b": int32() }), "no camel-case identifier"],
    [() => struct({ Upper: int32() }), "no camel-case identifier"],
    [
      () =>
        struct({
          a: int32({ tag: 0, taggedVersions: "1+" }),
          b: int32({ tag: 0, taggedVersions: "1+" }),
        }),
      "tag 0 is taken",
    ],
    [
      () => table({ name: "T", versions: "0", flexibleVersions: "0+", fields: int32() }),
      "its fields are no struct",
    ],
  ];
  for (const [declare, reason] of refusals) assertThrows(declare, Error, reason);
});

Deno.test("schema: an API names its tables and shows the versions that it advertises", () => {
  const declared = api({
    key: 900,
    name: "Example",
    versions: "3-5",
    advertisedVersions: "0-5",
    flexibleVersions: "4+",
    request: struct({ id: uuid() }),
    response: struct({ errorCode: int16() }),
  });
  assertEquals([declared.request.name, declared.response.name], [
    "ExampleRequest",
    "ExampleResponse",
  ]);
  assertEquals(declared.versions, { min: 3, max: 5 });
  assertEquals(declared.advertisedVersions, { min: 0, max: 5 });
  assertEquals(declared.flexibleVersions, { min: 4, max: 32767 });
});
