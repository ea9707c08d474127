/**
 * Compiles a table and a version to a function that writes messages, in any form.
 *
 * A value that is not what the table says is refused with its path. So is a value other than the
 * default in a field that the version lacks, unless the field is ignorable: silence would lose it.
 *
 * @module
 */

import type { FieldType, NamedField, Table } from "../schema.ts";
import { differsFromDefault } from "./defaults.ts";
import { inElement, inField, refuse } from "./fault.ts";
import { checkVersion, type Form, layoutOf, nilIsDefault } from "./layout.ts";
import { SourceBuilder } from "./source.ts";
import { includes } from "./versions.ts";

/** What a form must be able to write. Methods refuse (`Fault`) values that are not of the type. */
export interface FieldWriter {
  bool(value: boolean): void;
  int8(value: number): void;
  int16(value: number): void;
  uint16(value: number): void;
  int32(value: number): void;
  uint32(value: number): void;
  int64(value: number): void;
  float64(value: number): void;
  string(value: string): void;
  uuid(value: string): void;
  bytes(value: Uint8Array): void;
  records(value: Uint8Array): void;
  /** Begins an array; its elements follow. */
  array(length: number): void;
  /** Begins a struct; its fields follow. */
  struct(fields: number): void;
  /** Begins a struct that could have been null. */
  presentStruct(fields: number): void;
  nullString(): void;
  nullBytes(): void;
  nullRecords(): void;
  nullArray(): void;
  nullStruct(): void;
  /** Stands for the default of a tagged field; native only. */
  defaultValue(): void;
  /** The number of tagged fields that follow; flexible only, as are the next two. */
  tags(count: number): void;
  /** Begins a tagged field; the result goes to `endTag`. */
  beginTag(tag: number): number;
  endTag(start: number): void;
}

/** Writes the fields of a message, without what begins its outermost struct. */
export type WriteMessage<Writer> = (writer: Writer, message: unknown) => void;

/** @throws {RangeError} if the table does not describe the version. */
export function compileWriter<Writer extends FieldWriter>(
  table: Table,
  version: number,
  form: Form,
): WriteMessage<Writer> {
  checkVersion(table, version);
  const compilation = new WriterCompilation(version, form);
  return compilation.source.compile(compilation.fields(table.fields, []));
}

const NULLS = {
  string: "nullString",
  bytes: "nullBytes",
  records: "nullRecords",
  array: "nullArray",
  struct: "nullStruct",
} as const;

class WriterCompilation {
  readonly source = new SourceBuilder();
  readonly #version: number;
  readonly #form: Form;

  constructor(version: number, form: Form) {
    this.#version = version;
    this.#form = form;
  }

  /** Defines the function that writes the fields of a struct. */
  fields(fields: readonly NamedField[], opening: readonly string[]): string {
    const { present, tagged, absent } = layoutOf(fields, this.#version, this.#form);
    const names = fields.map((field) => field.name);
    const at = (field: NamedField) => `at = ${names.indexOf(field.name)};`;
    const body = [
      ...absent.filter((field) => !field.ignorable).map((field) =>
        `${at(field)} ${this.#lacks(field)}`
      ),
      "at = -1;",
      ...opening,
      ...present.map((field) => `${at(field)} ${this.#place(field)}`),
      ...this.#form === "flexible" ? this.#tags(tagged, at) : [],
    ];
    const caught = `${this.source.constant(inField)}(error, ${this.source.constant(names)}, at)`;
    return this.source.define("write", "writer, message", [
      "let at = -1;",
      "try {",
      ...body,
      `} catch (error) { throw ${caught}; }`,
    ]);
  }

  #struct(fields: readonly NamedField[]): string {
    return this.source.once("struct", fields, () => {
      const { present } = layoutOf(fields, this.#version, this.#form);
      return this.fields(fields, [`writer.struct(${present.length});`]);
    });
  }

  #presentStruct(fields: readonly NamedField[]): string {
    const { present } = layoutOf(fields, this.#version, this.#form);
    return this.fields(fields, [`writer.presentStruct(${present.length});`]);
  }

  #lacks(field: NamedField): string {
    const refusal = this.source.constant(refuse);
    const reason = JSON.stringify("this version lacks the field, and the value is not the default");
    const differs = differsFromDefault(this.source, field, `message.${field.name}`);
    return `if (${differs}) ${refusal}(${reason});`;
  }

  /** A field in its place in the struct. */
  #place(field: NamedField): string {
    const written = this.#field(field);
    if (this.#form !== "native" || !nilIsDefault(field, this.#version)) return written;
    const differs = differsFromDefault(this.source, field, `message.${field.name}`);
    return `if (${differs}) { ${written} } else writer.defaultValue();`;
  }

  #field(field: NamedField): string {
    const value = `message.${field.name}`;
    const { type } = field;
    if (!includes(field.nullableVersions, this.#version)) return this.#value(type, value);
    const present = type.kind === "struct"
      ? `${this.#presentStruct(type.fields)}(writer, ${value});`
      : this.#value(type, value);
    const nothing = NULLS[type.kind as keyof typeof NULLS];
    return `if (${value} === null) writer.${nothing}(); else { ${present} }`;
  }

  #value(type: FieldType, value: string): string {
    switch (type.kind) {
      case "struct":
        return `${this.#struct(type.fields)}(writer, ${value});`;
      case "array":
        return `${this.#elements(type.element)}(writer, ${value});`;
      default:
        return `writer.${type.kind}(${value});`;
    }
  }

  /** Defines the function that writes an array. */
  #elements(element: FieldType): string {
    return this.source.once("array", element, () => {
      const written = this.#value(element, "array[index]");
      return this.source.define("writeArray", "writer, array", [
        "let index = -1;",
        "try {",
        `if (array === null) ${this.source.constant(refuse)}("null is not allowed");`,
        "const length = array.length;",
        "writer.array(length);",
        `for (index = 0; index < length; index++) { ${written} }`,
        `} catch (error) { throw ${this.source.constant(inElement)}(error, index); }`,
      ]);
    });
  }

  #tags(tagged: readonly NamedField[], at: (field: NamedField) => string): string[] {
    const conditions = tagged.map((field) =>
      differsFromDefault(this.source, field, `message.${field.name}`)
    );
    const count = conditions.map((condition) => `(${condition} ? 1 : 0)`);
    return [
      `writer.tags(${count.length === 0 ? "0" : count.join(" + ")});`,
      ...tagged.map((field, index) =>
        `${at(field)} if (${conditions[index]}) { const start = writer.beginTag(${field.tag}); ` +
        `${this.#field(field)} writer.endTag(start); }`
      ),
    ];
  }
}
