import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../../actors/config/definition.ts";
import { parseAdvertised, parseListeners } from "../../../actors/config/listeners.ts";

Deno.test("listeners: each has an address, in any order, or none", () => {
  assertEquals(parseListeners(""), { native: undefined, kafka: undefined });
  assertEquals(parseListeners("PLAINTEXT://:9092, NATIVE://[::1]:0"), {
    native: { host: "::1", port: 0 },
    kafka: { host: "0.0.0.0", port: 9092 },
  });
  assertEquals(parseAdvertised("PLAINTEXT://broker-1.example.org:9092").kafka, {
    host: "broker-1.example.org",
    port: 9092,
  });
});

Deno.test("listeners: what cannot be read is named, and so is a listener that is not known", () => {
  const refused: readonly [string, string][] = [
    ["127.0.0.1:9092", "is no NAME://host:port"],
    ["NATIVE://127.0.0.1", "is no NAME://host:port"],
    ["NATIVE://127.0.0.1:65536", "is no NAME://host:port"],
    ["SSL://127.0.0.1:9093", "SSL://127.0.0.1:9093 is neither NATIVE nor PLAINTEXT"],
    ["NATIVE://a:1,NATIVE://b:2", "names NATIVE twice"],
  ];
  for (const [text, reason] of refused) {
    assertThrows(() => parseListeners(text), ConfigError, reason);
    assertThrows(() => parseAdvertised(text), ConfigError, reason);
  }
});

Deno.test("listeners: what nobody reaches is not advertised", () => {
  assertThrows(() => parseAdvertised("PLAINTEXT://0.0.0.0:9092"), ConfigError, "nobody reaches");
  assertThrows(() => parseAdvertised("PLAINTEXT://host:0"), ConfigError, "is no NAME://host:port");
});
