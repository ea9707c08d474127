/**
 * Messages between nodes as JSON: the codec for whoever needs no other.
 *
 * Owns how refs and bytes are written: a ref as `{"$ref": number}`, bytes as `{"$bytes": index}` of
 * an attachment, which is sent uncopied where it is long. Everything else is what `JSON.stringify`
 * makes of it. What a peer sends is of the shape that the peer gave it: types are a promise between
 * programs, which nobody checks.
 *
 * @module
 */

import type { MessageCodec } from "./remoting.ts";
import { RuntimeRef } from "./signal.ts";

const REF = "$ref";
const BYTES = "$bytes";

/**
 * Plain data, refs and `Uint8Array`s as JSON. Encoding throws a `TypeError` for what JSON cannot
 * carry, as bigints and circles, and for objects that have a key `$ref` or `$bytes` themselves.
 */
export const jsonMessages: MessageCodec = {
  encode(message, refs) {
    const attachments: Uint8Array[] = [];
    const stand = new Set<unknown>();
    const standIn = (key: string, value: number) => {
      const made = { [key]: value };
      stand.add(made);
      return made;
    };
    const text = JSON.stringify(message, (_key, value) => {
      if (value instanceof RuntimeRef) return standIn(REF, refs.toNumber(value));
      if (value instanceof Uint8Array) return standIn(BYTES, attachments.push(value) - 1);
      const isTaken = typeof value === "object" && value !== null && !stand.has(value) &&
        (REF in value || BYTES in value);
      if (isTaken) throw new TypeError(`Cannot send an object with a key ${REF} or ${BYTES}`);
      return value;
    });
    return { envelope: new TextEncoder().encode(text), attachments };
  },
  decode(envelope, attachments, refs) {
    return JSON.parse(new TextDecoder().decode(envelope), (_key, value) => {
      if (value?.[REF] !== undefined) return refs.toRef(value[REF]);
      if (value?.[BYTES] === undefined) return value;
      const bytes = attachments[value[BYTES]];
      if (bytes === undefined) throw new RangeError(`There is no attachment ${value[BYTES]}`);
      return bytes;
    });
  },
};
