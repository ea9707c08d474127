/**
 * RemoveTopicRecord: a topic was deleted, with all its partitions.
 *
 * @module
 */

import { type Infer, record, struct, uuid } from "../../schema.ts";

export const REMOVE_TOPIC_RECORD = record({
  type: 9,
  name: "RemoveTopicRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    topicId: uuid(),
  }),
});

export type RemoveTopicRecord = Infer<typeof REMOVE_TOPIC_RECORD>;
