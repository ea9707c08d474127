/**
 * Whole messages from partial ones: absent fields take their defaults, at every depth.
 *
 * @module
 */

import type { NamedField, Table } from "../schema.ts";
import { defaultValue } from "./defaults.ts";
import { SourceBuilder } from "./source.ts";

/** A message in which fields may be left out, to be filled with their defaults. */
export type Draft<T> = T extends string | number | boolean | null | Uint8Array ? T
  : T extends readonly (infer E)[] ? readonly Draft<E>[]
  : { readonly [K in keyof T]?: Draft<T[K]> | undefined };

const makers = new WeakMap<Table, (draft: unknown) => unknown>();

/** The message with every absent (or undefined) field at its default. The draft is not changed. */
export function make<T>(table: Table<T>, draft: Draft<T>): T {
  let maker = makers.get(table);
  if (maker === undefined) {
    const source = new SourceBuilder();
    maker = source.compile<(draft: unknown) => unknown>(defineMaker(source, table.fields));
    makers.set(table, maker);
  }
  return maker(draft) as T;
}

function defineMaker(source: SourceBuilder, fields: readonly NamedField[]): string {
  const members = fields.map((field) => `${field.name}: ${madeValue(source, field)},`);
  return source.define("make", "draft", ["return {", ...members, "};"]);
}

function madeValue(source: SourceBuilder, field: NamedField): string {
  const value = `draft.${field.name}`;
  const { type } = field;
  if (type.kind === "struct") {
    const maker = defineMaker(source, type.fields);
    const absent = field.default === null ? "null" : `${maker}({})`;
    return `${value} === undefined ? ${absent} : ${value} === null ? null : ${maker}(${value})`;
  }
  if (type.kind === "array" && type.element.kind === "struct") {
    const maker = defineMaker(source, type.element.fields);
    const absent = field.default === null ? "null" : "[]";
    const made = `${value}.map((element) => ${maker}(element))`;
    return `${value} === undefined ? ${absent} : ${value} === null ? null : ${made}`;
  }
  return `${value} === undefined ? ${defaultValue(source, field)} : ${value}`;
}
