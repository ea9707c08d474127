import { assertEquals, assertThrows } from "@std/assert";
import {
  formatVersions,
  includes,
  intersect,
  NO_VERSIONS,
  parseVersions,
} from "../../../net/schema/versions.ts";

Deno.test("versions: Kafka's notation is read and written", () => {
  for (const text of ["0", "3", "0-4", "12+", "none"]) {
    assertEquals(formatVersions(parseVersions(text)), text);
  }
  for (const text of ["", "+", "1-", "-1", "4-2", "1.5", "0+ ", "40000"]) {
    assertThrows(() => parseVersions(text), SyntaxError);
  }
});

Deno.test("versions: a range includes its ends", () => {
  const range = parseVersions("2-4");
  assertEquals([1, 2, 3, 4, 5].map((version) => includes(range, version)), [
    false,
    true,
    true,
    true,
    false,
  ]);
  assertEquals(includes(NO_VERSIONS, 0), false);
});

Deno.test("versions: ranges that do not touch have none in common", () => {
  assertEquals(intersect(parseVersions("2+"), parseVersions("0-4")), parseVersions("2-4"));
  assertEquals(intersect(parseVersions("0-1"), parseVersions("2+")), NO_VERSIONS);
});
