/**
 * FindCoordinator: the broker that coordinates a group or a transactional id.
 *
 * Versions: 1 adds the type of key, 2 tells of throttling before it throttles; 3 is flexible; 4
 * asks for several keys (KIP-699); 5 may answer TRANSACTION_ABORTABLE (KIP-890).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const FIND_COORDINATOR = api({
  key: 10,
  name: "FindCoordinator",
  versions: "0-5",
  flexibleVersions: "3+",
  request: struct({
    key: string({ versions: "0-3" }),
    keyType: int8({ versions: "1+" }),
    coordinatorKeys: array(string(), { versions: "4+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16({ versions: "0-3" }),
    errorMessage: string({ versions: "1-3", nullableVersions: "1-3", ignorable: true }),
    nodeId: int32({ versions: "0-3" }),
    host: string({ versions: "0-3" }),
    port: int32({ versions: "0-3" }),
    coordinators: array(
      struct({
        key: string({ versions: "4+" }),
        nodeId: int32({ versions: "4+" }),
        host: string({ versions: "4+" }),
        port: int32({ versions: "4+" }),
        errorCode: int16({ versions: "4+" }),
        errorMessage: string({ versions: "4+", nullableVersions: "4+", ignorable: true }),
      }),
      { versions: "4+" },
    ),
  }),
});

export type FindCoordinatorRequest = Infer<typeof FIND_COORDINATOR.request>;
export type FindCoordinatorResponse = Infer<typeof FIND_COORDINATOR.response>;
export type Coordinator = FindCoordinatorResponse["coordinators"][number];
