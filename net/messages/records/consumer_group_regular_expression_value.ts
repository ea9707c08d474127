/**
 * ConsumerGroupRegularExpressionValue: the topics that a regular expression matches (KIP-848).
 *
 * @module
 */

import { array, type Infer, int64, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE = table({
  name: "ConsumerGroupRegularExpressionValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    topics: array(string()),
    version: int64(),
    timestamp: int64(),
  }),
});

export type ConsumerGroupRegularExpressionValue = Infer<
  typeof CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE
>;
