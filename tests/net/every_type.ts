/**
 * A table with every type in every role, for what no table of the protocol has.
 *
 * @module
 */

import {
  array,
  bool,
  bytes,
  float64,
  int16,
  int32,
  int64,
  int8,
  records,
  string,
  struct,
  table,
  uint16,
  uint32,
  uuid,
} from "../../net/schema.ts";

const INNER = struct({
  name: string({ default: "anonymous" }),
  later: int32({ versions: "1+", default: -1 }),
  nested: array(struct({ flag: bool({ default: true }) })),
});

/** Version 0 is plain, 1 flexible, 2 flexible with tags. */
export const EVERY_TYPE = table({
  name: "EveryType",
  versions: "0-2",
  flexibleVersions: "1+",
  fields: struct({
    bool: bool(),
    int8: int8(),
    int16: int16(),
    uint16: uint16(),
    int32: int32(),
    uint32: uint32({ default: 7 }),
    int64: int64({ default: -1 }),
    float64: float64({ default: 0.5 }),
    string: string(),
    nullableString: string({ nullableVersions: "0+", default: null }),
    uuid: uuid(),
    bytes: bytes(),
    nullableBytes: bytes({ nullableVersions: "1+" }),
    records: records(),
    nullableRecords: records({ nullableVersions: "0+" }),
    inner: INNER,
    nullableInner: struct({ value: int8() }, { nullableVersions: "0+", default: null }),
    strings: array(string()),
    uuids: array(uuid()),
    nullableInts: array(int64(), { nullableVersions: "0+" }),
    inners: array(INNER, { nullableVersions: "0+", default: null }),
    removed: int32({ versions: "0" }),
    ignored: string({ versions: "0", ignorable: true, default: "old" }),
    // Tags, out of the order of fields.
    taggedString: string({
      versions: "2+",
      nullableVersions: "2+",
      default: null,
      tag: 3,
      taggedVersions: "2+",
    }),
    taggedNull: string({ versions: "2+", nullableVersions: "2+", tag: 1, taggedVersions: "2+" }),
    taggedInner: struct(
      { value: int32({ default: 5 }), text: string() },
      { versions: "2+", tag: 0, taggedVersions: "2+" },
    ),
    taggedNullableInner: struct(
      { value: int32() },
      { versions: "2+", nullableVersions: "2+", default: null, tag: 9, taggedVersions: "2+" },
    ),
    taggedBytes: bytes({ versions: "2+", tag: 4, taggedVersions: "2+" }),
    taggedInts: array(int32(), { versions: "2+", tag: 200, taggedVersions: "2+" }),
    taggedLater: int64({ versions: "1+", tag: 20, taggedVersions: "2+", default: 40 }),
  }),
});
