/**
 * `strom groups`: lists and describes groups, sets their offsets and configs, deletes them.
 *
 * @module
 */

import {
  Admin,
  type CommittedOffset,
  type GroupDescription,
  type OffsetAnswer,
  type TopicPartition,
} from "../../mod.ts";
import { CONFIG_SOURCE } from "../../net/messages/config_resources.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { command, type Terminal } from "./command.ts";
import { configChanges } from "./config_changes.ts";
import { parseResetTarget, resetOffsets } from "./offset_reset.ts";
import { flag, integer, pairs, requiredText, texts, UsageError } from "./option.ts";
import { counted } from "./topic_description.ts";

const list = command({
  name: "groups list",
  summary: "List the groups, their protocols and states",
  options: { json, ...cluster },
  async run({ options, terminal }) {
    const { output } = terminal;
    await using admin = await connect(options);
    const groups = await admin.listGroups();
    if (options.json) return output.writeLine(JSON.stringify(groups));
    if (groups.length === 0) terminal.note("There are no groups");
    for (const { groupId, type, state } of groups) {
      output.writeLine([groupId, type, state].filter((text) => text !== "").join("  "));
    }
  },
});

const describe = command({
  name: "groups describe",
  summary: "Show how far a group has come in each partition, and who reads it",
  details: [
    "The lag of a partition is what lies between the committed offset and the end of the log.",
  ],
  options: { group: requiredText("G", "Its id"), json, ...cluster },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    const [group] = await admin.describeGroups([options.group]);
    const rows = await partitionsOf(admin, group!);
    if (options.json) {
      return terminal.output.writeLine(JSON.stringify({ ...group!, partitions: rows }));
    }
    printGroup(group!, terminal);
    for (const row of rows) terminal.output.writeLine(`  ${rowLine(row)}`);
  },
});

const members = command({
  name: "groups members",
  summary: "Show the members of a group and their partitions",
  options: { group: requiredText("G", "Its id"), json, ...cluster },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    const [group] = await admin.describeGroups([options.group]);
    const { output } = terminal;
    if (options.json) return output.writeLine(JSON.stringify(group!.members));
    printGroup(group!, terminal);
    for (const member of group!.members) {
      const { memberId, groupInstanceId, clientId, host, memberEpoch, assignment } = member;
      output.writeLine(
        [
          `  ${memberId}`,
          ...(groupInstanceId === null ? [] : [`instance ${groupInstanceId}`]),
          `client ${clientId}`,
          ...(host === "" ? [] : [`host ${host}`]),
          ...(memberEpoch < 0 ? [] : [`memberEpoch ${memberEpoch}`]),
          assignment.length === 0 ? "no partition" : assignment.map(keyOf).join(" "),
        ].join("  "),
      );
    }
  },
});

const reset = command({
  name: "groups reset-offsets",
  summary: "Set where a group goes on, while it has no members",
  details: [
    "WHERE is earliest, latest, offset N, time ISO (the first record that is not older), or",
    "shift-by N, which goes back where N is negative. Offsets that the log does not have become",
    "its start or its end. Without --execute it only shows what would be done.",
  ],
  optionalOperands: ["N|ISO"],
  options: {
    group: requiredText("G", "Its id"),
    topic: requiredText("T", "The topic"),
    to: requiredText("WHERE", "Where to go on: see above"),
    partition: integer("N", "Only this partition", { min: 0 }),
    execute: flag("Do it"),
    json,
    ...cluster,
  },
  async run({ options, operands, terminal }) {
    const { group, topic, partition, execute } = options;
    const target = parseResetTarget(options.to, operands[0]);
    await using admin = await connect(options);
    const changes = await resetOffsets(admin, group, topic, partition, target);
    if (execute) {
      await admin.alterConsumerGroupOffsets(
        group,
        changes.map(({ partition, to }) => ({ topic, partition, offset: to })),
      );
    }
    if (options.json) return terminal.output.writeLine(JSON.stringify(changes));
    for (const { partition, from, to } of changes) {
      terminal.output.writeLine(`${topic}-${partition}  ${from ?? "none"} -> ${to}`);
    }
    if (!execute) terminal.note("Nothing was changed: --execute does it");
  },
});

const configs = command({
  name: "groups configs",
  summary: "Show the configs that hold for a consumer group",
  details: ["`(own)` is one that the group sets itself; the others are the broker's."],
  options: { group: requiredText("G", "Its id"), json, ...cluster },
  async run({ options, terminal }) {
    const { output } = terminal;
    await using admin = await connect(options);
    const [described] = await admin.describeConfigs([{ type: "group", name: options.group }]);
    const found = described!.configs;
    if (options.json) return output.writeLine(JSON.stringify(found));
    for (const { name, value, configSource } of found) {
      output.writeLine(`${name}=${value}${configSource === CONFIG_SOURCE.group ? "  (own)" : ""}`);
    }
  },
});

const alter = command({
  name: "groups alter",
  summary: "Change the configs of a consumer group",
  details: [
    "What may be set, `strom configs --groups` says. A broker's group.consumer.min... and",
    "group.consumer.max... bound it.",
  ],
  options: {
    group: requiredText("G", "Its id"),
    config: pairs("A config to set, as consumer.session.timeout.ms=50000"),
    deleteConfig: texts("KEY", "A config that goes back to the broker's"),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { group } = options;
    const changes = configChanges(options);
    if (changes === undefined) {
      throw new UsageError("Nothing to alter: give --config or --delete-config");
    }
    await using admin = await connect(options);
    await admin.alterConfigs([{ type: "group", name: group, ...changes }]);
    terminal.output.writeLine(`Group ${group} was altered`);
  },
});

const remove = command({
  name: "groups delete",
  summary: "Delete groups that have no members, and what they have committed",
  options: { group: { ...texts("G", "Its id"), isRequired: true }, ...cluster },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    await admin.deleteGroups(options.group);
    for (const group of options.group) terminal.output.writeLine(`Group ${group} was deleted`);
  },
});

export const GROUPS = [list, describe, members, reset, configs, alter, remove];

function connect(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, { clientId: "strom-groups", ...access(options) });
}

/** A partition as a group stands to it. */
interface GroupPartition extends TopicPartition {
  readonly committedOffset: number | null;
  readonly logEndOffset: number;
  /** Null where nothing is committed. */
  readonly lag: number | null;
  readonly memberId: string | null;
  readonly clientId: string | null;
}

/** What is committed and what is assigned, by topics and partitions. */
async function partitionsOf(admin: Admin, group: GroupDescription): Promise<GroupPartition[]> {
  const offsets = await admin.listConsumerGroupOffsets(group.groupId);
  const committed = new Map(offsets.map((one) => [keyOf(one), one]));
  const assigned = group.members.flatMap((member) =>
    member.assignment.map((place) => ({ place, member }))
  );
  const owners = new Map(assigned.map(({ place, member }) => [keyOf(place), member]));
  const places = new Map(
    [...offsets, ...assigned.map(({ place }) => place)].map((place) => [keyOf(place), place]),
  );
  const sorted = [...places.values()].sort((a, b) =>
    a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition
  );
  const ends = await endsOf(admin, sorted);
  return sorted.map((place): GroupPartition => {
    const key = keyOf(place);
    const owner = owners.get(key);
    const offset = committed.get(key)?.offset ?? null;
    const end = ends.get(key)?.offset ?? -1;
    return {
      topic: place.topic,
      partition: place.partition,
      committedOffset: offset,
      logEndOffset: end,
      lag: offset === null || end < 0 ? null : Math.max(0, end - offset),
      memberId: owner?.memberId ?? null,
      clientId: owner?.clientId ?? null,
    };
  });
}

/** The ends of logs that are still there. */
async function endsOf(
  admin: Admin,
  places: readonly (TopicPartition | CommittedOffset)[],
): Promise<ReadonlyMap<string, OffsetAnswer>> {
  const topics = new Set(await admin.listTopics({ internal: true }));
  const known = places.filter(({ topic }) => topics.has(topic));
  if (known.length === 0) return new Map();
  const ends = await admin.listOffsets(
    known.map(({ topic, partition }) => ({ topic, partition, at: "latest" })),
  );
  return new Map(ends.map((end) => [keyOf(end), end]));
}

function printGroup(group: GroupDescription, { output }: Terminal): void {
  const { groupId, type, state, assignor, groupEpoch, members } = group;
  output.writeLine(
    [
      groupId,
      type,
      state,
      ...(assignor === "" ? [] : [`assignor ${assignor}`]),
      ...(groupEpoch < 0 ? [] : [`groupEpoch ${groupEpoch}`]),
      counted(members.length, "member"),
    ].join("  "),
  );
}

function rowLine(row: GroupPartition): string {
  return [
    keyOf(row),
    row.committedOffset === null ? "nothing committed" : `committedOffset ${row.committedOffset}`,
    ...(row.logEndOffset < 0 ? [] : [`logEndOffset ${row.logEndOffset}`]),
    ...(row.lag === null ? [] : [`lag ${row.lag}`]),
    row.memberId === null ? "no member" : `member ${row.memberId}`,
  ].join("  ");
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
