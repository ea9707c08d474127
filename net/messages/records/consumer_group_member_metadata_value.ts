/**
 * ConsumerGroupMemberMetadataValue: a member's subscription and time-outs (KIP-848).
 *
 * @module
 */

import { array, bytes, type Infer, int32, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_MEMBER_METADATA_VALUE = table({
  name: "ConsumerGroupMemberMetadataValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    instanceId: string({ nullableVersions: "0+" }),
    rackId: string({ nullableVersions: "0+" }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullableVersions: "0+" }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullableVersions: "0+" }),
    classicMemberMetadata: struct({
      sessionTimeoutMs: int32(),
      supportedProtocols: array(struct({
        name: string(),
        metadata: bytes(),
      })),
    }, { nullableVersions: "0+", tag: 0, taggedVersions: "0+" }),
  }),
});

export type ConsumerGroupMemberMetadataValue = Infer<typeof CONSUMER_GROUP_MEMBER_METADATA_VALUE>;
export type ClassicMemberMetadata = NonNullable<
  ConsumerGroupMemberMetadataValue["classicMemberMetadata"]
>;
export type ClassicProtocol = ClassicMemberMetadata["supportedProtocols"][number];
