/**
 * DescribeUserScramCredentials: the SCRAM mechanisms and iterations of users (KIP-554).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const DESCRIBE_USER_SCRAM_CREDENTIALS = api({
  key: 50,
  name: "DescribeUserScramCredentials",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    users: array(
      struct({
        name: string(),
      }),
      { nullableVersions: "0+" },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    results: array(struct({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      credentialInfos: array(struct({
        mechanism: int8(),
        iterations: int32(),
      })),
    })),
  }),
});

export type DescribeUserScramCredentialsRequest = Infer<
  typeof DESCRIBE_USER_SCRAM_CREDENTIALS.request
>;
export type DescribeUserScramCredentialsResponse = Infer<
  typeof DESCRIBE_USER_SCRAM_CREDENTIALS.response
>;
export type UserName = NonNullable<DescribeUserScramCredentialsRequest["users"]>[number];
export type DescribeUserScramCredentialsResult =
  DescribeUserScramCredentialsResponse["results"][number];
export type CredentialInfo = DescribeUserScramCredentialsResult["credentialInfos"][number];
