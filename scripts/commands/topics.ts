/**
 * `strom topics`: creates, lists, describes, alters and deletes topics.
 *
 * @module
 */

import { Admin } from "../../mod.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { command } from "./command.ts";
import { configChanges } from "./config_changes.ts";
import { createdTopic } from "./created_topic.ts";
import { flag, integer, pairs, requiredText, texts, UsageError } from "./option.ts";
import { counted, offsetsOf, printTopic, shapeJson, topicJson } from "./topic_description.ts";

const PARTITIONS_MAX = 10_000;
const REPLICAS_MAX = 0x7fff;

const create = command({
  name: "topics create",
  summary: "Create a topic",
  options: {
    topic: requiredText("T", "Its name"),
    partitions: integer("N", "How many partitions; the broker's num.partitions when absent", {
      min: 1,
      max: PARTITIONS_MAX,
    }),
    replicationFactor: integer("N", "How many replicas of each; the broker's default when absent", {
      min: 1,
      max: REPLICAS_MAX,
    }),
    config: pairs("A config of the topic, as strom configs --topics lists them"),
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    const { topic, partitions, replicationFactor, config } = options;
    await using admin = await connect(options);
    await admin.createTopics([{
      name: topic,
      ...(partitions === undefined ? {} : { partitions }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      configs: Object.fromEntries(config),
    }]);
    const created = await createdTopic(admin, topic);
    terminal.output.writeLine(
      options.json
        ? JSON.stringify(shapeJson(created))
        : `Topic ${topic} was created with ${counted(created.partitions.length, "partition")}`,
    );
  },
});

const list = command({
  name: "topics list",
  summary: "List the topics",
  options: {
    internal: flag("Also those that brokers keep for themselves"),
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    const { output } = terminal;
    await using admin = await connect(options);
    const topics = (await admin.describeTopics()).filter(({ isInternal }) =>
      options.internal || !isInternal
    );
    if (options.json) return output.writeLine(JSON.stringify(topics.map(shapeJson)));
    if (topics.length === 0) terminal.note("There are no topics");
    for (const { name } of topics) output.writeLine(name);
  },
});

const describe = command({
  name: "topics describe",
  summary: "Show partitions, leaders, replicas and configs of topics",
  options: {
    topic: texts("T", "Its name; all topics when absent"),
    json,
    ...cluster,
  },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    const topics = await admin.describeTopics(options.topic.length > 0 ? options.topic : undefined);
    const described = await admin.describeConfigs(
      topics.map(({ name }) => ({ type: "topic", name })),
    );
    const offsets = await offsetsOf(options, topics);
    const shown = topics.map((topic, index) => ({
      topic,
      configs: described[index]?.configs ?? [],
      offsets,
    }));
    if (options.json) terminal.output.writeLine(JSON.stringify(shown.map(topicJson)));
    else if (shown.length === 0) terminal.note("There are no topics");
    else for (const one of shown) printTopic(one, terminal);
  },
});

const alter = command({
  name: "topics alter",
  summary: "Change a topic's configs, or raise its number of partitions",
  options: {
    topic: requiredText("T", "Its name"),
    partitions: integer("N", "The new number of partitions; keys then go elsewhere than before", {
      min: 1,
      max: PARTITIONS_MAX,
    }),
    config: pairs("A config to set, as strom configs --topics lists them"),
    deleteConfig: texts("KEY", "A config that goes back to its default"),
    ...cluster,
  },
  async run({ options, terminal }) {
    const { topic, partitions } = options;
    const changes = configChanges(options);
    if (partitions === undefined && changes === undefined) {
      throw new UsageError("Nothing to alter: give --partitions, --config or --delete-config");
    }
    await using admin = await connect(options);
    if (changes !== undefined) {
      await admin.alterConfigs([{ type: "topic", name: topic, ...changes }]);
    }
    if (partitions !== undefined) {
      await admin.createPartitions([{ name: topic, count: partitions }]);
    }
    terminal.output.writeLine(`Topic ${topic} was altered`);
  },
});

const remove = command({
  name: "topics delete",
  summary: "Delete topics and all that is in them",
  options: {
    topic: { ...texts("T", "Its name"), isRequired: true },
    ...cluster,
  },
  async run({ options, terminal }) {
    await using admin = await connect(options);
    await admin.deleteTopics(options.topic);
    for (const topic of options.topic) terminal.output.writeLine(`Topic ${topic} was deleted`);
  },
});

export const TOPICS = [create, list, describe, alter, remove];

function connect(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, { clientId: "strom-topics", ...access(options) });
}
