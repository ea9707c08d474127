/**
 * AlterUserScramCredentials: sets and removes SCRAM credentials of users (KIP-554).
 *
 * @module
 */

import { api, array, bytes, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const ALTER_USER_SCRAM_CREDENTIALS = api({
  key: 51,
  name: "AlterUserScramCredentials",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    deletions: array(struct({
      name: string(),
      mechanism: int8(),
    })),
    upsertions: array(struct({
      name: string(),
      mechanism: int8(),
      iterations: int32(),
      salt: bytes(),
      saltedPassword: bytes(),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(struct({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
    })),
  }),
});

export type AlterUserScramCredentialsRequest = Infer<typeof ALTER_USER_SCRAM_CREDENTIALS.request>;
export type AlterUserScramCredentialsResponse = Infer<typeof ALTER_USER_SCRAM_CREDENTIALS.response>;
export type ScramCredentialDeletion = AlterUserScramCredentialsRequest["deletions"][number];
export type ScramCredentialUpsertion = AlterUserScramCredentialsRequest["upsertions"][number];
export type AlterUserScramCredentialsResult = AlterUserScramCredentialsResponse["results"][number];
