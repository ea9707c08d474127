/**
 * ConsumerGroupRegularExpressionKey: the key of a resolved regular expression (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_REGULAR_EXPRESSION_KEY = table({
  name: "ConsumerGroupRegularExpressionKey",
  versions: "16",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "16" }),
    regularExpression: string({ versions: "16" }),
  }),
});

export type ConsumerGroupRegularExpressionKey = Infer<typeof CONSUMER_GROUP_REGULAR_EXPRESSION_KEY>;
