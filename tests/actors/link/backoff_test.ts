import { assert, assertEquals } from "@std/assert";
import { backoffMs } from "../../../actors/link/backoff.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";

function always(share: number): RandomStream {
  return {
    integer: (below) => Math.floor(share * below),
    chance: () => false,
    bytes: (length) => new Uint8Array(length),
    uuid: () => "AAAAAAAAAAAAAAAAAAAAAA",
  };
}

const bounds = { initialMs: 100, maxMs: 1000 };

Deno.test("backoff: doubles with each failure up to its maximum", () => {
  const waits = [1, 2, 3, 4, 5, 50].map((failures) => backoffMs(bounds, failures, always(0.5)));
  assertEquals(waits, [100, 200, 400, 800, 1000, 1000]);
});

Deno.test("backoff: lies within a fifth of its nominal length, at the maximum too", () => {
  for (const failures of [1, 3, 40]) {
    const nominal = backoffMs(bounds, failures, always(0.5));
    const least = backoffMs(bounds, failures, always(0));
    const most = backoffMs(bounds, failures, always(0.9999));
    assertEquals(least, nominal * 0.8);
    assert(most > nominal * 1.19 && most <= nominal * 1.2, `${most} of ${nominal}`);
  }
});

Deno.test("backoff: of zero waits for nothing", () => {
  assertEquals(backoffMs({ initialMs: 0, maxMs: 1000 }, 5, always(0.5)), 0);
});
