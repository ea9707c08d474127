/**
 * fast-check arbitraries of messages, derived from their tables: all that a version can carry.
 *
 * @module
 */

import fc from "fast-check";
import { type FieldType, integerBounds, type NamedField, type Table } from "../../net/schema.ts";
import { make } from "../../net/schema/make.ts";
import { includes } from "../../net/schema/versions.ts";

/** The first and last version, and those between. */
export function versionsOf(table: Table): number[] {
  const { min, max } = table.versions;
  return Array.from({ length: max - min + 1 }, (_, index) => min + index);
}

/** Messages that the version can carry: fields that it lacks are at their defaults. */
export function messages<T>(table: Table<T>, version: number): fc.Arbitrary<T> {
  return structs(table.fields, version).map((draft) => make(table, draft as never));
}

function structs(fields: readonly NamedField[], version: number): fc.Arbitrary<object> {
  const present = fields.filter((field) => includes(field.versions, version));
  return fc.record(
    Object.fromEntries(present.map((field) => [field.name, fieldValues(field, version)])),
    { noNullPrototype: true },
  );
}

function fieldValues(field: NamedField, version: number): fc.Arbitrary<unknown> {
  const typed = values(field.type, version);
  const nullable = includes(field.nullableVersions, version);
  const present = nullable ? fc.option(typed, { nil: null, freq: 4 }) : typed;
  if (!includes(field.taggedVersions, version)) return present;
  // Defaults of tagged fields are left out on the wire, so they deserve to be common.
  return fc.oneof(present, fc.constant(undefined));
}

const short = { maxLength: 3, size: "max" } as const;

function values(type: FieldType, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case "bool":
      return fc.boolean();
    case "int8":
    case "int16":
    case "uint16":
    case "int32":
    case "uint32":
    case "int64":
      return integers(...integerBounds(type.kind));
    case "float64":
      // Without -0, which some encoders do not tell from 0.
      return fc.double().map((value) => value + 0);
    case "string":
      return fc.oneof(
        fc.string({ maxLength: 12 }),
        unicode(12),
        fc.string({ minLength: 30, maxLength: 300, size: "max" }),
      );
    case "uuid":
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidText);
    case "bytes":
    case "records":
      return fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.uint8Array({ minLength: 120, maxLength: 300, size: "max" }),
      );
    case "array":
      return fc.array(values(type.element, version), short);
    case "struct":
      return structs(type.fields, version);
  }
}

/** Text of any characters, in equal parts of one to four bytes in UTF-8. */
export function unicode(maxLength: number): fc.Arbitrary<string> {
  const codePoint = fc.oneof(
    fc.nat(0x7f),
    fc.integer({ min: 0x80, max: 0x7ff }),
    fc.integer({ min: 0x800, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  );
  return fc.array(codePoint, { maxLength, size: "max" }).map((codes) =>
    String.fromCodePoint(...codes)
  );
}

const EDGES = [0, 31, 127, 255, 65535, 2 ** 31 - 1, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER]
  .flatMap((edge) => [edge, edge + 1, -edge - 1, -edge]);

/** Integers of every length, not only those around zero and the bounds. */
function integers(min: number, max: number): fc.Arbitrary<number> {
  const edges = EDGES.filter((edge) => edge >= min && edge <= max && Number.isSafeInteger(edge));
  const any = fc.tuple(fc.maxSafeInteger(), fc.nat(53)).map(([value, bits]) =>
    Math.trunc(value / 2 ** bits)
  );
  const wide = any.map((value) => value + 0);
  const within = max > 2 ** 32 ? wide : fc.integer({ min, max });
  return fc.oneof(within, fc.constantFrom(...edges.map((edge) => edge + 0)));
}

/** The text of 16 bytes, made the slow way, so that it can check the quick one. */
export function uuidText(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
