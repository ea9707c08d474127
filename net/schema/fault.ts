/**
 * What codecs throw when bytes or values are not what a table says, and where they are.
 *
 * A codec throws a `Fault` with the reason alone; each struct and array on the way out prepends its
 * part of the path; the codec's entry turns it into a `MalformedMessageError`.
 *
 * @module
 */

/** A message that cannot be decoded, or encoded, as its table demands. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";

  constructor(
    readonly operation: "decode" | "encode",
    /** The name of the table, like `FetchRequest`. */
    readonly table: string,
    readonly version: number,
    /** The field, like `topics[0].partitions[2].fetchOffset`; empty for the message as a whole. */
    readonly path: string,
    readonly reason: string,
  ) {
    const place = path === "" ? "" : `field ${path}: `;
    super(`Cannot ${operation} ${table} version ${version}: ${place}${reason}`);
  }
}

/** A fault on its way to the codec's entry. Internal to codecs. */
export class Fault extends Error {
  path = "";
}

/** Throws a fault. */
export function refuse(reason: string): never {
  throw new Fault(reason);
}

/** The error with the field that it happened in put before its path. */
export function inField(error: unknown, names: readonly string[], index: number): unknown {
  return located(error, names[index] ?? "");
}

/** The error with the element that it happened in put before its path. */
export function inElement(error: unknown, index: number): unknown {
  return located(error, index < 0 ? "" : `[${index}]`);
}

function located(error: unknown, part: string): unknown {
  // The primitives of storage/bytes say RangeError.
  const fault = error instanceof RangeError ? new Fault(error.message) : error;
  if (!(fault instanceof Fault)) return error;
  const joint = part === "" || fault.path === "" || fault.path.startsWith("[") ? "" : ".";
  fault.path = part + joint + fault.path;
  return fault;
}

/** What the codec's entry throws for an error that came out of it. */
export function malformed(
  error: unknown,
  operation: "decode" | "encode",
  table: { readonly name: string },
  version: number,
): unknown {
  if (error instanceof RangeError) {
    return new MalformedMessageError(operation, table.name, version, "", error.message);
  }
  if (!(error instanceof Fault)) return error;
  return new MalformedMessageError(operation, table.name, version, error.path, error.message);
}
