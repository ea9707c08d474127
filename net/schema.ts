/**
 * The field-table language: one table per message, from which everything else is derived.
 *
 * A table holds what Kafka's own message definitions hold: the fields in wire order, and for each
 * its type, versions, nullable versions, default, tag, and whether it may be dropped silently when
 * a version lacks it. The TypeScript type is inferred from it (`Infer`), and so are the defaults
 * (schema/make.ts), the native codec (msgpack.ts), the Kafka codec (kafka/codec.ts) and, in the
 * tests, the arbitraries. Tables are data: nothing here reads or writes a byte.
 *
 * Invariants: field names are plain identifiers, so that code can be generated from them; a tagged
 * field has a tag of its own in its struct; a default is a value of the field's type.
 *
 * @module
 */

import { type Uuid, ZERO_UUID } from "../storage/bytes/ids.ts";
import { NO_VERSIONS, parseVersions, type VersionRange } from "./schema/versions.ts";

export { type Draft, make } from "./schema/make.ts";
export type { VersionRange } from "./schema/versions.ts";

/** The kinds of number, with the bounds that codecs hold them to. */
export type IntegerKind = "int8" | "int16" | "uint16" | "int32" | "uint32" | "int64";

/** The type of a field, or of the elements of an array. */
export type FieldType =
  | { readonly kind: IntegerKind | "bool" | "float64" | "string" | "uuid" }
  /** Raw bytes; `records` are those of record batches, which the native encoding attaches. */
  | { readonly kind: "bytes" | "records" }
  | { readonly kind: "array"; readonly element: FieldType }
  | { readonly kind: "struct"; readonly fields: readonly NamedField[] };

declare const inferred: unique symbol;

/** One field of a table; `T` is the TypeScript type of its value. */
export interface Field<T = unknown> {
  readonly type: FieldType;
  readonly versions: VersionRange;
  readonly nullableVersions: VersionRange;
  /** The versions in which it travels in the tag buffer. */
  readonly taggedVersions: VersionRange;
  /** Its number in the tag buffer, or -1. */
  readonly tag: number;
  /** Whether a value other than the default is dropped, not refused, where the version lacks it. */
  readonly ignorable: boolean;
  /** The default of a leaf, or null; `undefined` for an empty array and a struct of defaults. */
  readonly default: boolean | number | string | Uint8Array | null | undefined;
  readonly [inferred]?: T;
}

export interface NamedField extends Field {
  readonly name: string;
}

/** A whole message, record or data structure: a named struct with its versions. */
export interface Table<T = unknown> {
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexibleVersions: VersionRange;
  readonly fields: readonly NamedField[];
  readonly [inferred]?: T;
}

/** The TypeScript type of a field's value or of a table's message: readonly, nothing optional. */
export type Infer<F> = F extends { readonly [inferred]?: infer T } ? Exclude<T, undefined> : never;

/** What any field may say about itself. */
export interface FieldOptions<T> {
  /** `"0+"` when absent. */
  readonly versions?: string;
  readonly nullableVersions?: string;
  /** Zero, false, empty or the zero uuid when absent; null for records. */
  readonly default?: T;
  readonly tag?: number;
  readonly taggedVersions?: string;
  readonly ignorable?: boolean;
}

type NumberOptions = FieldOptions<number>;
type Nullable<T, O> = O extends { readonly nullableVersions: string } ? T | null : T;

const BOUNDS: Readonly<Record<IntegerKind, readonly [number, number]>> = {
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  uint16: [0, 0xffff],
  int32: [-0x80000000, 0x7fffffff],
  uint32: [0, 0xffffffff],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** The smallest and the largest value of a kind of integer; an int64 is a safe integer here. */
export function integerBounds(kind: IntegerKind): readonly [number, number] {
  return BOUNDS[kind];
}

const EMPTY_BYTES = new Uint8Array(0);

function field<T>(
  type: FieldType,
  natural: Field["default"],
  options: FieldOptions<unknown> = {},
): Field<T> {
  const tagged = options.taggedVersions !== undefined;
  if (tagged !== (options.tag !== undefined)) {
    throw new TypeError("Cannot declare field: a tag needs tagged versions, and they need a tag");
  }
  const nullableVersions = options.nullableVersions === undefined
    ? NO_VERSIONS
    : parseVersions(options.nullableVersions);
  if (options.default === null && options.nullableVersions === undefined) {
    throw new TypeError("Cannot declare field: it defaults to null but is never nullable");
  }
  return {
    type,
    versions: parseVersions(options.versions ?? "0+"),
    nullableVersions,
    taggedVersions: tagged ? parseVersions(options.taggedVersions) : NO_VERSIONS,
    tag: options.tag ?? -1,
    ignorable: options.ignorable ?? false,
    default: options.default === undefined ? natural : options.default as Field["default"],
  };
}

function integer(kind: IntegerKind, options: NumberOptions | undefined): Field<number> {
  const [min, max] = BOUNDS[kind];
  const value = options?.default ?? 0;
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`Cannot declare field: default ${value} is no ${kind}`);
  }
  return field({ kind }, 0, options);
}

export function int8(options?: NumberOptions): Field<number> {
  return integer("int8", options);
}

export function int16(options?: NumberOptions): Field<number> {
  return integer("int16", options);
}

export function uint16(options?: NumberOptions): Field<number> {
  return integer("uint16", options);
}

export function int32(options?: NumberOptions): Field<number> {
  return integer("int32", options);
}

export function uint32(options?: NumberOptions): Field<number> {
  return integer("uint32", options);
}

/** A 64-bit integer, held as a number: codecs refuse what is not a safe integer. */
export function int64(options?: NumberOptions): Field<number> {
  return integer("int64", options);
}

export function float64(options?: NumberOptions): Field<number> {
  return field({ kind: "float64" }, 0, options);
}

export function bool(options?: FieldOptions<boolean>): Field<boolean> {
  return field({ kind: "bool" }, false, options);
}

/** UTF-8 text of at most 32767 bytes. */
export function string<const O extends FieldOptions<string | null>>(
  options?: O,
): Field<Nullable<string, O>> {
  return field({ kind: "string" }, "", options);
}

/** A 128-bit id: 16 bytes on the wire, 22 characters of base64url here. */
export function uuid(options?: FieldOptions<never>): Field<Uuid> {
  return field({ kind: "uuid" }, ZERO_UUID, options);
}

/** Raw bytes, part of the message itself. */
export function bytes<const O extends FieldOptions<null>>(
  options?: O,
): Field<Nullable<Uint8Array, O>> {
  return field({ kind: "bytes" }, EMPTY_BYTES, options);
}

/** Record batches: bytes that are handed on, not looked into; null by default where they may be. */
export function records<const O extends FieldOptions<null>>(
  options?: O,
): Field<Nullable<Uint8Array, O>> {
  const natural = options?.nullableVersions === undefined ? EMPTY_BYTES : null;
  return field({ kind: "records" }, natural, options);
}

/** A list; the element says its type only, never options. Empty by default. */
export function array<E, const O extends FieldOptions<null>>(
  element: Field<E>,
  options?: O,
): Field<Nullable<readonly E[], O>> {
  if (element.type.kind === "array") {
    throw new TypeError("Cannot declare an array in an array: Kafka's protocol has none");
  }
  return field({ kind: "array", element: element.type }, undefined, options);
}

/** Fields by name, in wire order. */
export type Shape = Readonly<Record<string, Field>>;

/** The object type of a shape. */
export type InferShape<S extends Shape> = { readonly [K in keyof S]: Infer<S[K]> };

/** A struct of fields; all of them at their defaults by default. */
export function struct<S extends Shape, const O extends FieldOptions<null>>(
  shape: S,
  options?: O,
): Field<Nullable<InferShape<S>, O>> {
  return field({ kind: "struct", fields: namedFields(shape) }, undefined, options);
}

function namedFields(shape: Shape): readonly NamedField[] {
  const tags = new Set<number>();
  return Object.entries(shape).map(([name, declared]) => {
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) {
      throw new TypeError(`Cannot declare field ${name}: the name is no camel-case identifier`);
    }
    if (declared.tag >= 0) {
      if (tags.has(declared.tag)) {
        throw new TypeError(`Cannot declare field ${name}: tag ${declared.tag} is taken`);
      }
      tags.add(declared.tag);
    }
    return { ...declared, name };
  });
}

/** The definition of a table: `fields` is a struct without options. */
export interface TableDefinition<T> {
  readonly name: string;
  readonly versions: string;
  /** The versions in Kafka's flexible encoding: compact lengths and tag buffers. */
  readonly flexibleVersions: string;
  readonly fields: Field<T>;
}

/** Declares a data structure that is neither a request nor a response nor a metadata record. */
export function table<T>(definition: TableDefinition<T>): Table<T> {
  const { type } = definition.fields;
  if (type.kind !== "struct") {
    throw new TypeError(`Cannot declare ${definition.name}: its fields are no struct`);
  }
  return {
    name: definition.name,
    versions: parseVersions(definition.versions),
    flexibleVersions: parseVersions(definition.flexibleVersions),
    fields: type.fields,
  };
}

/** A kind of record in a log, told from others by its type number. */
export interface RecordTable<T = unknown> extends Table<T> {
  readonly type: number;
}

/** Declares a record by its type number (Kafka calls it `apiKey`). */
export function record<T>(
  definition: TableDefinition<T> & { readonly type: number },
): RecordTable<T> {
  return { ...table(definition), type: definition.type };
}

/** One API: a request and its response, which share key and versions. */
export interface Api<Request = unknown, Response = unknown> {
  readonly key: number;
  readonly name: string;
  /** The versions whose shape the tables describe, and that are served. */
  readonly versions: VersionRange;
  /** The versions that ApiVersions shows; wider than `versions` only where clients need it. */
  readonly advertisedVersions: VersionRange;
  readonly flexibleVersions: VersionRange;
  readonly request: Table<Request>;
  readonly response: Table<Response>;
}

/** The definition of an API, as in Kafka's message files. */
export interface ApiDefinition<Request, Response> {
  readonly key: number;
  readonly name: string;
  readonly versions: string;
  readonly advertisedVersions?: string;
  readonly flexibleVersions: string;
  readonly request: Field<Request>;
  readonly response: Field<Response>;
}

/** Declares an API. */
export function api<Request, Response>(
  definition: ApiDefinition<Request, Response>,
): Api<Request, Response> {
  const { key, name, versions, flexibleVersions } = definition;
  const request = table({
    name: `${name}Request`,
    versions,
    flexibleVersions,
    fields: definition.request,
  });
  const response = table({
    name: `${name}Response`,
    versions,
    flexibleVersions,
    fields: definition.response,
  });
  return {
    key,
    name,
    versions: request.versions,
    advertisedVersions: parseVersions(definition.advertisedVersions ?? versions),
    flexibleVersions: request.flexibleVersions,
    request,
    response,
  };
}
