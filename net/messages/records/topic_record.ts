/**
 * TopicRecord: a topic was created: its name and its id.
 *
 * @module
 */

import { type Infer, record, string, struct, uuid } from "../../schema.ts";

export const TOPIC_RECORD = record({
  type: 2,
  name: "TopicRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    name: string(),
    topicId: uuid(),
  }),
});

export type TopicRecord = Infer<typeof TOPIC_RECORD>;
