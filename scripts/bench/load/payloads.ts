/** Values and keys to send: enough different ones that nothing profits from sameness. */

const VALUES = 1024;
const KEYS = 10_000;

/** Values of `size` random bytes. */
export function byteValues(size: number): Uint8Array[] {
  return Array.from({ length: VALUES }, () => {
    const value = new Uint8Array(size);
    for (let i = 0; i < size; i++) value[i] = Math.random() * 256;
    return value;
  });
}

/** Values of `size` letters and digits, as a log line or a small JSON has. */
export function textValues(size: number): string[] {
  return Array.from({ length: VALUES }, () => {
    let text = "";
    while (text.length < size) text += Math.random().toString(36).slice(2);
    return flat(text.slice(0, size));
  });
}

/** The same text as one that came from bytes: a part of another, or several joined, read slower. */
function flat(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

/** Keys like those of customers or devices. */
export function textKeys(count = KEYS): string[] {
  return Array.from({ length: count }, (_, index) => flat(`customer-${index}`));
}
