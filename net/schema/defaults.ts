/**
 * The source of a field's default, and of the test whether a value is it.
 *
 * @module
 */

import type { NamedField } from "../schema.ts";
import { literal, type SourceBuilder } from "./source.ts";

/** An expression for the default; a fresh value where it could be changed. */
export function defaultValue(source: SourceBuilder, field: NamedField): string {
  if (field.default instanceof Uint8Array) return source.constant(field.default);
  if (field.default !== undefined) return literal(field.default);
  if (field.type.kind !== "struct") return "[]";
  const members = field.type.fields.map((inner) => `${inner.name}: ${defaultValue(source, inner)}`);
  return `{ ${members.join(", ")} }`;
}

/** A condition that the value, given as an expression without side effects, is not the default. */
export function differsFromDefault(
  source: SourceBuilder,
  field: NamedField,
  value: string,
): string {
  const { type } = field;
  if (field.default !== undefined && !(field.default instanceof Uint8Array)) {
    return `${value} !== ${literal(field.default)}`;
  }
  if (type.kind !== "struct") return `(${value} === null || ${value}.length !== 0)`;
  const differs = source.once("differs", type, () => {
    const conditions = type.fields.map((inner) =>
      differsFromDefault(source, inner, `value.${inner.name}`)
    );
    return source.define("differs", "value", [
      `return ${["value === null", ...conditions].join(" || ")};`,
    ]);
  });
  return `${differs}(${value})`;
}
