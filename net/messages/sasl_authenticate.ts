/**
 * SaslAuthenticate: carries one token of an authentication (KIP-152).
 *
 * Version 1 adds the life time of the session (KIP-368); 2 is flexible.
 *
 * @module
 */

import { api, bytes, type Infer, int16, int64, string, struct } from "../schema.ts";

export const SASL_AUTHENTICATE = api({
  key: 36,
  name: "SaslAuthenticate",
  versions: "0-2",
  flexibleVersions: "2+",
  request: struct({
    authBytes: bytes(),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ versions: "1+", ignorable: true }),
  }),
});

export type SaslAuthenticateRequest = Infer<typeof SASL_AUTHENTICATE.request>;
export type SaslAuthenticateResponse = Infer<typeof SASL_AUTHENTICATE.response>;
