/**
 * Compiles a table and a version to a function that reads messages, in any form.
 *
 * What it returns is valid: every value was checked against its type, or is the default of a field
 * that the version lacks. Bytes that are not what the table says are refused with the path.
 *
 * @module
 */

import type { FieldType, NamedField, Table } from "../schema.ts";
import { defaultValue } from "./defaults.ts";
import { inElement, inField } from "./fault.ts";
import { checkVersion, type Form, layoutOf, nilIsDefault } from "./layout.ts";
import { SourceBuilder } from "./source.ts";
import { includes } from "./versions.ts";

/** What a form must be able to read. Methods refuse (`Fault`, `RangeError`) what is not there. */
export interface FieldReader {
  bool(): boolean;
  int8(): number;
  int16(): number;
  uint16(): number;
  int32(): number;
  uint32(): number;
  int64(): number;
  float64(): number;
  string(): string;
  uuid(): string;
  bytes(): Uint8Array;
  records(): Uint8Array;
  /** The number of elements that follow: at most as many as there are bytes left. */
  array(): number;
  /** Begins a struct of exactly so many fields. */
  struct(fields: number): void;
  nullableString(): string | null;
  nullableBytes(): Uint8Array | null;
  nullableRecords(): Uint8Array | null;
  /** As `array`; -1 is null. */
  nullableArray(): number;
  /** As `struct`; whether it is there. */
  nullableStruct(fields: number): boolean;
  /** Passes over what stands for the default of a tagged field, if it is next; native only. */
  isDefault(): boolean;
  /** The number of tagged fields that follow; flexible only, as are the next three. */
  tags(): number;
  tag(): number;
  /** Begins the value of a tagged field and returns where it ends. */
  beginTag(): number;
  /** Ends the value of a field whose tag is known: it must have been read to its end. */
  endTag(end: number): void;
  /** Passes over the value of a field whose tag is unknown. */
  skipTag(end: number): void;
}

/** Reads the fields of a message, without what begins its outermost struct. */
export type ReadMessage<Reader> = (reader: Reader) => unknown;

/** @throws {RangeError} if the table does not describe the version. */
export function compileReader<Reader extends FieldReader>(
  table: Table,
  version: number,
  form: Form,
): ReadMessage<Reader> {
  checkVersion(table, version);
  const compilation = new ReaderCompilation(version, form);
  return compilation.source.compile(compilation.fields(table.fields, []));
}

const NULLABLE = {
  string: "nullableString",
  bytes: "nullableBytes",
  records: "nullableRecords",
} as const;

class ReaderCompilation {
  readonly source = new SourceBuilder();
  readonly #version: number;
  readonly #form: Form;

  constructor(version: number, form: Form) {
    this.#version = version;
    this.#form = form;
  }

  /** Defines the function that reads the fields of a struct. */
  fields(fields: readonly NamedField[], opening: readonly string[]): string {
    const { present, tagged } = layoutOf(fields, this.#version, this.#form);
    const names = fields.map((field) => field.name);
    const at = (field: NamedField) => `at = ${names.indexOf(field.name)};`;
    const members = fields.map((field) =>
      present.includes(field) || tagged.includes(field)
        ? `${field.name}: field${names.indexOf(field.name)},`
        : `${field.name}: ${defaultValue(this.source, field)},`
    );
    const caught = `${this.source.constant(inField)}(error, ${this.source.constant(names)}, at)`;
    return this.source.define("read", "reader", [
      "let at = -1;",
      "try {",
      ...opening,
      ...present.map((field) =>
        `${at(field)} const field${names.indexOf(field.name)} = ${this.#place(field)};`
      ),
      ...this.#form === "flexible" ? this.#tags(tagged, names, at) : [],
      "return {",
      ...members,
      "};",
      `} catch (error) { throw ${caught}; }`,
    ]);
  }

  #struct(fields: readonly NamedField[]): string {
    return this.source.once("struct", fields, () => {
      const { present } = layoutOf(fields, this.#version, this.#form);
      return this.fields(fields, [`reader.struct(${present.length});`]);
    });
  }

  /** A field in its place in the struct. */
  #place(field: NamedField): string {
    const value = this.#field(field);
    if (this.#form !== "native" || !nilIsDefault(field, this.#version)) return value;
    return `reader.isDefault() ? ${defaultValue(this.source, field)} : ${value}`;
  }

  #field(field: NamedField): string {
    const { type } = field;
    if (!includes(field.nullableVersions, this.#version)) return this.#value(type);
    switch (type.kind) {
      case "struct": {
        const { present } = layoutOf(type.fields, this.#version, this.#form);
        const fields = this.fields(type.fields, []);
        return `reader.nullableStruct(${present.length}) ? ${fields}(reader) : null`;
      }
      case "array":
        return `${this.#elements(type.element, true)}(reader)`;
      default:
        return `reader.${NULLABLE[type.kind as keyof typeof NULLABLE]}()`;
    }
  }

  #value(type: FieldType): string {
    switch (type.kind) {
      case "struct":
        return `${this.#struct(type.fields)}(reader)`;
      case "array":
        return `${this.#elements(type.element, false)}(reader)`;
      default:
        return `reader.${type.kind}()`;
    }
  }

  /** Defines the function that reads an array. It grows as elements come: a count is a claim. */
  #elements(element: FieldType, nullable: boolean): string {
    return this.source.define("readArray", "reader", [
      "let index = -1;",
      "try {",
      `const length = reader.${nullable ? "nullableArray" : "array"}();`,
      ...nullable ? ["if (length < 0) return null;"] : [],
      "const array = [];",
      `for (index = 0; index < length; index++) array.push(${this.#value(element)});`,
      "return array;",
      `} catch (error) { throw ${this.source.constant(inElement)}(error, index); }`,
    ]);
  }

  #tags(
    tagged: readonly NamedField[],
    names: readonly string[],
    at: (field: NamedField) => string,
  ): string[] {
    const name = (field: NamedField) => `field${names.indexOf(field.name)}`;
    return [
      ...tagged.map((field) => `let ${name(field)} = ${defaultValue(this.source, field)};`),
      "at = -1;",
      "for (let count = reader.tags(); count > 0; count--) {",
      "const tag = reader.tag();",
      "const end = reader.beginTag();",
      "switch (tag) {",
      ...tagged.map((field) =>
        `case ${field.tag}: ${at(field)} ${name(field)} = ${this.#field(field)}; ` +
        "reader.endTag(end); at = -1; break;"
      ),
      "default: reader.skipTag(end);",
      "}",
      "}",
    ];
  }
}
