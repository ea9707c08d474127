import { assertEquals, assertThrows } from "@std/assert";
import { parseBootstrap } from "../../../actors/client/bootstrap.ts";
import { InvalidConfigError } from "../../../actors/client/errors.ts";

Deno.test("bootstrap: addresses are separated by commas or come as a list", () => {
  const both = [{ host: "a", port: 1 }, { host: "b.example", port: 2 }];
  assertEquals(parseBootstrap("a:1, b.example:2"), both);
  assertEquals(parseBootstrap(["a:1", "b.example:2"]), both);
});

Deno.test("bootstrap: a port that is left out is the native one", () => {
  assertEquals(parseBootstrap("localhost"), [{ host: "localhost", port: 9192 }]);
});

Deno.test("bootstrap: an address that is given twice counts once", () => {
  assertEquals(parseBootstrap("a:1,b:2,a:1"), [{ host: "a", port: 1 }, { host: "b", port: 2 }]);
});

Deno.test("bootstrap: an IPv6 host stands in brackets", () => {
  assertEquals(parseBootstrap("[::1]:9000"), [{ host: "::1", port: 9000 }]);
});

for (const text of ["", " , ", "a:0", "a:65536", "::1", "a:b", "http://a:1", "a b:1"]) {
  Deno.test(`bootstrap: ${JSON.stringify(text)} is refused by name`, () => {
    assertThrows(() => parseBootstrap(text), InvalidConfigError, "Cannot connect");
  });
}

Deno.test("bootstrap: kafka:// before an address is for all of them, and the port is Kafka's", () => {
  assertEquals(parseBootstrap("kafka://a:1,b"), [
    { host: "a", port: 1, encoding: "kafka" },
    { host: "b", port: 9092, encoding: "kafka" },
  ]);
  assertEquals(parseBootstrap(["kafka://[::1]", "kafka://b:2"]), [
    { host: "::1", port: 9092, encoding: "kafka" },
    { host: "b", port: 2, encoding: "kafka" },
  ]);
});
