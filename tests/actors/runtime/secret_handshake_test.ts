import { assertEquals } from "@std/assert";
import { secretHandshake } from "../../../actors/runtime/secret_handshake.ts";

Deno.test("secret handshake: both learn who the other is, the one that connects speaks first", () => {
  const one = secretHandshake("connects", 1, "sesame");
  const two = secretHandshake("accepts", 70_000, "sesame");
  assertEquals(two.begin(), undefined);
  const answer = two.heard(one.begin()!);
  assertEquals([answer.kind, "peer" in answer && answer.peer], ["accepted", 1]);
  const { bytes } = answer as { bytes: Uint8Array };
  assertEquals(one.heard(bytes), { kind: "accepted", peer: 70_000 });
});

Deno.test("secret handshake: who does not know the secret is refused, on either side", () => {
  for (const secret of ["", "sesam", "sesame!", "sesamE"]) {
    const stranger = secretHandshake("connects", 1, secret);
    for (const role of ["accepts", "connects"] as const) {
      const own = secretHandshake(role, 2, "sesame");
      assertEquals(own.heard(stranger.begin()!).kind, "refused", `${role} ${secret}`);
    }
  }
  const refused = secretHandshake("accepts", 2, "").heard(new Uint8Array(3));
  assertEquals(refused.kind, "refused");
});
