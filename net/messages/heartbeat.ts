/**
 * Heartbeat: keeps a member in its classic group.
 *
 * Version 3 adds static members (KIP-345); 4 is flexible.
 *
 * @module
 */

import { api, type Infer, int16, int32, string, struct } from "../schema.ts";

export const HEARTBEAT = api({
  key: 12,
  name: "Heartbeat",
  versions: "0-4",
  flexibleVersions: "4+",
  request: struct({
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
  }),
});

export type HeartbeatRequest = Infer<typeof HEARTBEAT.request>;
export type HeartbeatResponse = Infer<typeof HEARTBEAT.response>;
