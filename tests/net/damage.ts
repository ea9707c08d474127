/**
 * Arbitrary damage to bytes: cut, grown, flipped, overwritten with what matters to a codec.
 *
 * @module
 */

import fc from "fast-check";

type Wound = (bytes: Uint8Array) => Uint8Array;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** First bytes and lengths that make decoders stumble. */
const nasty = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 1, 0x7f, 0x80, 0x93, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcb, 0xd4, 0xd9, 0xdb),
  fc.constantFrom(0xdc, 0xdd, 0xde, 0xdf, 0xff),
);

const wounds: fc.Arbitrary<Wound> = fc.oneof(
  // Small ones often leave another valid message.
  {
    weight: 3,
    arbitrary: fc.tuple(place, fc.constantFrom(1, -1)).map(([at, change]): Wound => (bytes) => {
      const copy = bytes.slice();
      const index = Math.floor(at * bytes.length);
      if (index < copy.length) copy[index]! += change;
      return copy;
    }),
  },
  place.map((at): Wound => (bytes) => bytes.slice(0, Math.floor(at * bytes.length))),
  fc.uint8Array({ minLength: 1, maxLength: 9 }).map((more): Wound => (bytes) => {
    const whole = new Uint8Array(bytes.length + more.length);
    whole.set(bytes);
    whole.set(more, bytes.length);
    return whole;
  }),
  fc.tuple(place, fc.array(nasty, { minLength: 1, maxLength: 5 })).map(
    ([at, values]): Wound => (bytes) => {
      const copy = bytes.slice();
      const from = Math.floor(at * bytes.length);
      copy.set(values.slice(0, bytes.length - from), from);
      return copy;
    },
  ),
);

/** The bytes with one or two wounds. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(bytes, fc.array(wounds, { minLength: 1, maxLength: 2 })).map(([whole, hurts]) =>
    hurts.reduce((current, hurt) => hurt(current), whole)
  );
}
