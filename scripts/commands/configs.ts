/**
 * `strom configs`: lists what can be configured, without asking anybody.
 *
 * @module
 */

import { brokerConfigs } from "../../actors/config/broker_config.ts";
import { consumerGroupConfigs } from "../../actors/config/consumer_group_config.ts";
import type { ConfigDefinition } from "../../actors/config/definition.ts";
import { topicConfigs } from "../../actors/config/topic_config.ts";
import { json } from "./client_options.ts";
import { command } from "./command.ts";
import { flag, text, UsageError } from "./option.ts";
import type { Output } from "./output.ts";

export const configs = command({
  name: "configs",
  summary: "List the configs that brokers, topics or groups can have, with defaults and meanings",
  details: [
    "Those of brokers are given by `strom node --set` or --config, and those that may change while",
    "it runs by `strom cluster alter`; those of topics by `strom topics create --config` or alter,",
    "where they count before the broker's; those of groups by `strom groups alter`.",
  ],
  options: {
    topics: flag("Those of topics"),
    groups: flag("Those of groups"),
    matching: text("TEXT", "Only those with this in their name or meaning"),
    json,
  },
  run({ options: { topics, groups, matching = "", json }, terminal }) {
    const { output } = terminal;
    const wanted = matching.toLowerCase();
    if (topics && groups) throw new UsageError("Give --topics or --groups, not both");
    const definitions: ConfigDefinition[] = topics
      ? topicConfigs()
      : groups
      ? consumerGroupConfigs()
      : brokerConfigs();
    const found = definitions
      .filter(({ name, documentation }) =>
        `${name} ${documentation}`.toLowerCase().includes(wanted)
      )
      .toSorted((a, b) => a.name < b.name ? -1 : 1);
    if (json) output.writeLine(JSON.stringify(found.map(described)));
    else for (const definition of found) print(definition, output);
    if (found.length === 0) terminal.note(`There is no config with ${matching} in it`);
    return Promise.resolve();
  },
});

function print(definition: ConfigDefinition, output: Output): void {
  output.writeLine(`${definition.name}=${definition.defaultText ?? ""}`);
  output.writeLine(`  ${definition.documentation} (${valuesOf(definition)})`);
}

function described({ name, type, defaultText, documentation, dynamic }: ConfigDefinition) {
  return { name, type, default: defaultText, documentation, dynamic };
}

/** What an int can be needs no saying. */
const INT_MAX = 0x7fffffff;

/** What it may be, and whether a restart is needed. */
function valuesOf({ type, min, max, allowed, dynamic }: ConfigDefinition): string {
  return [
    type,
    ...(min === undefined ? [] : [`from ${min}`]),
    ...(max === undefined || max >= INT_MAX ? [] : [`to ${max}`]),
    ...(allowed === undefined ? [] : [allowed.filter((value) => value !== "").join("|")]),
    ...(dynamic === "read-only" ? [] : ["may change while it runs"]),
  ].join(", ");
}
