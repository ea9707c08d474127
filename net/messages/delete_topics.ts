/**
 * DeleteTopics: deletes topics by name or by id.
 *
 * Versions: 4 is flexible; 5 adds the error message and may return THROTTLING_QUOTA_EXCEEDED
 * (KIP-599); 6 replaces the list of names by one of names or ids (KIP-516).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct, uuid } from "../schema.ts";

export const DELETE_TOPICS = api({
  key: 20,
  name: "DeleteTopics",
  versions: "1-6",
  flexibleVersions: "4+",
  request: struct({
    topics: array(
      struct({
        name: string({ versions: "6+", nullableVersions: "6+", default: null }),
        topicId: uuid({ versions: "6+" }),
      }),
      { versions: "6+" },
    ),
    topicNames: array(string(), { versions: "0-5", ignorable: true }),
    timeoutMs: int32(),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    responses: array(struct({
      name: string({ nullableVersions: "6+" }),
      topicId: uuid({ versions: "6+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({
        versions: "5+",
        nullableVersions: "5+",
        default: null,
        ignorable: true,
      }),
    })),
  }),
});

export type DeleteTopicsRequest = Infer<typeof DELETE_TOPICS.request>;
export type DeleteTopicsResponse = Infer<typeof DELETE_TOPICS.response>;
export type DeleteTopicState = DeleteTopicsRequest["topics"][number];
export type DeletableTopicResult = DeleteTopicsResponse["responses"][number];
