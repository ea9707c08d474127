/**
 * What every Disk promises, as tests: one for each line of the contract in storage/disk.ts. Run on
 * every implementation by disk_test.ts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fileRules, laterRules } from "./disk_file_rules.ts";
import { contentsProperty } from "./disk_model.ts";
import { lockRules, nameRules, removeRules, renameRules } from "./disk_name_rules.ts";
import {
  assertDiskError,
  contentOf,
  type DiskMaker,
  type DiskSubject,
  pattern,
} from "./disk_subject.ts";

/** Registers the suite for one implementation. */
export function diskConformance(maker: DiskMaker): void {
  const rule = (name: string, run: (subject: DiskSubject) => void | Promise<void>) =>
    Deno.test(`${maker.name}: ${name}`, async () => {
      const subject = maker.make();
      try {
        await run(subject);
      } finally {
        subject.discard();
      }
    });
  fileRules(rule);
  laterRules(rule);
  nameRules(rule);
  renameRules(rule);
  removeRules(rule);
  lockRules(rule);
  rule("files hold what was written, whatever the order of operations", ({ disk }) => {
    contentsProperty(disk);
  });
  if (maker.makeSmall !== undefined) fullDiskRule(maker);
}

/** Needs a disk that fills: not every machine can make a real one. */
function fullDiskRule(maker: DiskMaker): void {
  const { name, skipSmall } = maker;
  const reason = skipSmall === undefined ? "" : ` (skipped: ${skipSmall})`;
  Deno.test({
    name: `${name}: a write that finds the disk full leaves the length it had${reason}`,
    ignore: skipSmall !== undefined,
  }, () => {
    const subject = maker.makeSmall!(1 << 20);
    const { disk } = subject;
    try {
      const file = disk.open("a", { create: true });
      file.write(pattern(600_000), 0);
      assertDiskError(
        "no-space",
        "Cannot write a at 600000: no space left on device",
        () => file.write(pattern(600_000, 2), 600_000),
      );
      assertEquals(file.size(), 600_000);
      assertEquals(disk.status("a")?.size, 600_000);
      assertEquals(contentOf(disk, "a"), pattern(600_000));
      file.write(pattern(300_000, 3), 600_000);
      assertEquals(file.size(), 900_000);
      file.truncate(0);
      file.write(pattern(900_000), 0);
      disk.remove("a");
      disk.open("b", { create: true }).write(pattern(900_000), 0);
    } finally {
      subject.discard();
    }
  });
}
